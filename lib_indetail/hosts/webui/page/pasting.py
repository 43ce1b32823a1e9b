"""What a paste of infotext puts back into the page."""

from __future__ import annotations

import dataclasses
import html
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from modules.infotext_utils import PasteField
from PIL import Image

from lib_indetail.ask import infotext
from lib_indetail.ask.image_prompt import image_prompt
from lib_indetail.ask.page_order import FURTHER, PICTURE, POSITIONS, numbered
from lib_indetail.ask.settings import Settings
from lib_indetail.errors import BadPicture
from lib_indetail.pictures.as_seen import names_of
from lib_indetail.pictures.convert import data_uri, picture_hash
from lib_indetail.pictures.opening import opened_text

PICTURES = (*PICTURE, *(numbered(name, number) for number in FURTHER for name in PICTURE))
"""The fields of pictures and masks."""
_pastes = itertools.count()


Find = Callable[[str], Image.Image | None]
"""The picture or mask with a hash, if it was kept."""


@dataclass(frozen=True)
class Pasted:
    """What a paste puts into one control. Equal for both tabs, by which the host pairs them when it sends from one to
    the other."""

    name: str
    find: Find = dataclasses.field(compare=False)

    def __call__(self, lines: Mapping[str, Any]) -> Any:
        """The value, or None to leave the control as it is; a picture made without us switches InDetail off."""
        restored = infotext.read(lines)
        if restored is None:
            return False if self.name == "enabled" else None
        if self.name in PICTURES:
            picture = self.find(restored.images[self.name]) if self.name in restored.images else None
            return picture and data_uri(picture)
        return restored.values.get(self.name)


def told(lines: Mapping[str, Any]) -> str:
    """What a paste has to say beside the values, for `receive`; different each time, so that the page notices."""
    restored = infotext.read(lines)
    said = {"images": restored.images, "notes": restored.notes} if restored else {}
    return json.dumps({**said, "paste": next(_pastes)})


def paste_fields(controls: Mapping[str, gr.components.Component], notice: gr.components.Component, find: Find):
    """The host's paste fields, and those that it sends from tab to tab. `controls` by field name, also the pictures."""
    sent = [PasteField(controls[name], Pasted(name, find)) for name in POSITIONS]
    return [*sent, PasteField(notice, told)], [field.function for field in sent]


def receive(said: str, *given: Any) -> list[Any]:
    """After a paste: a line about what is missing, and for each of the `PICTURES` what becomes of it. `given` are those
    of the page, with what was found in their places. The first picture stays if the settings name none; others go."""
    try:
        paste = json.loads(said)
    except ValueError:
        return ["", *(gr.update() for _ in PICTURES)]
    lines, updates = list(paste.get("notes", ())), {name: gr.update() for name in PICTURES}
    if "images" in paste:
        fields = dict(zip(PICTURES, given, strict=True))
        for number in (1, *FURTHER):
            left_over, missing = _compared(number, fields, paste["images"])
            updates |= dict.fromkeys(left_over, gr.update(value=None))
            lines += missing
    return ["".join(f"<p class='indetail-warning'>{html.escape(line)}</p>" for line in lines), *updates.values()]


def _compared(number: int, fields: Mapping[str, Any], hashes: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Of one image prompt the fields that the settings do not name, and lines about what is not here."""
    left_over, lines = [], []
    names = {name: numbered(name, number) for name in PICTURE}
    given = {name: fields[field] for name, field in names.items()}
    have = _hashes(number, given)
    for name, field in names.items():
        wanted = hashes.get(field)
        if wanted and wanted not in have[name]:
            lines.append(_missing(name, number, wanted, given[name] is not None))
        if not wanted and have[name] and field != "image":
            left_over.append(field)
    return left_over, lines


def _hashes(number: int, given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Of a picture and its masks as they are in the page; of a picture also what version 0.4 called it."""
    try:
        prompt = image_prompt(number, Settings(), given, wanted=False)
        names = names_of(opened_text(given["image"])) if prompt.picture is not None else ()
    except BadPicture:
        return dict.fromkeys(PICTURE, ())
    masks = {"reference_mask": prompt.take, "output_mask": prompt.put}
    return {"image": names, **{name: (picture_hash(mask),) if mask else () for name, mask in masks.items()}}


def _missing(name: str, number: int, wanted: str, another: bool) -> str:
    what = ("image prompt" if name == "image" else name.replace("_", " ")) + ("" if number == 1 else f" {number}")
    if another:
        return f"These settings were used with another {what} ({wanted}), which is not here; yours is kept."
    return f"The {what} of these settings ({wanted}) is not here any more: drop it in. " \
           "Settings > InDetail says how much is kept."
