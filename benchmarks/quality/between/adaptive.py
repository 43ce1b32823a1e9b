"""Frames where the way is longest, and the smoothest ones of them (PAID's dynamic selection)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from lib_indetail.strip.coefficients import UNKNOWN, fitted, next_t, place_of
from lib_indetail.strip.neighbours import apart, block_means
from lib_indetail.strip.smoothest import smoothest

BEGUN = [0.0, 0.5, 1.0]
KNOWN_FROM = 4
"""So many images say by their distances how the way is spread."""


def adaptive(made: Callable[[list[float]], np.ndarray], frames: int, tried: int) -> np.ndarray:
    """So many frames [n, H, W, 3] of those `tried`. `made(ts)` makes the frames at 0, between and 1."""
    ts, pictures, beta = list(BEGUN), list(made(BEGUN)), UNKNOWN
    seen = [block_means(picture) for picture in pictures]
    while len(ts) < tried:
        between = [apart(*each) for each in pairwise(seen)]
        beta = fitted(ts, between) if len(ts) >= KNOWN_FROM else beta
        t = next_t(ts, between, beta)
        place, picture = place_of(t, ts), made([0.0, t, 1.0])[1]
        for kept, new in ((ts, t), (pictures, picture), (seen, block_means(picture))):
            kept.insert(place, new)
    chosen = smoothest([[apart(first, second) for second in seen] for first in seen], frames)
    return np.stack([pictures[number] for number in chosen])
