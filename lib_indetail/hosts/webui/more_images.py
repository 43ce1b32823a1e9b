"""A sampling call of more images than the host has asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from modules.prompt_parser import MulticondLearnedConditioning

from lib_indetail.attention.method import Beside
from lib_indetail.hosts.webui.for_a_while import with_others
from lib_indetail.run.host import Change

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


def texts_for_more(p, more: Callable[[Any], Any]) -> AbstractContextManager:
    """Those with which a refiner takes over, which the host gets of `p` anew, are for images beside too."""
    own = p.get_conds
    return with_others(p, get_conds=lambda: tuple(map(more, own())))


@contextlib.contextmanager
def noise_for_more(p, beside: Sequence[Beside], others, spread: Change) -> Iterator[None]:
    """The noise of a sampler's steps is drawn for those beside too, from `others` for those with seeds of their own,
    and is as `spread` has it."""
    first = p.iteration * p.batch_size
    seeds = of_more(list(p.all_seeds[first:first + p.batch_size]), p.batch_size, beside)
    for number, each in enumerate(beside, p.batch_size):
        seeds[number] = seeds[number] if each.seed is None else each.seed
    count = p.batch_size + len(beside)
    with with_others(p, rng=_MoreNoise(p.rng, beside, others, spread), batch_size=count,
                     all_seeds=[0] * (p.iteration * count) + seeds), \
            with_others(p.sampler, create_noise_sampler=_spread_trees(p.sampler.create_noise_sampler, spread)):
        yield


def _spread_trees(create: Callable, spread: Change) -> Callable:
    """Of samplers that draw their noise from trees, one for each seed."""
    def indetail_noise_sampler(*args, **kwargs):
        draw = create(*args, **kwargs)
        return draw and (lambda *levels: spread(draw(*levels)))

    return indetail_noise_sampler


class SameNoise:
    """Every sampling call of a pass draws what the first one draws."""

    def __init__(self, rng):
        self._generators = getattr(rng, "generators", ())
        self._states: list[Any] | None = None

    def begin(self) -> bool:
        """A call; whether another one was before it."""
        if self._states is None:
            self._states = [_state(each) for each in self._generators]
            return False
        for each, state in zip(self._generators, self._states, strict=True):
            _put_back(each, state)
        return True


def _state(generator: Any) -> Any:
    return generator.get_state() if isinstance(generator, torch.Generator) else dict(vars(generator))


def _put_back(generator: Any, state: Any) -> None:
    """The host has a generator of its own beside torch's, which counts in an attribute."""
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    else:
        vars(generator).update(state)


class _MoreNoise:
    """The host's, for others too."""

    def __init__(self, rng, beside: Sequence[Beside], others, spread: Change):
        self._rng, self._beside, self._others, self._spread = rng, beside, others, spread

    def next(self) -> torch.Tensor:
        own = self._rng.next()
        noise, count = of_more(own, len(own), self._beside), len(own)
        seeded = [number for number, each in enumerate(self._beside, count) if each.seed is not None]
        if seeded:
            noise[seeded] = self._others.next().to(noise)
        return self._spread(noise)

    def __getattr__(self, name: str):
        return getattr(self._rng, name)
