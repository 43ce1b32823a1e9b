"""Where images of a strip are made next, and which of all make the smoothest strip (PAID's dynamic selection).

It begins with both ends and the middle. The next image comes where neighbours are farthest apart, and the way between
them is taken for that of a Beta distribution, which is fitted to all that was made so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from lib_indetail.strip.coefficients import EVEN, UNKNOWN, Beta, fitted, next_even_t, next_t, place_of
from lib_indetail.strip.neighbours import apart
from lib_indetail.strip.smoothest import Distances, smoothest

BEGINNING = (0.0, 0.5, 1.0)
CLOSEST = 1e-6
"""Two images of one strip are no nearer."""


class Explored:
    """One strip's images so far: `ts`, ascending, and what each looks like. Before there are four, `beta` is what the
    way is taken for; `even` ones come in the middle of the widest gap."""

    def __init__(self, features: Sequence[torch.Tensor], ts: Sequence[float] = BEGINNING, beta: Beta = UNKNOWN,
                 even: bool = False):
        self.ts, self._features = list(ts), list(features)
        self._beta, self._even = beta, even

    def add(self, t: float, feature: torch.Tensor) -> None:
        place = place_of(t, self.ts)
        self.ts.insert(place, t)
        self._features.insert(place, feature)

    def next(self) -> float:
        """Where an image is wanted: where the way is longest; if that is at an image, in the middle of the gap; where
        distances tell of nothing, in the widest gap."""
        between = [apart(a, b) for a, b in pairwise(self._features)]
        if self._even or not 0 < sum(between) < math.inf:
            return next_even_t(self.ts)
        if len(self.ts) > len(BEGINNING):
            self._beta = _fitted(self.ts, between) or self._beta
        wanted = (next_t(self.ts, between, beta) for beta in (self._beta, EVEN))
        return next((t for t in wanted if all(abs(t - other) > CLOSEST for other in self.ts)), next_even_t(self.ts))

    @property
    def distances(self) -> Distances:
        return [[apart(a, b) for b in self._features] for a in self._features]

    def chosen(self, frames: int, choose: Callable[[Distances, int], Sequence[int] | None] = smoothest
               ) -> Sequence[int] | None:
        """The numbers of so many frames among all, ascending."""
        return choose(self.distances, frames)


def _fitted(ts: Sequence[float], between: Sequence[float]) -> Beta | None:
    """None where no distribution was found."""
    try:
        return fitted(ts, between)
    except (RuntimeError, ValueError):
        return None
