"""Infotext on the host's side: what is written for a generation, and what a paste puts back into the page."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from modules.infotext_utils import PasteField
from PIL import Image

from lib_indetail import infotext
from lib_indetail.errors import BadPicture
from lib_indetail.folder import PictureFolder
from lib_indetail.picture import picture_hash, upright_rgb
from lib_indetail.request import SETTINGS, Request

_pastes = itertools.count()


def write(p, request: Request | None) -> None:
    """Put a request's lines into the infotext of `p`, in the place of what an earlier one with the same dict left.

    None: the arguments cannot be used, so that nothing will be made.
    """
    for label in infotext.LABELS:
        p.extra_generation_params.pop(label, None)
    if request is not None:
        p.extra_generation_params.update(infotext.written(request))


@dataclass(frozen=True)
class Pasted:
    """What a paste puts into one control. Equal for both tabs, by which the host pairs them when it sends from one to
    the other."""

    name: str

    def __call__(self, lines: Mapping[str, Any]) -> Any:
        """The value, or None to leave the control as it is; a picture made without us switches InDetail off."""
        restored = infotext.read(lines)
        if restored is None:
            return False if self.name == "enabled" else None
        return restored.values.get(self.name)


def told(lines: Mapping[str, Any]) -> str:
    """What a paste has to say beside the values, for `receive`; different each time, so that the page notices."""
    restored = infotext.read(lines)
    said = {"image": restored.image, "notes": restored.notes} if restored else {}
    return json.dumps({**said, "paste": next(_pastes)})


def paste_fields(controls: Mapping[str, gr.components.Component], notice: gr.components.Component):
    """The host's paste fields, and those that it sends from tab to tab. `controls` by field name, also the picture."""
    sent = [PasteField(controls[name], Pasted(name)) for name in ("enabled", "task", *SETTINGS, "image")]
    return [*sent, PasteField(notice, told)], [field.function for field in sent]


def receive(said: str, picture, folder: PictureFolder) -> tuple[Any, str]:
    """After a paste: the picture of these settings if it can be found, and a line about what is missing."""
    try:
        paste = json.loads(said)
    except ValueError:
        return gr.update(), ""
    lines, update = list(paste.get("notes", ())), gr.update()
    wanted = paste.get("image")
    if wanted and wanted != _hash(picture):
        found = _found(folder, wanted)
        update = gr.update() if found is None else gr.update(value=found)
        if found is None:
            lines.append(_missing(wanted, picture is not None))
    return update, "".join(f"<p class='indetail-warning'>{html.escape(line)}</p>" for line in lines)


def _hash(picture: Image.Image | str | None) -> str | None:
    if not isinstance(picture, Image.Image):
        return None
    try:
        return picture_hash(upright_rgb(picture))
    except BadPicture:
        return None


def _found(folder: PictureFolder, wanted: str):
    try:
        return folder.by_hash(wanted)
    except (BadPicture, OSError):
        return None


def _missing(wanted: str, another: bool) -> str:
    if another:
        return f"These settings were used with another picture ({wanted}), which is not here; yours is kept."
    return (f"The picture of these settings ({wanted}) is not here: drop it in. "
            "Settings > InDetail can keep a copy of every picture.")
