"""Levels: the few noise levels of a picture that are recorded, and which of them is read at a level that is sampled.

The image branch changes slowly with noise, so keys and values of few levels serve all. They are chosen by where a pass
begins and ends and not by its sampler, so that other samplers and numbers of steps find them again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lib_indetail.noise.schedule import Schedule

RHO = 7.0
"""Of Karras et al. (2022), equation 5: where a given number of levels is spent best."""
BETWEEN = 1
"""Levels that one pass goes over between two that are recorded: they make the walk closer, and take no room."""


@dataclass(frozen=True)
class Levels:
    """Falling sigmas: those that are `recorded`, and those that the one-pass kinds of inversion go over, which are the
    same and, in one pass, others `between` them."""

    recorded: tuple[float, ...]
    between: tuple[float, ...] = ()

    @property
    def walked(self) -> tuple[float, ...]:
        return tuple(sorted((*self.recorded, *self.between), reverse=True))

    def read_at(self, sigma: float) -> float:
        """The nearest in log sigma."""
        return min(self.recorded, key=lambda level: abs(math.log(level / sigma)))

    def below(self, level: float) -> float | None:
        """The next lower one."""
        return next((other for other in self.recorded if other < level), None)

    def needed(self, sigmas: Sequence[float]) -> list[float]:
        """Those that are read at some of these, falling."""
        read = {self.read_at(sigma) for sigma in sigmas}
        return [level for level in self.recorded if level in read]


def chosen(count: int, schedule: Schedule, first: float, bounds: Sequence[float],
           between: int = BETWEEN) -> Levels:
    """`count` levels of a pass that begins at timestep `first`, from position bounds[0] to bounds[-1]. Between any two
    neighbours of `bounds` (window and phases, ascending) there is one at least, as far as `count` allows. Below each
    level lie so many others `between` it and the next."""
    def sigma_at(u: float) -> float:
        return schedule.sigma(min(first * (1 - u), len(schedule) - 1.0))

    def position_of(sigma: float) -> float:
        return 1 - schedule.timestep(sigma) / first

    high, low = sigma_at(bounds[0]), sigma_at(bounds[-1])
    levels = _ramp(high, low, count)
    phases = [phase for phase in pairwise(bounds) if phase[1] > phase[0]]
    for phase in phases:
        if any(phase[0] <= max(0.0, position_of(level)) < phase[1] for level in levels):
            continue
        spare = [level for level in levels if _has_company(level, levels, phases, position_of)]
        if spare:
            middle = sum(phase) / 2
            levels.remove(min(spare, key=lambda level: abs(position_of(level) - middle)))
            levels.append(sigma_at(middle))
    levels.sort(reverse=True)
    return Levels(tuple(levels), tuple(level for pair in pairwise([*levels, low])
                                       for level in _ramp(*pair, between + 1)[1:]))


def _ramp(high: float, low: float, count: int) -> list[float]:
    """From the highest on; the lowest is left to the last of them, which reaches down to it."""
    top, bottom = high ** (1 / RHO), low ** (1 / RHO)
    return [(top + number / count * (bottom - top)) ** RHO for number in range(count)]


def _has_company(level: float, levels: Sequence[float], phases: Sequence[tuple[float, float]], position_of) -> bool:
    """Whether another level is in the same phase."""
    def phase_of(sigma: float) -> int:
        u = max(0.0, position_of(sigma))
        return next((number for number, (start, end) in enumerate(phases) if start <= u < end), len(phases) - 1)

    return sum(phase_of(other) == phase_of(level) for other in levels) > 1
