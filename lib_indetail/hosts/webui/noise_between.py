"""A second pass whose noise lies between that of two seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch

from lib_indetail.hosts.webui.for_a_while import with_others
from lib_indetail.noise.slerp import slerp


def between(own: torch.Tensor, other: torch.Tensor, places: Sequence[float]) -> torch.Tensor:
    """Noise [n, C, h, w], image by image at its place of the way to the other's."""
    return torch.stack([slerp(first, last, t) for first, last, t in zip(own, other.to(own), places, strict=True)])


@contextlib.contextmanager
def noise_between(p, others, seeds: Sequence[int], places: Sequence[float]) -> Iterator[None]:
    """Of a sampler's steps, at `places` of the way to `others`, which draws for these seeds."""
    trees = _trees(p.sampler.create_noise_sampler, seeds, places)
    with with_others(p, rng=_Between(p.rng, others, places)), with_others(p.sampler, create_noise_sampler=trees):
        yield


def _trees(create: Callable, seeds: Sequence[int], places: Sequence[float]) -> Callable:
    """Of samplers that draw their noise from trees, one for each seed."""
    def indetail_noise_sampler(x, sigmas, p):
        own = create(x, sigmas, p)
        with with_others(p, all_seeds=[0] * (p.iteration * p.batch_size) + list(seeds)):
            other = create(x, sigmas, p)
        return own and (lambda *levels: between(own(*levels), other(*levels), places))

    return indetail_noise_sampler


class _Between:
    """The host's, on the way to others."""

    def __init__(self, rng, others, places: Sequence[float]):
        self._rng, self._others, self._places = rng, others, places

    def next(self) -> torch.Tensor:
        return between(self._rng.next(), self._others.next(), self._places)

    def __getattr__(self, name: str):
        return getattr(self._rng, name)
