"""Attention interpolation (PAID): images between two others read the keys and values of both.

With A and B the two ends, r an image between them at coefficient c, and [;] one softmax over both (PAID, section 4.1;
the end images are plain generations):

    pure outer   (1 - c) A(Q_r, K_A, V_A) + c A(Q_r, K_B, V_B)
    fused outer  (1 - c) A(Q_r, [K_r; K_A], [V_r; V_A]) + c A(Q_r, [K_r; K_B], [V_r; V_B])
    pure inner   A(Q_r, (1 - c) K_A + c K_B, (1 - c) V_A + c V_B)
    fused inner  A(Q_r, [K_r; (1 - c) K_A + c K_B], [V_r; (1 - c) V_A + c V_B])

in all self- and cross-attention, of cond rows alone. Texts and starts lie between those of the ends too; the text of a
guide may stand in the place of the one between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from lib_indetail.attention.algebra import OWN, Plan, Source, Stratum
from lib_indetail.attention.method import Beside, Method, Text
from lib_indetail.attention.origins import Blend, OfRow, Origin
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site, Where
from lib_indetail.noise.slerp import slerp

Variant = Literal["fused outer", "fused inner", "pure outer", "pure inner", "none"]
Way = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
"""first, second, amount: from the first at 0 to the second at 1."""


@dataclass(frozen=True)
class Between:
    """An image of the batch: at `t` of the way from the image `first` to the image `last`, which are images of the
    batch too; an end is between itself and the other. `attends` is c, where that is not t."""

    first: int
    last: int
    t: float
    attends: float | None = None

    @property
    def coefficient(self) -> float:
        return self.t if self.attends is None else self.attends


def between(variant: Variant, first: Origin, last: Origin, c: float) -> Plan | None:
    """What an image reads at coefficient c of two origins; None: its own alone."""
    if variant == "none":
        return None
    own = (OWN,) if variant.startswith("fused") else ()
    if variant.endswith("inner"):
        return Plan(Stratum((*own, Source(Blend(first, last, c)))))
    return Plan(Stratum((*own, Source(first)), 1 - c), Stratum((*own, Source(last)), c))


@dataclass(frozen=True)
class Phases:
    """`early` in the part of the pass before position `until`, `late` after it."""

    early: Variant = "fused outer"
    until: float = 0.5
    late: Variant = "none"

    def at(self, u: float) -> Variant:
        return self.early if u < self.until else self.late


class Interpolation(Method):
    """`strip` are the images of a batch, those `beside` among them, each with a text of its own: of an image that is no
    end the `blend` of its ends' texts stands in that one's place, unless it is `guided` by its own."""

    where = Where("self", "all"), Where("cross", "all")

    def __init__(self, strip: Sequence[Between], phases: Phases, guided: bool = False, blend: Way = torch.lerp,
                 beside: Sequence[Beside] = ()):
        self._strip, self._phases, self._guided, self._blend = strip, phases, guided, blend
        self.beside = beside
        self.read_rows = {Row("cond", number) for each in strip for number in (each.first, each.last)}
        self._plans: dict[tuple[Variant, int], Plan | None] = {}

    def plan(self, u: float, row: Row, site: Site) -> Plan | None:
        each, variant = self._strip[row.image], self._phases.at(u)
        if row.role != "cond" or row.image in (each.first, each.last):
            return None
        key = variant, row.image
        if key not in self._plans:
            ends = (OfRow(Row("cond", number)) for number in (each.first, each.last))
            self._plans[key] = between(variant, *ends, each.coefficient)
        return self._plans[key]

    def started(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Between the ends' noise, row by row of the latent."""
        return torch.stack([slerp(x[each.first], x[each.last], each.t) for each in self._strip])

    def rewritten(self, u: float, cond: Text, uncond: Text | None) -> tuple[Text, Text | None]:
        if self._guided:
            return cond, uncond
        if torch.is_tensor(cond):
            return self._blended(cond, self._blend), uncond
        blended = {"crossattn": self._blended(cond["crossattn"], self._blend)}
        if "vector" in cond:
            blended["vector"] = self._blended(cond["vector"], partial(_pooled, self._blend))
        return {**cond, **blended}, uncond

    def _blended(self, rows: torch.Tensor, blend: Way) -> torch.Tensor:
        """[images, ..]"""
        return torch.stack([rows[number] if number in (each.first, each.last) else
                            blend(rows[each.first], rows[each.last], each.t)
                            for number, each in enumerate(self._strip)])


def _pooled(blend: Way, first: torch.Tensor, last: torch.Tensor, t: float) -> torch.Tensor:
    """Of SDXL's vectors [V] the pooled text; behind it stand the image's sizes, which both have in common."""
    different = (first != last).nonzero()
    text = int(different[-1]) + 1 if len(different) else 0
    return torch.cat([blend(first[:text], last[:text], t), first[text:]])
