"""Frames where the way is longest, and the smoothest ones of them (PAID's dynamic selection)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lib_indetail.strip.exploring import BEGINNING, Explored
from lib_indetail.strip.neighbours import block_means


def adaptive(made: Callable[[Sequence[float]], np.ndarray], frames: int, tried: int) -> np.ndarray:
    """So many frames [n, H, W, 3] of those `tried`. `made(ts)` makes the frames of a strip at 0, between and 1."""
    pictures = dict(zip(BEGINNING, made(BEGINNING), strict=True))
    explored = Explored([block_means(picture) for picture in pictures.values()])
    while len(explored.ts) < tried:
        t = explored.next()
        pictures[t] = made((0.0, t, 1.0))[1]
        explored.add(t, block_means(pictures[t]))
    return np.stack([pictures[explored.ts[number]] for number in explored.chosen(frames)])
