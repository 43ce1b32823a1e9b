"""What is made between two ends: its part of the table of settings."""

from __future__ import annotations

import dataclasses
import reprlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

from lib_indetail.ask.setting_kinds import choice, number, text, varying
from lib_indetail.errors import BadSetting
from lib_indetail.methods.interpolation import Variant
from lib_indetail.strip.coefficients import Beta, quantiles
from lib_indetail.strip.exploring import BEGINNING

OFF, PROMPTS, IMAGE_PROMPTS, MORPH, IMAGE_STRENGTH = "off", "prompts", "image prompts", "morph", "image strength"
KINDS = OFF, PROMPTS, IMAGE_PROMPTS, MORPH, IMAGE_STRENGTH
PICTURES = {IMAGE_PROMPTS: 2, MORPH: 2, IMAGE_STRENGTH: 1}
"""How many image prompts the ends of a kind have."""
VARIANTS: dict[str, Variant] = dict(zip(
    ("layout", "concept", "layout of the ends alone", "concept of the ends alone", "texts alone"),
    ("fused outer", "fused inner", "pure outer", "pure inner", "none"), strict=True))
"""What a person chooses, and what the method calls it."""
assert set(VARIANTS.values()) == set(get_args(Variant))
EVEN, BETA, ADAPTIVE = NAMED = "even", "beta", "adaptive"
DIGITS = 8
"""Of a place, as the infotext says it: a frame is made exactly there."""
LEAST_FRAMES, MOST_FRAMES, MOST_SEED = 3, 15, 2**32 - 1
BLENDS = "linear", "spherical"
SHEETS = STRIP_AND_STEPS, STRIP, NO_SHEET = "strip and steps", "strip", "none"
ANIMATIONS = NO_ANIMATION, *_ = "none", "WebP", "GIF"
TAB = "interpolate"
"""Where the page has them."""


def _of_the_tab(made: dataclasses.Field) -> Any:
    """Not among the advanced ones of the other tab."""
    return dataclasses.field(default=made.default, metadata={**made.metadata, "advanced": False, "tab": TAB})


def _share(label: str, given: str) -> None:
    if given and _number(label, given, "0 to 1, or nothing") is None:
        raise BadSetting(f"must be a number from 0 to 1, or nothing, not {reprlib.repr(given)}.", label, given)


def _places(label: str, given: str) -> None:
    if given not in NAMED:
        placed(label, given)


def placed(label: str, given: str) -> list[float]:
    """A list of one's own. Raises BadSetting."""
    places = [_number(label, each, f"{', '.join(NAMED)}, or places from 0 to 1") for each in given.split(",")]
    if not LEAST_FRAMES <= len(places) <= MOST_FRAMES or places[0] != 0 or places[-1] != 1 \
            or any(a >= b for a, b in pairwise(places)):
        raise BadSetting(f"must be {', '.join(NAMED)}, or {LEAST_FRAMES} to {MOST_FRAMES} rising places from 0 to 1 "
                         f"such as 0, 0.4, 1, not {reprlib.repr(given)}.", label, given)
    return places


def _number(label: str, given: str, wanted: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise BadSetting(f"must be {wanted}, not {reprlib.repr(given)}.", label, given)
    return value


@dataclass(frozen=True)
class Interpolating:
    """A strip of images. Raises BadSetting for what cannot be, or has no effect."""

    interpolate: str = _of_the_tab(choice(
        "Interpolate", OFF, KINDS, "InDetail interpolate",
        "Instead of one image a strip of them. Prompts: from the prompt to prompt B, without any image prompt or with "
        "it on all. Image prompts: from the first one to the second. Morph: the same, from the first picture itself to "
        "the second. Image strength: from the text alone to the whole image prompt. The ends are as they would be "
        "alone."))
    prompt_b: str = _of_the_tab(text(
        "Prompt B", "", "InDetail prompt B",
        "What the last image of the strip shows. Empty: the same as the prompt."))
    guide_prompt: str = _of_the_tab(text(
        "Guide prompt", "", "InDetail guide prompt",
        "What the images between show, in the place of a blend of both texts. Those next to the ends may jump then."))
    frames: int = _of_the_tab(number(
        "Frames", 5, LEAST_FRAMES, MOST_FRAMES, 1, "InDetail frames",
        "How many images a strip has, with both ends. They are made together, as a batch of so many."))
    frame_at: str = _of_the_tab(varying(
        "One frame at", "", _share, ("",), "InDetail t",
        "This image of the strip alone, from 0 (the prompt) to 1 (prompt B). It is made with the two ends beside it, "
        "which are not shown. Empty: the whole strip.", beside="0 .. 1"))
    between: str = _of_the_tab(choice(
        "Between", "layout", tuple(VARIANTS), "InDetail between",
        "Layout: what the image finds at either end is blended, so that places move. Concept: what there is to find is "
        "blended, so that things merge. Of the ends alone: without what the image has itself. Texts alone: attention "
        "is left as it is."))
    interpolated_share: float = _of_the_tab(number(
        "Interpolated share", 0.5, 0.0, 1.0, 0.05, "InDetail interpolated share",
        "In this share of the steps, from the first on, the ends are read; after it each image has its own attention "
        "alone. SDXL likes 1."))
    between_after: str = _of_the_tab(choice(
        "Between afterwards", "texts alone", tuple(VARIANTS), "InDetail between afterwards",
        "The same for the steps after the interpolated share."))
    places: str = _of_the_tab(varying(
        "Places", EVEN, _places, NAMED, "InDetail places",
        "Where the frames lie between the ends: even, at the quantiles of a Beta distribution, adaptive, or a list of "
        "one's own such as 0, 0.4, 0.5, 1. Adaptive: images are made one after the other where neighbours are farthest "
        "apart, and those are kept that make the smoothest strip.", beside="places"))
    places_alpha: float = _of_the_tab(number(
        "Beta: alpha", 6.0, 1.0, 50.0, 0.5, "InDetail places alpha",
        "With places beta: the larger it is, the nearer the frames lie to prompt B."))
    places_beta: float = _of_the_tab(number(
        "Beta: beta", 3.0, 1.0, 50.0, 0.5, "InDetail places beta",
        "With places beta: the larger it is, the nearer the frames lie to the prompt."))
    places_tried: int = _of_the_tab(number(
        "Images to try", 0, 0, 3 * MOST_FRAMES, 1, "InDetail images to try",
        "With places adaptive: how many images are made for a strip, each with both ends beside it. 0: twice as many "
        "as there are frames."))
    seed_b: int = _of_the_tab(number(
        "Seed B", -1, -1, MOST_SEED, 1, "InDetail seed B",
        "The seed of the last image of the strip. -1: that of the first one, so that both have the same noise."))
    text_blend: str = _of_the_tab(choice(
        "Text blend", "linear", BLENDS, "InDetail text blend",
        "How the texts of the images between are blended: linear, or spherical, token by token."))

    sheet: str = _of_the_tab(choice(
        "Sheet", SHEETS[0], SHEETS, "InDetail sheet",
        "Behind the frames: the whole strip as one picture, with a bar for each step between two neighbours, or "
        "without."))
    animation: str = _of_the_tab(choice(
        "Animation", ANIMATIONS[0], ANIMATIONS, "InDetail animation",
        "The strip there and back again as an animated file, where images are saved."))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.interpolates and self.guide_prompt and all(way.endswith("ends alone") for way in self._ways_in_force):
            raise BadSetting(f"has no effect where images between read {self._ways_in_force[0]} in all steps: choose "
                             "another way, or another share.", "Guide prompt", self.guide_prompt)
        if self.is_adaptive and 0 < self.places_tried < self.frames:
            raise BadSetting(f"must be as many as there are frames ({self.frames}), or more.", "Images to try",
                             self.places_tried)

    @property
    def interpolates(self) -> bool:
        return self.interpolate != OFF

    @property
    def variants(self) -> tuple[Variant, Variant]:
        """In the interpolated share, and after it."""
        return VARIANTS[self.between], VARIANTS[self.between_after]

    @property
    def _ways_in_force(self) -> list[str]:
        share = self.interpolated_share
        return [self.between] * (share > 0) + [self.between_after] * (share < 1)

    @property
    def is_adaptive(self) -> bool:
        return self.interpolates and self.places == ADAPTIVE and not self.frame_at

    @property
    def to_try(self) -> int:
        """Images of a strip with adaptive places."""
        return self.places_tried or 2 * self.frames

    @property
    def frames_shown(self) -> int:
        return self.frames if self.is_adaptive else len(self.frames_at)

    @property
    def frames_at(self) -> list[float]:
        """t of the frames that are shown, ascending; with adaptive places of those that are made first."""
        if self.frame_at:
            places = [float(self.frame_at)]
        elif self.places == EVEN:
            places = quantiles(self.frames)
        elif self.places == BETA:
            places = quantiles(self.frames, Beta(self.places_alpha, self.places_beta))
        else:
            places = BEGINNING if self.places == ADAPTIVE else placed("Places", self.places)
        return [round(t, DIGITS) for t in places]
