"""Noise levels: timestep, abar and sigma of a variance-preserving model, and what its output says about noise.

z = sqrt(abar) x0 + sqrt(1 - abar) eps is the latent the UNet sees; z / sqrt(abar) = x0 + sigma eps with
sigma = sqrt((1 - abar) / abar).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


def abar_of_sigma(sigma: float) -> float:
    return 1.0 / (1.0 + sigma * sigma)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The model's abar for its integer timesteps, [T], falling. All answers are Python floats.

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


def _interpolate(values: torch.Tensor, t: float) -> torch.Tensor:
    t = min(max(float(t), 0.0), len(values) - 1.0)
    low = min(int(t), len(values) - 2)
    return torch.lerp(values[low], values[low + 1], t - low)


def noise_of(output: torch.Tensor, z: torch.Tensor, abar: float, prediction: str) -> torch.Tensor:
    """The noise that a UNet's output stands for: "eps" is the noise itself, "v" is sqrt(abar) eps - sqrt(1 - abar) x0.

    `abar` is the one of the timestep that was fed to the network.
    """
    if prediction == "eps":
        return output
    if prediction == "v":
        return abar**0.5 * output + (1 - abar) ** 0.5 * z
    raise ValueError(f"prediction must be 'eps' or 'v', not {prediction!r}.")


def changed_clean(clean: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor],
                  free: torch.Tensor | None = None) -> torch.Tensor:
    """A prediction of clean latents [n, C, h, w], changed where `free` is 1, or everywhere."""
    changed = change(clean)
    return changed if free is None else clean + (changed - clean) * free


def changed_noise(z: torch.Tensor, noise: torch.Tensor, sigma: float, change: Callable[[torch.Tensor], torch.Tensor],
                  free: torch.Tensor | None = None) -> torch.Tensor:
    """The same of predicted noise (eps) for variance-preserving latents z, whose clean latents are changed."""
    scaled = z * (1 + sigma**2) ** 0.5
    return (scaled - changed_clean(scaled - sigma * noise, change, free)) / sigma
