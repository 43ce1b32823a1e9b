"""The page's fields for pictures and masks: of the first image prompt, and of those beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gradio as gr
from PIL import Image

from lib_indetail.ask import words
from lib_indetail.ask.image_prompt import painted
from lib_indetail.ask.page_order import ALWAYS_OWN, FURTHER, IF_OWN, numbered
from lib_indetail.hosts.webui.page.controls import QUIET, controls

MASKS = {"reference_mask": (words.REFERENCE_MASK, words.PAINT_REFERENCE, words.REFERENCE_MASK_HELP),
         "output_mask": (words.OUTPUT_MASK, words.PAINT_OUTPUT, words.OUTPUT_MASK_HELP)}
"""Label, button and help."""
MASK_HEIGHT = 220
PICTURE_HEIGHT = 200

Fields = dict[str, gr.components.Component]


class PictureField(gr.Image):
    """An image field that passes on what the browser sends, as text: a data URI, or two of a canvas and its paint. So
    the arguments of a generation can be sent as JSON, and the refusal of what is no picture is ours to word."""

    is_template = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.value = ""  # pasted text is given only to fields whose value is text, by the host's page and its API

    def get_config(self):
        return {**super().get_config(), "value": None}

    def preprocess(self, x):
        return x

    def postprocess(self, y):
        """A canvas that is sent to the other tab arrives there as what was painted, if anything was."""
        if isinstance(y, Mapping):
            y = painted(y) or y.get("image")
        return y if isinstance(y, str) and y.startswith("data:") else super().postprocess(y)


def masks(elem_id: Callable[[str], str]) -> tuple[Fields, dict[str, gr.Button]]:
    """Canvases for both masks side by side, each with a button that puts something under the brush."""
    fields, buttons = {}, {}
    with gr.Row():
        for name, (label, button, _) in MASKS.items():
            with gr.Column():
                fields[name] = PictureField(label=label, type="pil", image_mode="RGBA", source="upload", tool="sketch",
                                            height=MASK_HEIGHT, elem_id=elem_id(name))
                buttons[name] = gr.Button(button, size="sm", elem_id=elem_id(f"paint_{name}"))
    for field in fields.values():
        field.do_not_save_to_config = True
    return fields, buttons


def wire_masks(picture: gr.components.Component, fields: Fields, buttons: dict[str, gr.Button],
               size: list[gr.components.Component]) -> None:
    """`size` are the new image's width and height."""
    buttons["reference_mask"].click(lambda given: given, picture, fields["reference_mask"], **QUIET)
    buttons["output_mask"].click(lambda *size: Image.new("RGB", tuple(map(int, size)), "white"), size,
                                 fields["output_mask"], **QUIET)


class FurtherPictures:
    """An accordion with a tab for every further image prompt. A picture dropped in adds one; cleared, it is gone."""

    def __init__(self, elem_id: Callable[[str], str]):
        self.fields: Fields = {}
        self._buttons: dict[int, dict[str, gr.Button]] = {}
        self._groups: dict[int, gr.Group] = {}
        with gr.Accordion(words.MORE, open=False, elem_id=elem_id("more")), gr.Tabs(elem_id=elem_id("tabs")):
            for number in FURTHER:
                with gr.Tab(words.numbered(number), elem_id=elem_id(f"tab_{number}")):
                    self._build(number, lambda name, number=number: elem_id(f"{name}_{number}"))

    def _build(self, number: int, elem_id: Callable[[str], str]) -> None:
        with gr.Row():
            picture = PictureField(label=words.numbered(number), type="pil", image_mode=None, source="upload",
                                   height=PICTURE_HEIGHT, elem_id=elem_id("image"))
            with gr.Column():
                own = controls(ALWAYS_OWN, elem_id)
        picture.do_not_save_to_config = True
        with gr.Accordion(words.MASKS, open=False, elem_id=elem_id("masks")):
            fields, self._buttons[number] = masks(elem_id)
        has_own = gr.Checkbox(False, label=words.OWN, elem_id=elem_id("own"))
        with gr.Group(visible=False) as self._groups[number]:
            own |= controls(IF_OWN, elem_id)
        for name, field in {"image": picture, **fields, "own": has_own, **own}.items():
            self.fields[numbered(name, number)] = field

    def wire(self, size: list[gr.components.Component]) -> None:
        for number, group in self._groups.items():
            own, text_mode, text = (self.fields[numbered(name, number)]
                                    for name in ("own", "inversion_text", "own_text"))
            own.change(lambda on: gr.update(visible=on), own, group, **QUIET)
            text_mode.change(lambda mode: gr.update(visible=mode == "own text"), text_mode, text, **QUIET)
            fields = {name: self.fields[numbered(name, number)] for name in MASKS}
            wire_masks(self.fields[numbered("image", number)], fields, self._buttons[number], size)
