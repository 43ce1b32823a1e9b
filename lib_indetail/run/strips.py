"""The strips of a pass: which images are sampled beside those of its batch, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from lib_indetail.ask.interpolating import IMAGE_STRENGTH, MORPH, PROMPTS
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.method import Beside, Method
from lib_indetail.methods.at_one_place import AtOnePlace
from lib_indetail.methods.between_pictures import BetweenPictures
from lib_indetail.methods.interpolation import Between, Interpolation, Phases, Way
from lib_indetail.methods.plans import InDetail, Reader
from lib_indetail.noise.slerp import slerp
from lib_indetail.noise.window import FULL_NOISE, position
from lib_indetail.run.host import Model, Pass
from lib_indetail.run.prepared import Prepared

ALWAYS = 2.0
"""A position that no evaluation reaches."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The images of a batch's strips: `latents` [strips, frames, C, h, w], of each strip the places `ts`, in how many
    `rows` they were made, and the seeds of the other ends, where these have their own; and what a second pass begins
    with (see `run.host.Pass.pixels`)."""

    latents: torch.Tensor
    ts: Sequence[Sequence[float]]
    rows: int
    seeds: Sequence[int] | None = None
    pixels: torch.Tensor | None = None


class Strips:
    """One for each image of a batch, which is its first end. Behind the batch stand the other ends, so that those
    between find both ends there in whatever parts rows are sent; then those between, strip by strip."""

    def __init__(self, settings: Settings, images: range, ts: Sequence[Sequence[float]] | None = None):
        """`images` are the numbers of the batch's among all; `ts` the places of each strip's frames, where these are
        not what the settings say."""
        self._settings, self._batch, self.kind = settings, len(images), settings.interpolate
        self.ts = ts or [settings.frames_at] * self._batch
        count = sum(map(len, self.ts))
        self.doing = f"sampling {count} frames" if count > 1 else "sampling"
        strips = range(self._batch)
        inner = [(strip, t) for strip in strips for t in self.ts[strip] if 0 < t < 1]
        self.seeds = [settings.seed_b + number for number in images] if settings.seed_b >= 0 else None
        self.beside = [Beside(strip, settings.prompt_b or None, self.seeds and self.seeds[strip]) for strip in strips]
        self.beside += [Beside(strip, settings.guide_prompt or None) for strip, _ in inner]
        ends = [(strip, t) for t in (0.0, 1.0) for strip in strips]
        self._images = [*ends, *inner]

    @property
    def calls(self) -> int:
        """Of the sampler: with adaptive places one for each image that is tried behind the first ones."""
        is_first = self._settings.is_adaptive and self.beside
        return 1 + max(0, self._settings.to_try - len(self.ts[0])) if is_first else 1

    def reading(self, prepared: Sequence[Prepared]) -> list[Prepared]:
        """Image prompts as attention reads them: for the whole strip of an image, what is for that image."""
        return [replace(each, images=self._like(each.images)) for each in prepared]

    def acting(self, prepared: Sequence[Prepared]) -> list[Prepared]:
        """As they act on latents: between two pictures each by its share."""
        if self.kind == PROMPTS:
            return list(prepared)
        return [replace(each, settings=self._by_share(each.settings, share), images=frozenset({number}))
                for number, (_, t) in enumerate(self._images) for each, share in self._shares(prepared, t) if share]

    def method(self, phases: Phases, model: Model, prepared: Sequence[Prepared], readers: Sequence[Reader]) -> Method:
        settings = self._settings
        strip = [Between(image, self._batch + image, t) for image, t in self._images]
        common = dict(guided=bool(settings.guide_prompt), beside=self.beside, blend=self._blend)
        if self.kind == PROMPTS:
            return Interpolation(strip, phases, main=InDetail(readers), **common)
        shown = [each.chain.shown(model.schedule) for each in prepared] if self.kind == MORPH else ()
        return BetweenPictures(strip, phases, *self._mains(readers), texts=bool(settings.prompt_b), **common,
                               starts=(lambda sigma: tuple(at(sigma) for at in shown)) if shown else None)

    def _mains(self, readers: Sequence[Reader]) -> list[Method]:
        """What the main method is at either end."""
        if self.kind == IMAGE_STRENGTH:
            return [Method(), InDetail(readers)]
        return [InDetail(readers[:1]), InDetail(readers[1:])]

    @property
    def _blend(self) -> Way:
        return slerp if self._settings.text_blend == "spherical" else torch.lerp

    def phases(self, this: Pass, model: Model) -> Phases:
        """The first steps, up to the position between the last of them and the next."""
        sigmas, _ = this.levels(model)
        steps = int(len(sigmas) * self._settings.interpolated_share + 1e-6)
        first = FULL_NOISE if this.from_noise else model.schedule.timestep(sigmas[0])
        ends = [position(model.schedule.timestep(sigma), first) for sigma in sigmas[max(0, steps - 1):steps + 1]]
        early, late = self._settings.variants
        return Phases(early, 0.0 if not steps else ALWAYS if steps == len(sigmas) else sum(ends) / 2, late)

    def frames(self, latents: torch.Tensor, ends: Sequence[torch.Tensor] = ()) -> Frames:
        """Of all that was sampled; `ends` [1, C, h, w] stand in the place of both ends."""
        numbers = [[self._images.index((strip, t)) for t in ts] for strip, ts in enumerate(self.ts)]
        made = torch.stack([latents[each] for each in numbers])
        for place, t in enumerate(self.ts[0]):
            if ends and t in (0, 1):
                made[:, place] = ends[int(t)].to(made)
        return Frames(made, self.ts, len(latents), self.seeds)

    def _like(self, images: frozenset[int] | None) -> frozenset[int] | None:
        if images is None or self.kind != PROMPTS:
            return None
        return frozenset(number for number, (strip, _) in enumerate(self._images) if strip in images)

    def _shares(self, prepared: Sequence[Prepared], t: float) -> list[tuple[Prepared, float]]:
        return list(zip(prepared, [t] if self.kind == IMAGE_STRENGTH else [1 - t, t], strict=True))

    def _by_share(self, settings: Settings, share: float) -> Settings:
        """Weights beyond 1 count as 1 where a picture acts alone. What begins between inversions has their noise."""
        changes = {"adain": 0.0} if self.kind == MORPH else {}
        return replace(settings, weight=share * min(1.0, settings.weight), **changes)


class AtPlace(Strips):
    """A second pass of one frame of each strip of a batch, at these places: nothing stands beside."""

    def __init__(self, settings: Settings, images: range, places: Sequence[float], frame: int = 0):
        super().__init__(settings, images, [[t] for t in places])
        self.beside, self._places = [], places
        self.doing = f"sampling frame {frame + 1} of {settings.frames_shown}"
        self._images = list(enumerate(places))

    def method(self, phases: Phases, model: Model, prepared: Sequence[Prepared], readers: Sequence[Reader]) -> Method:
        if self.kind == PROMPTS:
            main: Method = InDetail(readers)
        else:
            strip = [Between(image, image, t) for image, t in self._images]
            main = BetweenPictures(strip, phases, *self._mains(readers), texts=False)
        texts = self._settings.prompt_b or None, self._settings.guide_prompt or None
        return AtOnePlace(main, self._places, *texts, self._blend)
