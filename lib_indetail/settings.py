"""The one table of settings: it generates validation, parsing, the page, infotext, XYZ axes and the README's table."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lib_indetail.errors import BadSetting
from lib_indetail.layers import BLOCKS
from lib_indetail.schedules import SHAPES, Curve, curve
from lib_indetail.window import Window

QUALITY_SUFFIX = ", best quality, extremely detailed."
INVERSIONS = ("DDIM", "refined", "re-noise", "one pass", "parallel")
INVERSION_TEXTS = ("same as the prompt", "empty", "own text")
RESIZE_MODES = ("crop", "stretch", "fit")
HIRES_PASSES = ("both", "first", "second")


def _number(label: str, default: float, low: float, high: float, step: float, infotext: str, help: str,
            advanced: bool = False):
    return field(default=default, metadata=dict(label=label, low=low, high=high, step=step,
                                                infotext=infotext, help=help, advanced=advanced))


def _choice(label: str, default: str, choices: tuple[str, ...], infotext: str, help: str, advanced: bool = False):
    return field(default=default, metadata=dict(label=label, choices=choices, infotext=infotext, help=help,
                                                advanced=advanced))


def _text(label: str, default: str, infotext: str, help: str, advanced: bool = False):
    return field(default=default, metadata=dict(label=label, infotext=infotext, help=help, advanced=advanced))


def _schedule(label: str, infotext: str, help: str):
    return field(default="constant", metadata=dict(
        label=label, infotext=infotext, help=help, advanced=True, schedule=True))


@dataclass(frozen=True)
class Settings:
    """How the image prompt acts. u runs from 0 (the pass starts) to 1 (clean), by noise level.

    Raises BadSetting for a value of the wrong type or out of range.
    """

    strength: float = _number(
        "Strength", 1.0, 0.0, 1.0, 0.05, "InDetail strength",
        "How much of the picture comes through. At 0 nothing is inverted, installed or changed.")
    lambda_image: float = _number(
        "Lambda", 0.5, 0.0, 1.0, 0.05, "InDetail lambda",
        "Weight of the picture against the image's own features in the stratified phase (the paper's lambda_P). "
        "It has no effect in the concatenation phase that follows.")
    stratified_until: float = _number(
        "Stratified until", 0.2, 0.0, 1.0, 0.05, "InDetail stratified until",
        "End of the stratified phase, as a fraction of the noise range; keys and values are concatenated after it. "
        "Schedules spend steps unevenly: with 20 Karras steps, 0.2 is 5 steps, not 4.")
    guidance: float = _number(
        "Conflict-free guidance", 1.0, 0.0, 1.0, 0.05, "InDetail guidance",
        "1: the picture feeds only the positive side of guidance (the paper). 0: both sides (conflicting).")
    start: float = _number(
        "Start", 0.0, 0.0, 1.0, 0.05, "InDetail start",
        "The picture acts from here on, as a fraction of the noise range.")
    end: float = _number(
        "End", 1.0, 0.0, 1.0, 0.05, "InDetail end",
        "The picture acts up to here, as a fraction of the noise range.")
    replacement_until: float = _number(
        "Replacement until", 0.0, 0.0, 1.0, 0.05, "InDetail replacement until",
        "Up to here the picture's keys and values stand in place of the image's own. Off at 0, as in the paper.",
        advanced=True)
    adain: float = _number(
        "AdaIN", 1.0, 0.0, 1.0, 0.05, "InDetail AdaIN",
        "How far the initial noise takes over the picture's channel statistics, where a pass starts from pure noise.",
        advanced=True)
    inversion: str = _choice(
        "Inversion", "DDIM", INVERSIONS, "InDetail inversion",
        "DDIM: as in the paper, one UNet call a node. Refined: three calls a node, closer to the picture. "
        "Re-noise: no calls, the picture under one fixed noise. One pass: one call for each level that is sampled at, "
        "and nothing left to record. Parallel: the same, three levels a call; faster, and less close.", advanced=True)
    nodes: int = _number(
        "Inversion nodes", 50, 1, 500, 1, "InDetail nodes",
        "How many noise levels the inversion visits; levels between them are interpolated.",
        advanced=True)
    blocks: str = _choice(
        "Blocks", "decoder", tuple(BLOCKS), "InDetail blocks",
        "Which blocks of the UNet read the picture. The paper: decoder.", advanced=True)
    inversion_text: str = _choice(
        "Inversion text", "same as the prompt", INVERSION_TEXTS, "InDetail inversion text",
        "The text the picture is inverted and read with.")
    own_text: str = _text(
        "Own text", "", "InDetail own text",
        "Describes the picture, where the inversion text is your own.")
    suffix: str = _text(
        "Quality suffix", "", "InDetail suffix",
        "Appended to the inversion text. The authors' \"null\" prompt is the bare suffix "
        f"\"{QUALITY_SUFFIX}\".", advanced=True)

    resize: str = _choice(
        "Resize mode", "crop", RESIZE_MODES, "InDetail resize mode",
        "How a picture of another shape is brought to the generation's size. Crop cuts what sticks out, stretch "
        "distorts, fit pads; padding is not read.", advanced=True)

    passes: str = _choice(
        "Passes", "both", HIRES_PASSES, "InDetail passes",
        "With hires fix: which of its two passes the picture acts in. Each has its own inversion at its own size.",
        advanced=True)
    control_uncond_from: float = _number(
        "ControlNet on the negative side from", 0.0, 0.0, 1.0, 0.05, "InDetail control uncond from",
        "Up to here ControlNet units guide the positive side alone, as in \"ControlNet is more important\" but at "
        "full weight, as a fraction of the noise range. 0: as the units say.", advanced=True)
    weight: float = _number(
        "Weight", 1.0, 0.0, 2.0, 0.05, "InDetail weight",
        "This picture's share where several act at once: its weight over the sum of all, or over 1 if they weigh less.",
        advanced=True)
    strength_schedule: str = _schedule(
        "Strength schedule", "InDetail strength schedule",
        "How strength goes over the picture's window: constant, linear or cosine (both fall to 0 at its end), or "
        "points such as 0:0.7, 0.4:0.3 of the noise range, which take its place.")
    lambda_schedule: str = _schedule(
        "Lambda schedule", "InDetail lambda schedule", "The same for lambda, over the stratified phase.")

    def __post_init__(self) -> None:
        for setting in dataclasses.fields(self):
            value = checked(setting, getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)
        if self.start >= self.end and self.strength > 0:
            raise BadSetting(f"Start must be less than End, but they are {self.start} and {self.end}.")

    @classmethod
    def of(cls, values: Mapping[str, Any], task: str | None = None) -> Settings:
        """Settings from named values, over a task's preset. Raises BadSetting for an unknown name."""
        names = [setting.name for setting in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise BadSetting(f"There is no setting {reprlib.repr(name)}; the settings are {', '.join(names)}.")
        return cls(**{**preset(task), **values})

    @cached_property
    def strength_at(self) -> Curve:
        """s(u) within the window."""
        window = Window(self.start, max(self.end, self.start + 1e-6))
        return curve("Strength schedule", self.strength_schedule, self.strength, window)

    @cached_property
    def lambda_at(self) -> Curve:
        """lambda(u) within the stratified phase."""
        window = Window(self.start, max(self.stratified_until, self.start + 1e-6))
        return curve("Lambda schedule", self.lambda_schedule, self.lambda_image, window)

    @property
    def acts(self) -> bool:
        return self.strength > 0

    def text_for(self, prompt: str) -> str:
        """The inversion text for a generation with this prompt."""
        texts = {"same as the prompt": prompt, "empty": "", "own text": self.own_text}
        return texts[self.inversion_text] + self.suffix


TASKS: dict[str, dict[str, Any]] = {
    "image variation": {},
    "structure-guided": {"stratified_until": 0.5, "control_uncond_from": 0.2},
    "cross-prompt": {"inversion_text": "empty"},
}


def preset(task: str | None) -> dict[str, Any]:
    """What a task sets differently from the defaults (methods of the paper, section 4)."""
    if task is None:
        return {}
    if task not in TASKS:
        raise BadSetting(f"Task must be one of {', '.join(TASKS)}, not {reprlib.repr(task)}.")
    return TASKS[task]


def checked(setting: dataclasses.Field, value: Any) -> Any:
    """The value as the setting keeps it. Raises BadSetting."""
    meta = setting.metadata
    if "choices" in meta:
        if value not in meta["choices"]:
            raise BadSetting(f"{meta['label']} must be one of {', '.join(meta['choices'])}, not {reprlib.repr(value)}.")
        return value
    if isinstance(setting.default, str):
        if not isinstance(value, str):
            raise BadSetting(f"{meta['label']} must be a text, not {reprlib.repr(value)}.")
        if "schedule" in meta:
            curve(meta["label"], value, 1.0, Window(0.0, 1.0))
        return value
    return _checked_number(meta, value, whole=isinstance(setting.default, int))


def _checked_number(meta: Mapping[str, Any], value: Any, whole: bool) -> float | int:
    kind = "a whole number" if whole else "a number"
    wrong = BadSetting(f"{meta['label']} must be {kind} from {meta['low']} to {meta['high']}, "
                       f"not {reprlib.repr(value)}.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong
    if not meta["low"] <= value <= meta["high"] or (whole and value != int(value)):
        raise wrong
    return int(value) if whole else float(value)


def markdown_table() -> str:
    """The README's table of settings."""
    lines = ["| setting | default | values | meaning |", "| --- | --- | --- | --- |"]
    for setting in dataclasses.fields(Settings):
        meta = setting.metadata
        values = _values(meta)
        default = setting.default if setting.default != "" else "empty"
        lines.append(f"| {meta['label']} (`{setting.name}`) | {default} | {values} | {meta['help']} |")
    return "\n".join(lines)


def _values(meta: Mapping[str, Any]) -> str:
    if "choices" in meta:
        return ", ".join(meta["choices"])
    if "low" in meta:
        return f"{meta['low']} .. {meta['high']}"
    return ", ".join((*SHAPES, "points")) if "schedule" in meta else "any text"
