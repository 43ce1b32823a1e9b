"""Inversion: from the image prompt's clean latent to a chain of noised latents (paper, section 3.1).

A `Model` predicts one output per call for the image latent alone, with the inversion text and without
classifier-free guidance: model(z [1, C, H, W], t) -> [1, C, H, W], noise or v.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import torch

from lib_indetail.chain import Chain
from lib_indetail.errors import Interrupted
from lib_indetail.noise import NoiseSchedule, abar_of_sigma, noise_of

Model = Callable[[torch.Tensor, float], torch.Tensor]
Progress = Callable[[int, int], None]


def ddim_nodes(count: int, steps: int = 1000) -> list[int]:
    """The official grid: `count` ascending timesteps 1, 1 + s, 1 + 2 s, ... with s = steps // count."""
    if not 1 <= count < steps:
        raise ValueError(f"the number of nodes must be 1 to {steps - 1}, not {count}.")
    return [1 + k * (steps // count) for k in range(count)]


@dataclass(frozen=True)
class Inverter:
    """Walks a latent up the noise levels of a model.

    `prediction` is what the model's output means, "eps" or "v". `progress(done, total)` is called after every
    UNet call; `interrupted()` is asked before each, and if it says yes `Interrupted` is raised.
    """

    schedule: NoiseSchedule
    prediction: str = "eps"
    progress: Progress | None = None
    interrupted: Callable[[], bool] | None = None

    def ddim(self, model: Model, latent: torch.Tensor, nodes: Sequence[float] | None = None) -> Chain:
        """DDIM inversion, one UNet call a node: the noise is predicted at the target timestep, on the latent of
        the level below (official code, `ddim_inversion_sd.py`)."""
        return self.refined(model, latent, nodes, iterations=0)

    def refined(self, model: Model, latent: torch.Tensor, nodes: Sequence[float] | None = None,
                iterations: int = 2) -> Chain:
        """DDIM inversion whose every node is improved by fixed-point iterations: the noise is predicted again on
        the node just found. A fixed point is undone exactly by one DDIM step down. 1 + `iterations` calls a node."""
        nodes = ddim_nodes(50, len(self.schedule)) if nodes is None else list(nodes)
        calls, total = 0, len(nodes) * (1 + iterations)
        levels, z = [0.0, *map(float, nodes)], latent
        latents = [latent]
        for low, high in pairwise(levels):
            guess = z
            for _ in range(1 + iterations):
                guess = self._move(z, self._noise(model, guess, high), low, high)
                calls += 1
                self._report(calls, total)
            z = guess
            latents.append(z)
        return Chain(tuple(self.schedule.sigma(t) for t in levels), tuple(latents))

    def renoise(self, latent: torch.Tensor, noise: torch.Tensor) -> Chain:
        """No UNet call: the latent under one fixed noise, x0 + sigma eps, at every level."""
        ends = (0.0, len(self.schedule) - 1.0)
        abars = [self.schedule.abar(t) for t in ends]
        latents = tuple(a**0.5 * latent + (1 - a) ** 0.5 * noise for a in abars)
        return Chain(tuple(self.schedule.sigma(t) for t in ends), latents)

    def one_pass(self, model: Model, latent: torch.Tensor, sigmas: Sequence[float],
                 seen: Callable[[float], AbstractContextManager] | None = None) -> Chain:
        """One UNet call a level, the record included: the chain holds the latents that were evaluated.

        Each level's latent is guessed along the noise that the two levels below lead on to and evaluated, and the walk
        goes on along the noise found there: one fixed-point iteration. So what its call shows is what a record pass
        would show; the call of a level is made inside `seen(sigma)`. One more call finds the first noise. `sigmas` are
        the levels that will be sampled at, in any order; the clean latent's own level and below are left to it.
        """
        clean = self.schedule.sigma(0.0)
        levels = [clean, *sorted({sigma for sigma in sigmas if sigma > clean})]
        if len(levels) < 2:
            raise ValueError("a one-pass inversion needs a noise level above the clean latent's.")
        noise = before = self._noise(model, latent, self.schedule.timestep(levels[1]))
        self._report(1, len(levels))
        z, evaluated = latent, [latent]
        for done, (low, high) in enumerate(pairwise(levels), 2):
            evaluated.append(_between(z, 2 * noise - before, low, high))
            with seen(high) if seen else nullcontext():
                found = self._noise(model, evaluated[-1], self.schedule.timestep(high))
            noise, before = found, noise if done > 2 else found
            z = _between(z, noise, low, high)
            self._report(done, len(levels))
        return Chain(tuple(levels), tuple(evaluated))

    def reconstruct(self, model: Model, chain: Chain, nodes: Sequence[float] | None = None) -> torch.Tensor:
        """Sample back from the chain's noisiest node over the same nodes, without guidance: the clean latent."""
        nodes = ddim_nodes(50, len(self.schedule)) if nodes is None else list(nodes)
        levels = [0.0, *map(float, nodes)]
        z = chain.at(self.schedule.sigma(levels[-1]))
        pairs = list(pairwise(levels))[::-1]
        for done, (low, high) in enumerate(pairs, 1):
            z = self._move(z, self._noise(model, z, high), high, low)
            self._report(done, len(pairs))
        return z

    def _noise(self, model: Model, z: torch.Tensor, t: float) -> torch.Tensor:
        if self.interrupted is not None and self.interrupted():
            raise Interrupted("The inversion of the image prompt was interrupted.")
        return noise_of(model(z, t), z, self.schedule.abar(t), self.prediction)

    def _move(self, z: torch.Tensor, noise: torch.Tensor, source: float, target: float) -> torch.Tensor:
        """One DDIM step between two timesteps along a given noise."""
        here, there = self.schedule.abar(source), self.schedule.abar(target)
        clean = (z - (1 - here) ** 0.5 * noise) / here**0.5
        return there**0.5 * clean + (1 - there) ** 0.5 * noise

    def _report(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)


def _between(z: torch.Tensor, noise: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """A DDIM step from one sigma to another along a given noise."""
    return (z / abar_of_sigma(low) ** 0.5 + (high - low) * noise) * abar_of_sigma(high) ** 0.5


@dataclass(frozen=True)
class ReconstructionError:
    """How far a reconstruction is from the picture: relative L2 in the latent, PSNR in dB of the pictures."""

    latent: float
    psnr: float | None = None


def reconstruction_error(latent: torch.Tensor, reconstruction: torch.Tensor,
                         decode: Callable[[torch.Tensor], torch.Tensor] | None = None) -> ReconstructionError:
    """Compare a clean latent with its reconstruction; `decode` gives pictures in -1..1 for the PSNR."""
    relative = float((reconstruction - latent).norm() / latent.norm())
    if decode is None:
        return ReconstructionError(relative)
    pictures = [decode(z).clamp(-1, 1) for z in (latent, reconstruction)]
    mean_square = float((pictures[0] - pictures[1]).div(2).square().mean())
    return ReconstructionError(relative, -10 * math.log10(mean_square) if mean_square else math.inf)
