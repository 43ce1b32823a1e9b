"""Inversion: from the image prompt's clean latent to a chain of noised latents (paper, section 3.1).

A `Model` predicts from rows of the image latent alone, with the inversion text and without classifier-free guidance:
model(z [n, C, H, W], t) -> [n, C, H, W], noise or v; t is one timestep or [n] of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import torch

from lib_indetail.errors import Interrupted
from lib_indetail.noise.chain import Chain
from lib_indetail.noise.schedule import Schedule, stepped

Model = Callable[[torch.Tensor, float | torch.Tensor], torch.Tensor]
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
    UNet call; `interrupted()` is asked before each, and if it says yes `Interrupted` is raised. `timestep(sigma)` is
    what the sampler will feed the UNet at a level, where that is not the schedule's own.
    """

    schedule: Schedule
    prediction: str = "eps"
    progress: Progress | None = None
    interrupted: Callable[[], bool] | None = None
    timestep: Callable[[float], float] | None = None

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
        sigmas = [self.schedule.sigma(t) for t in (0.0, *nodes)]
        latents = [self._unshown(latent, sigmas[0])]
        for (low, high), t in zip(pairwise(sigmas), nodes, strict=True):
            guess, level = latents[-1], low
            for _ in range(1 + iterations):
                noise = self._noise(model, guess, level, float(t))
                guess, level = stepped(latents[-1], noise, low, high), high
                calls += 1
                self._report(calls, total)
            latents.append(guess)
        return Chain(tuple(sigmas), tuple(latents))

    def renoise(self, latent: torch.Tensor, noise: torch.Tensor) -> Chain:
        """No UNet call: the latent under one fixed noise, x0 + sigma eps, at every level."""
        ends = self.schedule.sigma(0.0), self.schedule.sigma(len(self.schedule) - 1.0)
        return Chain(ends, tuple(latent + sigma * noise for sigma in ends))

    def one_pass(self, model: Model, latent: torch.Tensor, sigmas: Sequence[float],
                 hearing: Callable[[Sequence[float]], AbstractContextManager] | None = None,
                 window: int = 1, sweeps: int = 1) -> Chain:
        """`sweeps` UNet rows a level, the record included: the chain holds the latents that were evaluated last.

        Each level's latent is guessed along the noise that the two levels below lead on to and evaluated, and the walk
        goes on along the noise found there: one fixed-point iteration. So what its call shows is what a record pass
        would show; the last call of some levels is made inside `hearing(levels)`, one row each. One more call finds the
        first noise. `sigmas` are the levels that will be sampled at, in any order; the clean latent's own level and
        below are left to it.

        Parallel in time: `window` levels at once are guessed and evaluated as one batch, `sweeps` times, each along the
        noises found before (Picard iteration; Shih et al. 2023, ParaDiGMS, do so for sampling).
        """
        clean = self.schedule.sigma(0.0)
        levels = [clean, *sorted({sigma for sigma in sigmas if sigma > clean})]
        if len(levels) < 2:
            raise ValueError("a one-pass inversion needs a noise level above the clean latent's.")
        calls = 1 + sweeps * -(-(len(levels) - 1) // window)
        y = self._unshown(latent, clean)
        first = self._noise(model, y, clean, self._timestep(levels[1]))
        self._report(1, calls)
        evaluated, found, done = [y], [], 1
        for start in range(1, len(levels), window):
            low, part = levels[start - 1], levels[start:start + window]
            noises = _leading_on(found or [first], len(part))
            for left in reversed(range(sweeps)):
                guesses = _path(y, noises, low, part)
                with hearing(part) if hearing and not left else nullcontext():
                    noises = self._noises(model, guesses, part)
                done += 1
                self._report(done, calls)
            y, found = _path(y, noises, low, part)[-1], (found + noises)[-2:]
            evaluated += guesses
        return Chain(tuple(levels), tuple(evaluated))

    def reconstruct(self, model: Model, chain: Chain, nodes: Sequence[float] | None = None) -> torch.Tensor:
        """Sample back from the chain's noisiest node over the same nodes, without guidance: the clean latent."""
        nodes = ddim_nodes(50, len(self.schedule)) if nodes is None else list(nodes)
        sigmas = [self.schedule.sigma(t) for t in (0.0, *nodes)]
        y = chain.at(sigmas[-1])
        steps = list(zip(pairwise(sigmas), nodes, strict=True))[::-1]
        for done, ((low, high), t) in enumerate(steps, 1):
            y = stepped(y, self._noise(model, y, high, float(t)), high, low)
            self._report(done, len(steps))
        return y * self.schedule.scale(sigmas[0])

    def _unshown(self, z: torch.Tensor, sigma: float) -> torch.Tensor:
        """x0 + sigma eps of what the model is shown."""
        return z / self.schedule.scale(sigma)

    def _noise(self, model: Model, y: torch.Tensor, sigma: float, t: float) -> torch.Tensor:
        """What the model says of y = x0 + sigma eps when it is fed the timestep t."""
        self._stop_if_asked()
        z = y * self.schedule.scale(sigma)
        return self.schedule.noise(model(z, t), z, t, self.prediction)

    def _noises(self, model: Model, latents: Sequence[torch.Tensor], sigmas: Sequence[float]) -> list[torch.Tensor]:
        """Of latents at levels of their own, in one call."""
        timesteps = [self._timestep(sigma) for sigma in sigmas]
        if len(latents) == 1:
            return [self._noise(model, latents[0], sigmas[0], timesteps[0])]
        self._stop_if_asked()
        shown = [y * self.schedule.scale(sigma) for y, sigma in zip(latents, sigmas, strict=True)]
        output = model(torch.cat(shown), torch.tensor(timesteps, device=shown[0].device))
        return [self.schedule.noise(row[None], z, t, self.prediction)
                for row, z, t in zip(output, shown, timesteps, strict=True)]

    def _timestep(self, sigma: float) -> float:
        return (self.timestep or self.schedule.timestep)(sigma)

    def _stop_if_asked(self) -> None:
        if self.interrupted is not None and self.interrupted():
            raise Interrupted("The inversion of the image prompt was interrupted.")

    def _report(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)


def _path(y: torch.Tensor, noises: Sequence[torch.Tensor], low: float, sigmas: Sequence[float]) -> list[torch.Tensor]:
    """DDIM steps from `low` over all of `sigmas`, each along a noise of its own."""
    latents = []
    for noise, high in zip(noises, sigmas, strict=True):
        y, low = stepped(y, noise, low, high), high
        latents.append(y)
    return latents


def _leading_on(found: Sequence[torch.Tensor], count: int) -> list[torch.Tensor]:
    """The next noises by the last two: one step further along the line through them."""
    last = found[-1]
    return [2 * last - found[-2] if len(found) > 1 else last] * count


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
