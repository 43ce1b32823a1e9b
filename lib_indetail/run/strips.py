"""The strips of a pass: which images are sampled beside those of its batch, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.method import Beside, Method
from lib_indetail.methods.interpolation import Between, Interpolation, Phases
from lib_indetail.noise.slerp import slerp
from lib_indetail.noise.window import FULL_NOISE, position
from lib_indetail.run.host import Model, Pass

ALWAYS = 2.0
"""A position that no evaluation reaches."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The images of a batch's strips: `latents` [strips, frames, C, h, w], their places `ts`, and in how many `rows`
    they were made."""

    latents: torch.Tensor
    ts: Sequence[float]
    rows: int


class Strips:
    """One for each image of a batch, which is its first end. Behind the batch stand the other ends, so that those
    between find both ends there in whatever parts rows are sent; then those between, strip by strip."""

    def __init__(self, settings: Settings, batch: int):
        self._settings, self._batch = settings, batch
        self.ts = settings.frames_at
        self._inner = [t for t in self.ts if 0 < t < 1]
        self.beside = [Beside(strip, settings.prompt_b or None) for strip in range(batch)]
        self.beside += [Beside(strip, settings.guide_prompt or None) for strip in range(batch) for _ in self._inner]

    def method(self, phases: Phases, main: Method) -> Interpolation:
        settings = self._settings
        blend = slerp if settings.text_blend == "spherical" else torch.lerp
        return Interpolation(self._between(), phases, bool(settings.guide_prompt), blend, self.beside, main)

    def phases(self, this: Pass, model: Model) -> Phases:
        """The first steps, up to the position between the last of them and the next."""
        sigmas, _ = this.levels(model)
        steps = int(len(sigmas) * self._settings.interpolated_share + 1e-6)
        first = FULL_NOISE if this.from_noise else model.schedule.timestep(sigmas[0])
        ends = [position(model.schedule.timestep(sigma), first) for sigma in sigmas[max(0, steps - 1):steps + 1]]
        return Phases(self._settings.variant, 0.0 if not steps else ALWAYS if steps == len(sigmas) else sum(ends) / 2)

    def images(self, of_batch: frozenset[int] | None) -> frozenset[int] | None:
        """Numbers of images of the batch, and of those that are like them."""
        if of_batch is None:
            return None
        return of_batch | {number for number, each in enumerate(self.beside, self._batch) if each.like in of_batch}

    def frames(self, latents: torch.Tensor) -> Frames:
        """Of all that was sampled."""
        numbers = [[self._number(strip, t) for t in self.ts] for strip in range(self._batch)]
        return Frames(torch.stack([latents[each] for each in numbers]), self.ts, len(latents))

    def _between(self) -> list[Between]:
        strips = range(self._batch)
        ends = [Between(strip, self._batch + strip, t) for t in (0.0, 1.0) for strip in strips]
        return ends + [Between(strip, self._batch + strip, t) for strip in strips for t in self._inner]

    def _number(self, strip: int, t: float) -> int:
        """Among the images that are sampled."""
        if t in (0, 1):
            return strip + self._batch * int(t)
        return 2 * self._batch + strip * len(self._inner) + self._inner.index(t)
