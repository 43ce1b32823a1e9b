"""What a pass will read of an image prompt, and the room that this needs: known before anything is inverted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lib_indetail.bank.ahead import banks_read
from lib_indetail.bank.need import level_bytes
from lib_indetail.inversion.kinds import LEVELS_AT_ONCE
from lib_indetail.methods.detail import TERM
from lib_indetail.methods.plans import IMAGE, of_one
from lib_indetail.run.host import Model
from lib_indetail.run.wish import Wish

CELL = 8
"""Pixels a side of a latent's cell."""


@dataclass(frozen=True)
class Need:
    """Noise levels at which keys and values are recorded, and the bytes that they take together."""

    levels: int
    bytes: int


def levels_read(model: Model, wish: Wish) -> dict[str, list[float]]:
    """By bank, the noise levels at which the pass reads what was recorded, falling."""
    levels = wish.levels(model.schedule)
    sampled = banks_read(of_one(wish.settings), wish.positions(model.schedule))
    return {bank: levels.needed(sigmas) if levels else sigmas for bank, sigmas in sampled.items()}


def need(model: Model, wishes: Iterable[Wish]) -> Need:
    """Of all of them together, each in a pass or of a picture of its own."""
    levels = size = 0
    for wish in wishes:
        cells = wish.frame.height // CELL, wish.frame.width // CELL
        count = sum(len(recorded) for recorded in _recorded(model, wish).values())
        levels += count
        size += count * level_bytes(model.unet, wish.settings.reading_blocks, cells, model.dtype.itemsize)
    return Need(levels, size)


def patches(wishes: Iterable[Wish]) -> int:
    """How many of the image prompt's patches the setting Detail compares with as many of the image, at most."""
    sides = [(wish.frame.height // CELL, wish.frame.width // CELL) for wish in wishes
             if wish.settings.detail and wish.settings.side == "positive"]
    return max((max(0, height - TERM.size + 1) * max(0, width - TERM.size + 1) for height, width in sides), default=0)


def _recorded(model: Model, wish: Wish) -> dict[str, set[float]]:
    """Also what the one-pass kinds of inversion record on their way."""
    recorded = {bank: set(sigmas) for bank, sigmas in levels_read(model, wish).items()}
    if recorded and wish.settings.inversion in LEVELS_AT_ONCE and not wish.settings.inversion_offset:
        levels = wish.levels(model.schedule)
        recorded.setdefault(IMAGE, set()).update(levels.recorded if levels else wish.sigmas)
    return recorded
