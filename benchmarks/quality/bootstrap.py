"""Means with intervals: what the figures would be with other trials of the same kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean and the ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean(values: Sequence[float]) -> Mean:
    """Of one figure over trials; the interval is a percentile bootstrap over trials, with a fixed seed."""
    values = np.asarray(values, float)
    if len(values) == 0:
        raise ValueError("there are no trials to take a mean of")
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    means = values[drawn].mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Mean(float(values.mean()), float(low), float(high))


def difference(first: Sequence[float], second: Sequence[float]) -> Mean:
    """second - first, trial by trial: noises, pictures and prompts are the same in both."""
    return mean(np.asarray(second, float) - np.asarray(first, float))
