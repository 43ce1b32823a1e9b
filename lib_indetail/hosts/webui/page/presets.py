"""The page's presets: chosen from a list, saved, renamed and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gradio as gr
from modules.ui_components import FormRow, ToolButton

from lib_indetail.ask import words
from lib_indetail.ask.page_order import SETTINGS
from lib_indetail.errors import BadSetting
from lib_indetail.hosts.webui.page.controls import QUIET
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.run.status import line

HELP = {"preset": words.PRESET_HELP, "preset_name": words.NAME_HELP}
BUTTONS = {words.SAVE: "save_preset", words.RENAME: "rename_preset", words.DELETE: "delete_preset"}


class PresetControls:
    """A closed accordion of its own."""

    def __init__(self, elem_id: Callable[[str], str]):
        with gr.Accordion(words.PRESETS, open=False, elem_id=elem_id("presets")):
            with FormRow():
                self.chosen = gr.Dropdown(_names(), label=words.PRESET, value=None, elem_id=elem_id("preset"))
                self._refresh = ToolButton("🔄", elem_id=elem_id("refresh_presets"), tooltip=words.LOOK)
                self.name = gr.Textbox(label=words.NAME, max_lines=1, elem_id=elem_id("preset_name"))
            with gr.Row():
                self._buttons = {text: gr.Button(text, size="sm", elem_id=elem_id(name))
                                 for text, name in BUTTONS.items()}
            self.said = gr.HTML("", elem_id=elem_id("preset_said"), elem_classes="indetail")
        for each in (self.chosen, self.name):
            each.do_not_save_to_config = True

    def wire(self, values: list[gr.components.Component]) -> None:
        """`values` are the controls of the task and of all settings, in their order."""
        self.chosen.input(applied, self.chosen, [*values, self.name, self.said], **QUIET)
        self._refresh.click(lambda: gr.update(choices=_names()), None, self.chosen, **QUIET)
        outputs = [self.chosen, self.said]
        self._buttons[words.SAVE].click(saved, [self.name, *values], outputs, **QUIET)
        self._buttons[words.RENAME].click(renamed, [self.chosen, self.name], outputs, **QUIET)
        self._buttons[words.DELETE].click(deleted, self.chosen, outputs, **QUIET)


def applied(name: str | None) -> list[Any]:
    """Values for the task, for all settings and for the name's field, and what there is to say."""
    try:
        preset = runtime.presets.get(name)
    except BadSetting as error:
        return [*(gr.update() for _ in SETTINGS), gr.update(), gr.update(), line(str(error), "error")]
    values = preset.complete
    said = preset.why or f"{name} is in force."
    if preset.strange:
        strange = ", ".join(f"{key}: {json.dumps(value)}" for key, value in preset.strange.items())
        said = f"Not understood, and left at their defaults: {strange}."
    return [values["task"], *(values.get(each, gr.update()) for each in SETTINGS), name,
            _told(said, "warning" if preset.strange else "done")]


def saved(name: str, task: str, *settings: Any) -> list[Any]:
    return _done(lambda: runtime.presets.save(name, {**dict(zip(SETTINGS, settings, strict=True)), "task": task}), name,
                 f"{name.strip()} is saved.")


def renamed(name: str | None, to: str) -> list[Any]:
    return _done(lambda: runtime.presets.rename(name, to), to, f"{name} is called {to.strip()} now.")


def deleted(name: str | None) -> list[Any]:
    return _done(lambda: runtime.presets.delete(name), None, f"{name} is deleted.")


def _done(act: Callable[[], None], chosen: str | None, said: str) -> list[Any]:
    """The list as it is then, and what there is to say."""
    try:
        act()
    except BadSetting as error:
        return [gr.update(), line(str(error), "error")]
    return [gr.update(choices=_names(), value=chosen and chosen.strip()), _told(said, "done")]


def _told(said: str, kind: str) -> str:
    return "".join(line(note, "warning") for note in runtime.presets.notes()) + line(said, kind)


def _names() -> list[str]:
    try:
        return runtime.presets.names()
    except BadSetting:
        return []
