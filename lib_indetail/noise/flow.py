"""The schedule of a flow (rectified flow, as SD3 and Flux have it), in the coordinate of all."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch

STEPS = 1000


@dataclass(frozen=True)
class FlowSchedule:
    """A model that is shown (1 - s) x0 + s eps and predicts the velocity eps - x0. s = t / 1000 runs from 0 to 1, and
    sigma = s / (1 - s). Pure noise (s = 1) has no sigma; the timesteps end one before it."""

    def __len__(self) -> int:
        return STEPS

    @property
    def identity(self) -> Hashable:
        return "flow"

    def sigma(self, t: float) -> float:
        t = min(max(float(t), 0.0), STEPS - 1.0)
        return t / (STEPS - t)

    def timestep(self, sigma: float) -> float:
        return min(STEPS * sigma / (1 + sigma), STEPS - 1.0)

    def scale(self, sigma: float) -> float:
        """1 - s."""
        return 1 / (1 + sigma)

    def noise(self, output: torch.Tensor, z: torch.Tensor, t: float, prediction: str) -> torch.Tensor:
        """eps = z + (1 - s) velocity. Raises ValueError for another prediction."""
        if prediction != "flow":
            raise ValueError(f"prediction must be 'flow', not {prediction!r}.")
        return z + (1 - t / STEPS) * output
