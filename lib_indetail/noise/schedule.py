"""Noise levels. One coordinate holds for all models: a latent is x0 + sigma eps, and a level is its sigma.

A schedule says what a model is shown at a level, which timestep that is, and what its answer says of the noise. Along
a noise that is given, a step from one level to another is straight in this coordinate: that is DDIM's step without
chance, and Euler's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

import torch


class Schedule(Protocol):
    """All answers but `noise` are Python floats."""

    def __len__(self) -> int:
        """How many timesteps there are; they run from 0, the clean end, to one less."""

    @property
    def identity(self) -> Hashable:
        """Equal for schedules that answer alike."""

    def sigma(self, t: float) -> float:
        """The level of a timestep, whole or not."""

    def timestep(self, sigma: float) -> float:
        """The timestep of a level."""

    def scale(self, sigma: float) -> float:
        """What a latent x0 + sigma eps is multiplied by where it is shown to the model."""

    def noise(self, output: torch.Tensor, z: torch.Tensor, t: float, prediction: str) -> torch.Tensor:
        """The noise eps that an output stands for, where the model was fed z and t."""


def stepped(latent: torch.Tensor, noise: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """x0 + low eps -> x0 + high eps, along eps: one DDIM step, up or down."""
    return latent + (high - low) * noise


def stepped_as_shown(schedule: Schedule, z: torch.Tensor, noise: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """The same of a latent as the model is shown it."""
    return stepped(z / schedule.scale(low), noise, low, high) * schedule.scale(high)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Of a variance-preserving model: abar for its integer timesteps, [T], falling, with sigma = sqrt((1 - abar) /
    abar). The model is shown sqrt(abar) x0 + sqrt(1 - abar) eps.

    `log_sigmas` [T] are those of the integer timesteps, in double precision.
    """

    alphas_cumprod: torch.Tensor

    def __post_init__(self) -> None:
        abar = self.alphas_cumprod.detach().double().cpu()
        log_sigmas = ((1 - abar) / abar).log() / 2
        object.__setattr__(self, "_log_abars", abar.log())
        object.__setattr__(self, "log_sigmas", log_sigmas)

    def __len__(self) -> int:
        return len(self.alphas_cumprod)

    @property
    def identity(self) -> Hashable:
        return hashlib.sha256(self.log_sigmas.numpy().tobytes()).hexdigest()

    def abar(self, t: float) -> float:
        """abar at a timestep; between integers log abar is linear. Outside 0..T-1 the nearest end holds."""
        return float(torch.exp(_interpolate(self._log_abars, t)))

    def sigma(self, t: float) -> float:
        """sigma at a timestep, consistent with `abar`."""
        abar = self.abar(t)
        return ((1 - abar) / abar) ** 0.5

    def timestep(self, sigma: float) -> float:
        """The fractional timestep of a sigma: log sigma is linear between integers, as in k-diffusion."""
        if sigma <= 0:
            return 0.0
        log_sigma = torch.tensor(sigma, dtype=torch.float64).log()
        above = int(torch.searchsorted(self.log_sigmas, log_sigma).clamp(1, len(self) - 1))
        low, high = self.log_sigmas[above - 1], self.log_sigmas[above]
        return above - 1 + float(((log_sigma - low) / (high - low)).clamp(0, 1))

    def scale(self, sigma: float) -> float:
        """sqrt(abar)."""
        return (1.0 + sigma * sigma) ** -0.5

    def noise(self, output: torch.Tensor, z: torch.Tensor, t: float, prediction: str) -> torch.Tensor:
        """"eps" is the noise itself, "v" is sqrt(abar) eps - sqrt(1 - abar) x0. Raises ValueError for another one."""
        if prediction == "eps":
            return output
        if prediction == "v":
            abar = self.abar(t)
            return abar**0.5 * output + (1 - abar) ** 0.5 * z
        raise ValueError(f"prediction must be 'eps' or 'v', not {prediction!r}.")


def _interpolate(values: torch.Tensor, t: float) -> torch.Tensor:
    t = min(max(float(t), 0.0), len(values) - 1.0)
    low = min(int(t), len(values) - 2)
    return torch.lerp(values[low], values[low + 1], t - low)


def changed_clean(clean: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor],
                  free: torch.Tensor | None = None) -> torch.Tensor:
    """A prediction of clean latents [n, C, h, w], changed where `free` is 1, or everywhere."""
    changed = change(clean)
    return changed if free is None else clean + (changed - clean) * free


def changed_noise(latent: torch.Tensor, noise: torch.Tensor, sigma: float,
                  change: Callable[[torch.Tensor], torch.Tensor], free: torch.Tensor | None = None) -> torch.Tensor:
    """The same of predicted noise (eps) for latents x0 + sigma eps, whose clean latents are changed."""
    return (latent - changed_clean(latent - sigma * noise, change, free)) / sigma
