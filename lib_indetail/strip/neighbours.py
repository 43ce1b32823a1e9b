"""How even a strip is, by how far neighbours are apart (PAID, section 4.1, and its code).

With d_i the distance of frames i and i + 1, m = n - 1 of them: consistency is mean(d), less is better; smoothness is
1 - Gini(d), 1 where all are alike; the largest step is max(d).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

BLOCK = 8
"""Pixels on a side, of which a picture's means are taken."""


class Evenness(NamedTuple):
    consistency: float
    smoothness: float
    largest: float


def evenness(distances: Sequence[float]) -> Evenness:
    """Of the distances between neighbours, one at least."""
    of = np.asarray(distances, dtype=np.float64)
    mean = float(of.mean())
    spread = float(np.abs(of[:, None] - of[None]).sum())
    gini = spread / (2 * len(of) ** 2 * mean) if len(of) > 1 and mean > 0 else 0.0
    return Evenness(mean, 1 - gini, float(of.max()))


def block_means(picture: np.ndarray) -> torch.Tensor:
    """What a picture [H, W, 3] of 0..255 is compared by: the mean of every 8 x 8 pixels of picture / 255 - 0.5, row by
    row, [H/8 W/8 3]. Pixels beyond a multiple of 8 are left out."""
    height, width = (BLOCK * (side // BLOCK) for side in picture.shape[:2])
    numbers = torch.from_numpy(np.asarray(picture[:height, :width], dtype=np.float32)) / 255 - 0.5
    return numbers.unflatten(0, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).mean((1, 3)).flatten()


def apart(first: torch.Tensor, second: torch.Tensor) -> float:
    """1 - cos of two features [F]; 0 where they are alike."""
    return 1 - float(torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=0))
