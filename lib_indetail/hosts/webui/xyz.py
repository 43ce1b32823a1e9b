"""Axes for the host's X/Y/Z plot, made from the table of settings. Their values live in the arguments of the cell's
own `p`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from modules import scripts
from PIL import Image

from lib_indetail.ask.page_order import FURTHER, numbered
from lib_indetail.ask.setting_kinds import checked
from lib_indetail.ask.settings import TASKS, Settings, preset
from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.hosts.webui.indetail import arguments, change, switched_on
from lib_indetail.hosts.webui.refusal import refusal
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.hosts.webui.saying import say
from lib_indetail.pictures.folder import PictureFolder

PREFIX = "[InDetail] "
PICTURE_COST, INVERSION_COST = 0.9, 0.5
"""The host varies costly axes last: a picture brings an inversion, between a VAE's 0.7 and a checkpoint's 1.0."""
_ANY_PICTURE = Image.new("RGB", (1, 1))
_PLACES = {"X": 0, "Y": 3, "Z": 6}
"""Where among the plot's arguments the kinds of its axes stand."""
_INVERTS_ANEW = ("inversion", "nodes", "levels", "inversion_text", "own_text", "suffix", "resize", "side",
                 "inpaint_reference")


def add_axes(folder: PictureFolder) -> None:
    """Tell the X/Y/Z plot of our axes, as soon as it is loaded; it may know them already."""
    for plot in (data.module for data in scripts.scripts_data
                 if data.script_class.__module__ in ("xyz_grid.py", "scripts.xyz_grid")):
        known = {option.label for option in plot.axis_options}
        plot.axis_options.extend(axis for axis in axes(plot.AxisOption, folder) if axis.label not in known)


def axes(option: Callable, folder: PictureFolder) -> Iterator[Any]:
    """`option` is the host's AxisOption."""
    for setting in dataclasses.fields(Settings):
        meta, name = setting.metadata, setting.name
        choices = {"choices": partial(list, meta["choices"])} if "choices" in meta else {}
        yield option(PREFIX + meta["label"], _typed(setting), _apply(name), _short,
                     _confirm(partial(_confirm_values, setting), meta["label"]),
                     INVERSION_COST if name in _INVERTS_ANEW else 0.0, **choices)
    for number, name in itertools.product(FURTHER, ("weight", "strength", "lambda_image")):
        setting = Settings.__dataclass_fields__[name]
        label = f"{setting.metadata['label']} of image prompt {number}"
        yield option(PREFIX + label, _typed(setting), _apply(numbered(name, number)), _short,
                     _confirm(partial(_confirm_further, setting, number), label))
    yield option(PREFIX + "Task", str, _apply("task"), _short, _confirm(_confirm_tasks, "Task"),
                 choices=partial(list, TASKS))
    yield option(PREFIX + "Preset", str, _apply("preset"), _short,
                 _confirm(partial(_confirm_together, name="preset"), "Preset"), INVERSION_COST,
                 choices=runtime.presets.names)
    yield option(PREFIX + "Image prompt", str, partial(_apply_picture, folder), _short,
                 _confirm(lambda p, values: [folder.get(value) for value in values], "Image prompt"), PICTURE_COST,
                 choices=folder.names)


class _Number:
    """A type of number as the host compares it, to offer its ranges. A text that is none stays what it is, so that the
    refusal is ours to word."""

    def __init__(self, kind: type):
        self._kind = kind

    def __eq__(self, other: object) -> bool:
        return other is self._kind

    def __hash__(self) -> int:
        return hash(self._kind)

    def __call__(self, text: Any) -> float | int | str:
        try:
            return self._kind(text)
        except ValueError:
            return text


def _typed(setting: dataclasses.Field) -> Callable:
    kind = type(setting.default)
    return kind if kind is str else _Number(kind)


def _apply(name: str) -> Callable:
    return lambda p, value, values: change(p, **{name: value})


def _apply_picture(folder: PictureFolder, p, value: str, values: list[str]) -> None:
    change(p, image=folder.get(value))


def _short(p, option, value: Any) -> str:
    """The legend's text for a value."""
    return f"{option.label.removeprefix(PREFIX)}: {value}"


def _confirm(check: Callable, label: str) -> Callable:
    """Before the first cell: one sentence for what cannot be plotted, with the axis."""
    def confirm(p, values: list) -> None:
        if not switched_on(p):
            raise refusal("InDetail is off: switch it on to plot its settings.", p)
        try:
            check(p, values)
        except (BadSetting, BadPicture) as error:
            said = error.why if error.field == label else error
            raise refusal(f"{_axis(p, label)}: {said}", p) from None

    return confirm


def _axis(p, label: str) -> str:
    """X axis, Lambda: where it can be told which one it is."""
    for script in getattr(p.scripts, "selectable_scripts", ()):
        options = getattr(script, "current_axis_options", None)
        args = p.script_args[script.args_from:script.args_to] if options else ()
        for letter, place in _PLACES.items():
            if place < len(args) and isinstance(args[place], int) and 0 <= args[place] < len(options) \
                    and options[args[place]].label == PREFIX + label:
                return f"{letter} axis, {label}"
    return label


def _confirm_values(setting: dataclasses.Field, p, values: list, name: str | None = None) -> None:
    """In place: the host's ranges come with a float's tail, and go one step beyond their end where it is no multiple of
    the step; that one value is left out, and it is said."""
    if "low" in setting.metadata and not any(isinstance(value, str) for value in values):
        values[:] = [round(value, 8) for value in values]
        if _steps_beyond(values, setting.metadata["high"]):
            beyond = values.pop()
            say(p, f"{setting.metadata['label']} ends at {values[-1]}; the range's {beyond} is left out")
    for value in values:
        checked(setting, value)
    _confirm_together(p, values, name or setting.name)


def _confirm_further(setting: dataclasses.Field, number: int, p, values: list) -> None:
    further = runtime.request(arguments(p), {"image": _ANY_PICTURE}).further
    if number not in [prompt.number for prompt in further]:
        label = setting.metadata["label"].lower()
        raise BadSetting(f"There is no image prompt {number} whose {label} could be plotted.")
    _confirm_values(setting, p, values, numbered(setting.name, number))


def _confirm_tasks(p, values: list[str]) -> None:
    for task in values:
        preset(task)
    _confirm_together(p, values, "task")


def _confirm_together(p, values: list, name: str) -> None:
    """Every combination with the axes confirmed before; which picture there will be is not known yet."""
    for cell in runtime.plotted.cells(p, name, values):
        runtime.request(arguments(p), {**cell, "image": _ANY_PICTURE})


def _steps_beyond(values: list[float], high: float) -> bool:
    """Whether evenly spaced values have their last one, and only that, above the highest possible."""
    if len(values) < 3 or not values[-2] <= high < values[-1]:
        return False
    steps = {round(b - a, 6) for a, b in itertools.pairwise(values)}
    return len(steps) == 1
