"""The page's controls, made from the table of settings."""

from __future__ import annotations

import dataclasses
import html
import itertools
import json
from collections.abc import Callable, Collection, Mapping

import gradio as gr
from modules.ui_components import FormRow

from lib_indetail.ask import words
from lib_indetail.ask.forms import DEFAULT_TASK
from lib_indetail.ask.page_order import SETTINGS
from lib_indetail.ask.settings import INTERPOLATING, TASKS, Settings
from lib_indetail.pictures.opening import readable

TABLE = {setting.name: setting for setting in dataclasses.fields(Settings)}
ADVANCED = [name for name in SETTINGS if TABLE[name].metadata["advanced"]]
MOST_SLID = 10_000
"""Beyond so many values a slider is no use."""
QUIET = dict(queue=False, show_progress=False)
BASIC = [name for name in SETTINGS if name not in (*ADVANCED, *INTERPOLATING)]


def controls(names: Collection[str], elem_id: Callable[[str], str],
             task: str = DEFAULT_TASK) -> dict[str, gr.components.Component]:
    """Controls in the table's order, as the page starts with `task`; sliders that follow each other share a row, two
    by two, and so do short texts."""
    made: dict[str, gr.components.Component] = {}
    for kind, group in itertools.groupby(names, key=_narrow):
        group, width = list(group), 2 if kind else 1
        for row in (group[i:i + width] for i in range(0, len(group), width)):
            with FormRow():
                made |= {name: _control(name, elem_id, task) for name in row}
    return made


def _narrow(name: str) -> str:
    """The kind of a control that needs half a row, else nothing."""
    return next((kind for kind in ("low", "names") if kind in TABLE[name].metadata), "")


def _control(name: str, elem_id: Callable[[str], str], task: str) -> gr.components.Component:
    setting, fixed = TABLE[name], TASKS[task]
    meta = setting.metadata
    common = dict(label=meta["label"], value=fixed.get(name, setting.default), elem_id=elem_id(name))
    if "choices" in meta:
        control = gr.Radio(list(meta["choices"]), **common)
    elif "low" in meta and meta["high"] - meta["low"] > MOST_SLID:
        control = gr.Number(precision=0, **common)
    elif "low" in meta:
        control = gr.Slider(meta["low"], meta["high"], step=meta["step"], **common)
    else:
        control = gr.Textbox(visible=name != "own_text", max_lines=2, **common)
    if name in fixed:
        control.do_not_save_to_config = True
    return control


def task_values(task: str) -> list[dict]:
    """The values a task sets; what only other tasks set goes back to its default, all else stays."""
    fixed = TASKS[task]
    sometimes = {name: TABLE[name].default for values in TASKS.values() for name in values}
    return [gr.update(value=(sometimes | fixed)[name]) if name in sometimes else gr.update() for name in SETTINGS]


def hints(elem_id: Callable[[str], str], help: Mapping[str, str]) -> str:
    """For the page's script: help by element, and what each task fixes; `help` is that of other fields than the
    settings, by name. What guides a negative picture is not chosen. `readable` are the kinds of pictures that can be
    read here."""
    help = {**{name: TABLE[name].metadata["help"] for name in SETTINGS}, **help, "task": words.TASK_HELP}
    data = {"help": {elem_id(name): text for name, text in help.items()},
            "fixed": {task: [elem_id(name) for name in values] for task, values in TASKS.items()},
            "negative": [elem_id("side"), elem_id("guidance")], "readable": readable()}
    return f"<span hidden data-indetail='{html.escape(json.dumps(data), quote=True)}'></span>"
