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

from lib_indetail import infotext
from lib_indetail.errors import BadPicture
from lib_indetail.folder import PictureFolder
from lib_indetail.image_prompt import image_prompt
from lib_indetail.picture import picture_hash
from lib_indetail.request import FURTHER, PICTURE, POSITIONS, Request, numbered
from lib_indetail.settings import Settings

PICTURES = (*PICTURE, *(numbered(name, number) for number in FURTHER for name in PICTURE))
"""The fields of pictures and masks."""
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
    said = {"images": restored.images, "notes": restored.notes} if restored else {}
    return json.dumps({**said, "paste": next(_pastes)})


def paste_fields(controls: Mapping[str, gr.components.Component], notice: gr.components.Component):
    """The host's paste fields, and those that it sends from tab to tab. `controls` by field name, also the picture."""
    sent = [PasteField(controls[name], Pasted(name)) for name in POSITIONS]
    return [*sent, PasteField(notice, told)], [field.function for field in sent]


def receive(folder: PictureFolder, said: str, *given: Any) -> list[Any]:
    """After a paste: a line about what is missing, and for each of the `PICTURES` what becomes of it. `given` are those
    of the page. The first picture stays if the settings name none; others go."""
    try:
        paste = json.loads(said)
    except ValueError:
        return ["", *(gr.update() for _ in PICTURES)]
    lines, updates = list(paste.get("notes", ())), {name: gr.update() for name in PICTURES}
    if "images" in paste:
        fields = dict(zip(PICTURES, given))
        for number in (1, *FURTHER):
            changed, missing = _restored(folder, number, fields, paste["images"])
            updates |= changed
            lines += missing
    return ["".join(f"<p class='indetail-warning'>{html.escape(line)}</p>" for line in lines), *updates.values()]


def _restored(folder: PictureFolder, number: int, fields: Mapping[str, Any],
              hashes: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Of one image prompt the fields that change, and lines about what is not here."""
    updates, lines = {}, []
    names = {name: name if number == 1 else numbered(name, number) for name in PICTURE}
    given = {name: fields[field] for name, field in names.items()}
    wanted = {name: hashes.get(field) for name, field in names.items()}
    if wanted["image"] and wanted["image"] != _hashes(number, given)["image"]:
        found = _found(folder, wanted["image"])
        if found is None:
            lines.append(_missing(number, wanted["image"], given["image"] is not None))
        else:
            given["image"] = found
            updates[names["image"]] = gr.update(value=found)
    have = _hashes(number, given)
    for name, field in names.items():
        if not wanted[name] and have[name] and (number, name) != (1, "image"):
            updates[field] = gr.update(value=None)
        if name != "image" and wanted[name] and wanted[name] != have[name]:
            lines.append(f"The {name.replace('_', ' ')}{_of(number)} of these settings ({wanted[name]}) is not here: "
                         "draw it, or drop it in.")
    return updates, lines


def _hashes(number: int, given: Mapping[str, Any]) -> dict[str, str | None]:
    """Of a picture and its masks as they are in the page."""
    try:
        prompt = image_prompt(number, Settings(), given, wanted=False)
    except BadPicture:
        return dict.fromkeys(PICTURE)
    pictures = zip(PICTURE, (prompt.picture, prompt.take, prompt.put))
    return {name: picture and picture_hash(picture) for name, picture in pictures}


def _found(folder: PictureFolder, wanted: str):
    try:
        return folder.by_hash(wanted)
    except (BadPicture, OSError):
        return None


def _missing(number: int, wanted: str, another: bool) -> str:
    if another:
        return (f"These settings were used with another picture{_of(number)} ({wanted}), which is not here; yours is "
                "kept.")
    return (f"The picture{_of(number)} of these settings ({wanted}) is not here: drop it in. "
            "Settings > InDetail can keep a copy of every picture.")


def _of(number: int) -> str:
    return "" if number == 1 else f" {number}"
