"""The flat order of the page's values and of the API's positional arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from lib_indetail.ask.settings import Settings

SETTINGS = tuple(setting.name for setting in dataclasses.fields(Settings))
PICTURE = ("image", "reference_mask", "output_mask")
MOST_PICTURES = 8
FURTHER = tuple(range(2, MOST_PICTURES + 1))
"""The numbers of pictures beside the first."""
ALWAYS_OWN = ("weight", "strength", "side")
"""What a further picture never takes over from the first."""
IF_OWN = ("lambda_image", "stratified_until", "start", "end", "inversion_text", "own_text", "blocks", "block_weights")
"""What the page offers of a further picture that has settings of its own."""


def numbered(name: str, number: int) -> str:
    """A picture's field among all: the first one's has no number."""
    return name if number == 1 else f"{name} {number}"


_FIRST = (
    "enabled", "image", "task", "strength", "lambda_image", "stratified_until", "guidance", "start", "end",
    "replacement_until", "adain", "inversion", "nodes", "blocks", "inversion_text", "own_text", "suffix", "resize",
    "passes", "control_uncond_from", "weight", "strength_schedule", "lambda_schedule", "hires_strength", "hires_lambda",
    "block_weights", "inversion_offset", "side", "colour_match", "colour_until", "spread", "inpaint_reference",
    "reference_mask", "output_mask")
OF_FURTHER = (
    "image", "reference_mask", "output_mask", "weight", "strength", "side", "own", "lambda_image", "stratified_until",
    "start", "end", "inversion_text", "own_text", "blocks", "block_weights")
_BEHIND = ("show", "levels", "detail", "detail_schedule")
FROZEN = (*_FIRST, *(f"{name} {number}" for number in range(2, 9) for name in OF_FURTHER), *_BEHIND)
"""It is only ever appended to, with the settings that have come, when a version is made: whoever sent so many values
still means the same. It never gets shorter, since the WebUI cuts a list to as many values as the page has."""
FROZEN_FOR = "0.8.0"
"""The version that was made last with all of its settings among them."""


def with_newer(frozen: tuple[str, ...], settings: Iterable[str]) -> tuple[str, ...]:
    """Behind the frozen ones, settings that have no place among them yet."""
    return (*frozen, *(name for name in settings if name not in frozen))


POSITIONS = with_newer(FROZEN, (*SETTINGS, *(numbered(name, number) for number in FURTHER
                                             for name in (*ALWAYS_OWN, *IF_OWN))))
