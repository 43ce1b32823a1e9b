"""A sampling call of more images than the host has asked for. Those beyond are sampled with the texts, the seed and the
noise of the last one, unless a method says otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from modules.prompt_parser import MulticondLearnedConditioning


def of_more(value: Any, count: int, more: int) -> Any:
    """An argument of a sampler, of `count` images, for so many more; what is not of images stays."""
    if isinstance(value, MulticondLearnedConditioning):
        batch = of_more(value.batch, count, more)
        return MulticondLearnedConditioning((len(batch),), batch)
    if isinstance(value, torch.Tensor) and len(value) == count:
        return torch.cat([value, value[-1:].expand(more, *value.shape[1:])])
    if isinstance(value, list) and len(value) == count:
        return [*value, *[value[-1]] * more]
    return value


@contextlib.contextmanager
def noise_for_more(p, more: int) -> Iterator[None]:
    """The noise of a sampler's steps is drawn for so many more."""
    before = p.rng, p.all_seeds, p.batch_size
    own = p.all_seeds[p.iteration * p.batch_size:(p.iteration + 1) * p.batch_size]
    p.rng, p.batch_size = _MoreNoise(p.rng, more), p.batch_size + more
    p.all_seeds = [0] * (p.iteration * p.batch_size) + of_more(list(own), len(own), more)
    try:
        yield
    finally:
        p.rng, p.all_seeds, p.batch_size = before


class _MoreNoise:
    """The host's, with the last image's again."""

    def __init__(self, rng, more: int):
        self._rng, self._more = rng, more

    def next(self) -> torch.Tensor:
        noise = self._rng.next()
        return of_more(noise, len(noise), self._more)

    def __getattr__(self, name: str):
        return getattr(self._rng, name)
