"""A sampling call of more images than the host has asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from modules.prompt_parser import MulticondLearnedConditioning

from lib_indetail.attention.method import Beside

Encode = Callable[[str], MulticondLearnedConditioning]
"""Of a prompt, as the pass encodes its own."""


def of_more(value: Any, count: int, beside: Sequence[Beside], encode: Encode | None = None) -> Any:
    """An argument of a sampler, of `count` images, for those beside them too; what is not of images stays."""
    if isinstance(value, MulticondLearnedConditioning):
        others = [value.batch[each.like] if each.prompt is None or encode is None else encode(each.prompt).batch[0]
                  for each in beside]
        return MulticondLearnedConditioning((count + len(others),), [*value.batch, *others])
    if isinstance(value, torch.Tensor) and len(value) == count:
        return torch.cat([value, value[[each.like for each in beside]]])
    if isinstance(value, list) and len(value) == count:
        return [*value, *(value[each.like] for each in beside)]
    return value


@contextlib.contextmanager
def noise_for_more(p, beside: Sequence[Beside]) -> Iterator[None]:
    """The noise of a sampler's steps is drawn for so many more."""
    before = p.rng, p.all_seeds, p.batch_size
    own = p.all_seeds[p.iteration * p.batch_size:(p.iteration + 1) * p.batch_size]
    p.rng, p.batch_size = _MoreNoise(p.rng, beside), p.batch_size + len(beside)
    p.all_seeds = [0] * (p.iteration * p.batch_size) + of_more(list(own), len(own), beside)
    try:
        yield
    finally:
        p.rng, p.all_seeds, p.batch_size = before


class _MoreNoise:
    """The host's, for others too."""

    def __init__(self, rng, beside: Sequence[Beside]):
        self._rng, self._beside = rng, beside

    def next(self) -> torch.Tensor:
        noise = self._rng.next()
        return of_more(noise, len(noise), self._beside)

    def __getattr__(self, name: str):
        return getattr(self._rng, name)
