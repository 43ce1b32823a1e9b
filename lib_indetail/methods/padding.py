"""Texts of different lengths in one batch: hosts give a shorter one its last token again, until it is as long as the
others. Here these tokens count as much as a text has them, so that an image is what it would be alone."""

from __future__ import annotations

from dataclasses import replace

import torch

from lib_indetail.attention.algebra import Plan, Source, Stratum
from lib_indetail.attention.bias import LogitBias
from lib_indetail.attention.origins import Blend, OfRow, Origin, Own
from lib_indetail.attention.per_layer import PerLayer
from lib_indetail.attention.sites import Tokens


def counted(rows: torch.Tensor) -> torch.Tensor:
    """How much each token of texts [n, tokens, D] counts, [n, tokens] on the CPU: 0 for a repetition of the last
    one."""
    alike = (rows == rows[:, -1:]).all(-1).cpu()
    run = alike.flip(1).int().cummin(1).values.flip(1)
    run[:, 1:] *= run[:, :-1].clone()  # the first of a run is the text's own
    run[:, 0] = 0
    return 1.0 - run


class Padding:
    """`counts` [images, tokens] is how much each token of the images' texts counts: A(Q, K, V) with log of it added to
    the logits."""

    def __init__(self, counts: torch.Tensor):
        self._counts = counts
        self.is_none = bool((counts == 1).all())

    def counted(self, plan: Plan, image: int) -> Plan:
        """What the cross-attention of an image does under this plan."""
        return Plan(*(replace(stratum, sources=self._sources(stratum, image)) for stratum in plan))

    def _sources(self, stratum: Stratum, image: int) -> tuple[Source, ...]:
        return tuple(self._source(each, self._of(each.origin, image)) for each in stratum.sources)

    def _source(self, source: Source, counts: torch.Tensor) -> Source:
        if bool((counts == 1).all()):
            return source
        keep = PerLayer(lambda tokens, device: laid(counts, tokens).to(device) > 0)
        soft = bool(((counts > 0) & (counts < 1)).any())
        logs = counts.clamp_min(torch.finfo(counts.dtype).tiny).log()
        bias = PerLayer(lambda tokens, device: LogitBias(laid(logs, tokens, 0.0)[:, None].to(device)))
        return replace(source, keep=keep, bias=bias if soft else None)

    def _of(self, origin: Origin, image: int) -> torch.Tensor:
        if isinstance(origin, Own):
            return self._counts[image]
        if isinstance(origin, OfRow):
            return self._counts[origin.row.image]
        if isinstance(origin, Blend):
            return torch.lerp(self._of(origin.first, image), self._of(origin.second, image), origin.amount)
        return torch.ones(1)


def laid(values: torch.Tensor, tokens: Tokens, beyond: float = 1.0) -> torch.Tensor:
    """Of a text's tokens, for the keys of a call: hosts may repeat a whole text, or lengthen it by an empty one, so
    that it is as long as the negative prompt's."""
    if tokens.count % len(values) == 0:
        return values.repeat(tokens.count // len(values))
    return torch.cat([values, torch.full((tokens.count - len(values),), beyond)])
