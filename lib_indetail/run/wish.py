"""What a pass asks for of one image prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.bank.levels import BETWEEN, Levels, chosen
from lib_indetail.inversion.kinds import ONE_PASS
from lib_indetail.noise.schedule import Schedule
from lib_indetail.noise.window import FULL_NOISE, position
from lib_indetail.run.host import Frame

GRID = 50
"""Timesteps."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """An image prompt's settings as the pass has them, and its number among all; the text of the pass's first image on
    its side; the pass's frame, and its noise levels: `own` are those at which the checkpoint at hand is sampled.
    `images` of the batch read it (None: all). Of few levels, one pass goes over so many others `between` two; parallel
    over none."""

    settings: Settings
    text: str
    frame: Frame
    number: int = 1
    sigmas: Sequence[float] = ()
    own: Sequence[float] = ()
    from_noise: bool = True
    images: frozenset[int] | None = None
    between: int = BETWEEN

    @property
    def put(self) -> torch.Tensor | None:
        """Where in the new image it acts, by latent cell [h, w]; None: everywhere."""
        return None

    def levels(self, schedule: Schedule) -> Levels | None:
        """Those that are recorded; None: all that are sampled, also where few would take as many calls. Passes that
        begin at nearly the same noise share them: other numbers of steps move a second pass's beginning."""
        count, between = self.settings.level_count, self.between if self.settings.inversion == ONE_PASS else 0
        if count is None or 0 < len(self.sigmas) <= count * (1 + between):
            return None
        first = max(GRID, GRID * round(self._first(schedule) / GRID))
        return chosen(count, schedule, first, self.settings.bounds, between)

    def nodes(self, schedule: Schedule) -> tuple[float, ...]:
        """Those of the one-pass kinds of inversion."""
        levels = self.levels(schedule)
        return tuple(self.sigmas) if levels is None else levels.walked

    def positions(self, schedule: Schedule) -> list[tuple[float, float]]:
        """The own noise levels, each with its position in the pass."""
        first = self._first(schedule)
        return [(sigma, position(schedule.timestep(sigma), first)) for sigma in self.own]

    def _first(self, schedule: Schedule) -> float:
        """The timestep at which the pass begins."""
        return FULL_NOISE if self.from_noise or not self.sigmas else schedule.timestep(self.sigmas[0])
