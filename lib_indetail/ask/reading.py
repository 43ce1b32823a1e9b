"""How an image prompt is read: its part of the table of settings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from lib_indetail.ask.depth import PROFILES, profile
from lib_indetail.ask.schedules import SHAPES, Curve, curve
from lib_indetail.ask.setting_kinds import checked, choice, count_or, number, text, varying
from lib_indetail.attention.sites import BLOCKS
from lib_indetail.errors import BadSetting
from lib_indetail.noise.window import Window

QUALITY_SUFFIX = ", best quality, extremely detailed."
INVERSIONS = ("DDIM", "refined", "re-noise", "one pass", "parallel")
INVERSION_TEXTS = ("same as the prompt", "empty", "own text")
RESIZE_MODES = ("crop", "stretch", "fit")
HIRES_PASSES = ("both", "first", "second")
SIDES = ("positive", "negative")
SPREADS = ("all on every image", "one per image", "cycled")
ALL, MOST_LEVELS = "all", 100
INPAINT_REFERENCES = ("whole picture", "same part")


def _over_the_pass(label: str, text: str) -> None:
    curve(label, text, 1.0, Window(0.0, 1.0))


def _in_the_second_pass(label: str, text: str) -> None:
    if text:
        _over_the_pass(label, text)


@dataclass(frozen=True)
class Reading:
    """How the image prompt acts. u runs from 0 (the pass starts) to 1 (clean), by noise level.

    Raises BadSetting for a value of the wrong type or out of range.
    """

    strength: float = number(
        "Strength", 1.0, 0.0, 1.0, 0.05, "InDetail strength",
        "How much of the image prompt comes through. At 0 nothing is inverted, installed or changed.")
    lambda_image: float = number(
        "Lambda", 0.5, 0.0, 1.0, 0.05, "InDetail lambda",
        "Weight of the image prompt against the image's own features in the stratified phase (the paper's lambda_P). "
        "It has no effect in the concatenation phase that follows.")
    stratified_until: float = number(
        "Stratified until", 0.2, 0.0, 1.0, 0.05, "InDetail stratified until",
        "End of the stratified phase, as a fraction of the noise range; keys and values are concatenated after it. "
        "Schedules spend steps unevenly: with 20 Karras steps, 0.2 is 5 steps, not 4.")
    guidance: float = number(
        "Conflict-free guidance", 1.0, 0.0, 1.0, 0.05, "InDetail guidance",
        "1: the image prompt feeds only the positive side of guidance (the paper). 0: both sides (conflicting).")
    start: float = number(
        "Start", 0.0, 0.0, 1.0, 0.05, "InDetail start",
        "The image prompt acts from here on, as a fraction of the noise range.")
    end: float = number(
        "End", 1.0, 0.0, 1.0, 0.05, "InDetail end",
        "The image prompt acts up to here, as a fraction of the noise range.")
    replacement_until: float = number(
        "Replacement until", 0.0, 0.0, 1.0, 0.05, "InDetail replacement until",
        "Up to here the image prompt's keys and values stand in place of the image's own. Off at 0, as in the paper.",
        advanced=True)
    adain: float = number(
        "AdaIN", 1.0, 0.0, 1.0, 0.05, "InDetail AdaIN",
        "How far the initial noise takes over the image prompt's channel statistics, where a pass starts from pure "
        "noise.",
        advanced=True)
    inversion: str = choice(
        "Inversion", "one pass", INVERSIONS, "InDetail inversion",
        "One pass: two UNet calls for each recorded level, and nothing left to record. Parallel: a call for "
        "each three of them; less close, and 7 levels are wanted. DDIM: as in the paper, one call a node, and the "
        "record apart. Refined: three calls a node, closer to the image prompt. Re-noise: no calls, the image prompt "
        "under one fixed noise.",
        advanced=True)
    nodes: int = number(
        "Inversion nodes", 20, 1, 500, 1, "InDetail nodes",
        "How many noise levels DDIM and refined inversion visit; levels between them are interpolated. The paper: 50.",
        advanced=True)
    levels: str = count_or(
        ALL, "Levels", "3", MOST_LEVELS, "InDetail levels",
        "At how many noise levels keys and values of the image prompt are recorded; each step reads the nearest. More "
        "take more time and memory: 3 do for the decoder's blocks; for all blocks 5, or 7 with the parallel inversion. "
        "All, as in the paper: at each level that is sampled.")
    blocks: str = choice(
        "Blocks", "decoder", tuple(BLOCKS), "InDetail blocks",
        "Which blocks of the UNet read the image prompt. The paper: decoder.", advanced=True)
    inversion_text: str = choice(
        "Inversion text", "same as the prompt", INVERSION_TEXTS, "InDetail inversion text",
        "The text the image prompt is inverted and read with.")
    own_text: str = text(
        "Own text", "", "InDetail own text",
        "Describes the image prompt, where the inversion text is your own.")
    suffix: str = text(
        "Quality suffix", "", "InDetail suffix",
        "Appended to the inversion text. The authors' \"null\" prompt is the bare suffix "
        f"\"{QUALITY_SUFFIX}\".", advanced=True)

    resize: str = choice(
        "Resize mode", "crop", RESIZE_MODES, "InDetail resize mode",
        "How an image prompt of another shape is brought to the generation's size. Crop cuts what sticks out, stretch "
        "distorts, fit pads; padding is not read.", advanced=True)

    passes: str = choice(
        "Passes", "both", HIRES_PASSES, "InDetail passes",
        "With hires fix: which of its two passes the image prompt acts in. Each has its own inversion at its own size.",
        advanced=True)
    control_uncond_from: float = number(
        "ControlNet on the negative side from", 0.0, 0.0, 1.0, 0.05, "InDetail control uncond from",
        "Up to here ControlNet units guide the positive side alone, as in \"ControlNet is more important\" but at "
        "full weight, as a fraction of the noise range. 0: as the units say.", advanced=True)
    weight: float = number(
        "Weight", 1.0, 0.0, 2.0, 0.05, "InDetail weight",
        "This image prompt's share where several act at once: its weight over the sum of all, or over 1 if they weigh "
        "less.",
        advanced=True)
    strength_schedule: str = varying(
        "Strength schedule", "constant", _over_the_pass, tuple(SHAPES), "InDetail strength schedule",
        "How strength goes over the image prompt's window: constant, linear or cosine (both fall to 0 at its end), or "
        "points such as 0:0.7, 0.4:0.3 of the noise range, which take its place.")
    lambda_schedule: str = varying(
        "Lambda schedule", "constant", _over_the_pass, tuple(SHAPES), "InDetail lambda schedule",
        "The same for lambda, over the stratified phase.")
    hires_strength: str = varying(
        "Hires strength", "", _in_the_second_pass, ("", *SHAPES), "InDetail hires strength",
        "With hires fix, strength in the second pass: a number, or a schedule. Empty: as in the first pass.")
    hires_lambda: str = varying(
        "Hires lambda", "", _in_the_second_pass, ("", *SHAPES), "InDetail hires lambda",
        "With hires fix, lambda in the second pass: a number, or a schedule. Empty: as in the first pass.")
    block_weights: str = varying(
        "Block weights", "even", profile, tuple(PROFILES), "InDetail block weights",
        "How strongly blocks read the image prompt, by depth: even, detail (fine ones), style (those between), "
        "structure (coarse ones), strong (all blocks of the UNet), or points from 0 (first block) to 1 (last), such as "
        "0:0.2, 1:1.")
    inversion_offset: float = number(
        "Inversion offset", 0.0, 0.0, 0.9, 0.05, "InDetail inversion offset",
        "Up to here the image prompt is read as clean as it is at this fraction of the noise range, instead of as "
        "noisy as the new image. 0, as in the paper: always at the same noise.", advanced=True)
    side: str = choice(
        "Side", "positive", SIDES, "InDetail side",
        "Negative: the image prompt shows what is not wanted. The negative side of guidance alone reads it, and it is "
        "inverted with the negative prompt.", advanced=True)
    colour_match: float = number(
        "Colour match", 0.0, 0.0, 1.0, 0.05, "InDetail colour match",
        "How far the image prompt's channel statistics are imposed on what is predicted, in the first part of "
        "sampling.",
        advanced=True)
    colour_until: float = number(
        "Colour match until", 0.3, 0.0, 1.0, 0.05, "InDetail colour until",
        "The colour match ends here, as a fraction of the noise range.", advanced=True)
    detail: float = number(
        "Detail", 0.0, 0.0, 1.0, 0.05, "InDetail detail",
        "How far what is predicted is drawn towards the image prompt's own patches, so that the geometry of its "
        "details comes over: grids, dots, stripes. It takes hardly any time. Off at 0, as in the paper.")
    detail_schedule: str = varying(
        "Detail schedule", "constant", _over_the_pass, tuple(SHAPES), "InDetail detail schedule",
        "How detail goes over the image prompt's window, as for strength, which multiplies it.")
    spread: str = choice(
        "Several image prompts", "all on every image", SPREADS, "InDetail spread",
        "Over a batch: all image prompts on every image; one per image (the first on the first, images without one "
        "stay plain); or cycled, which begins again with the first.", advanced=True)
    inpaint_reference: str = choice(
        "Inpaint only masked", "whole picture", INPAINT_REFERENCES, "InDetail inpaint reference",
        "Where a part of an image is inpainted at full size: show the whole picture, or the same part of it.",
        advanced=True)

    def __post_init__(self) -> None:
        for setting in dataclasses.fields(self):
            value = checked(setting, getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)
        if self.start >= self.end and self.strength > 0:
            raise BadSetting(f"Start must be less than End, but they are {self.start} and {self.end}.")

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

    @cached_property
    def detail_at(self) -> Curve:
        """d(u) within the window."""
        window = Window(self.start, max(self.end, self.start + 1e-6))
        return curve("Detail schedule", self.detail_schedule, self.detail, window)

    @cached_property
    def weight_at(self) -> Curve:
        """By depth of the block."""
        return profile("Block weights", self.block_weights)

    @property
    def reading_blocks(self) -> str:
        """One of `sites.BLOCKS`."""
        return "all" if self.block_weights == "strong" else self.blocks

    def in_second_pass(self) -> Reading:
        """As they are in the second pass of a hires fix."""
        return dataclasses.replace(self, strength_schedule=self.hires_strength or self.strength_schedule,
                                   lambda_schedule=self.hires_lambda or self.lambda_schedule)

    @property
    def level_count(self) -> int | None:
        """None: all that are sampled."""
        return None if self.levels == ALL else int(self.levels)

    @property
    def bounds(self) -> list[float]:
        """The positions at which something ends that is read otherwise, from start to end."""
        inner = {u for u in (self.replacement_until, self.stratified_until) if self.start < u < self.end}
        return [self.start, *sorted(inner), self.end]

    @property
    def acts(self) -> bool:
        return self.strength > 0

    def text_for(self, prompt: str) -> str:
        """The inversion text for a generation with this prompt."""
        texts = {"same as the prompt": prompt, "empty": "", "own text": self.own_text}
        return texts[self.inversion_text] + self.suffix
