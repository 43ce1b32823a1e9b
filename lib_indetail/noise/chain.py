"""The chain: the image prompt's noised latents z_t^P, looked up at any noise level."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch

from lib_indetail.noise.schedule import Schedule, stepped


@dataclass(frozen=True, eq=False)
class Chain:
    """Latents of the image prompt at ascending noise levels.

    `sigmas[k]` is the level of `latents[k]`, [1, C, H, W], which are x0 + sigma eps. The first is what the model is
    shown as the clean latent; of a variance-preserving one it sits at abar[0] (paper's code: `set_alpha_to_one=False`).
    """

    sigmas: tuple[float, ...]
    latents: tuple[torch.Tensor, ...]

    def __post_init__(self) -> None:
        if len(self.sigmas) != len(self.latents) or len(self.sigmas) < 2:
            raise ValueError("a chain needs one sigma per latent, and two of them at least.")
        if any(a >= b for a, b in pairwise(self.sigmas)):
            raise ValueError("a chain's sigmas must ascend.")

    def to(self, device: torch.device | str) -> Chain:
        """The same chain on another device."""
        return Chain(self.sigmas, tuple(z.to(device) for z in self.latents))

    @property
    def bytes(self) -> int:
        return sum(z.numel() * z.element_size() for z in self.latents)

    def at(self, sigma: float) -> torch.Tensor:
        """x0 + sigma eps at a level, [1, C, H, W].

        It is linear between two nodes, which is a partial DDIM step; a node's own sigma gives that node. Below the
        first node the clean latent is held, above the last one its segment goes on.
        """
        if sigma <= self.sigmas[0]:
            return self.latents[0]
        right = min(bisect.bisect_left(self.sigmas, sigma), len(self.sigmas) - 1)
        if sigma == self.sigmas[right]:
            return self.latents[right]
        low, high = self.sigmas[right - 1], self.sigmas[right]
        start, stop = self.latents[right - 1], self.latents[right]
        return stepped(start, (stop - start) / (high - low), low, sigma)

    def shown(self, schedule: Schedule) -> Callable[[float], torch.Tensor]:
        """sigma -> z^P, what a model of this schedule is shown at a level, [1, C, H, W]."""
        return lambda sigma: self.at(sigma) * schedule.scale(sigma)
