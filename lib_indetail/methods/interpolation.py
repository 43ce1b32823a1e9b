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
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch

from lib_indetail.attention.algebra import PLAIN, Plan, Source, Stratum
from lib_indetail.attention.method import Beside, Method, Text, TextOf
from lib_indetail.attention.origins import Blend, OfRow, Origin, Own
from lib_indetail.attention.per_layer import PerLayer
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site, Where
from lib_indetail.methods.padding import Padding, counted
from lib_indetail.noise.slerp import slerp

Variant = Literal["fused outer", "fused inner", "pure outer", "pure inner", "none"]
EVERYWHERE = Where("self", "all"), Where("cross", "all")
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


def between(variant: Variant, first: Origin, last: Origin, c: float, within: Plan = PLAIN) -> Plan:
    """What an image reads at coefficient c of two origins, in the places where the plan `within` has its own keys and
    values."""
    if variant == "none":
        return within
    return Plan(*(made for stratum in within for made in _between(variant, first, last, c, stratum)))


def _between(variant: Variant, first: Origin, last: Origin, c: float, stratum: Stratum) -> list[Stratum]:
    if not any(isinstance(source.origin, Own) for source in stratum.sources):
        return [stratum]
    is_fused = variant.startswith("fused")
    if variant.endswith("inner"):
        return [replace(stratum, sources=_read(stratum, Blend(first, last, c), is_fused))]
    return [replace(_share(stratum, amount), sources=_read(stratum, end, is_fused))
            for end, amount in ((first, 1 - c), (last, c))]


def _read(stratum: Stratum, origin: Origin, is_fused: bool) -> tuple[Source, ...]:
    """Its sources, with others behind the own ones or in their places."""
    return tuple(made for source in stratum.sources for made in (
        ((source,) if is_fused else ()) + (replace(source, origin=origin),)
        if isinstance(source.origin, Own) else (source,)))


def _share(stratum: Stratum, amount: float) -> Stratum:
    weight = stratum.weight
    if weight is None:
        return replace(stratum, share=amount * stratum.share)
    if isinstance(weight, PerLayer):
        return replace(stratum, weight=PerLayer(lambda tokens, device: amount * weight.on(tokens, device)))
    return replace(stratum, weight=amount * weight)


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
    end the `blend` of its ends' texts stands in that one's place, unless it is `guided` by its own. The ends follow the
    method `main`, and those between read within its plans."""

    def __init__(self, strip: Sequence[Between], phases: Phases, guided: bool = False, blend: Way = torch.lerp,
                 beside: Sequence[Beside] = (), main: Method | None = None):
        self._strip, self._phases, self._guided, self._blend = strip, phases, guided, blend
        self._main = main or Method()
        self._of_main = self._main.where if main else ()
        self.where = *EVERYWHERE, *self._of_main
        self.beside = beside
        self.read_rows = {Row("cond", number) for each in strip for number in (each.first, each.last)}
        self._padding: Padding | None = None
        self._u: float | None = None
        self._plans: dict[tuple, Plan | None] = {}

    def plan(self, u: float, row: Row, site: Site) -> Plan | None:
        each = self._strip[row.image]
        main = self._main_plan(u, row._replace(image=each.first), site)
        if row.role != "cond" or not any(where.has(site) for where in EVERYWHERE):
            return main
        variant = "none" if row.image in (each.first, each.last) else self._phases.at(u)
        padding = self._padding if site.kind == "cross" else None
        if variant == "none" and padding is None:
            return main
        if u != self._u:
            self._u, self._plans = u, {}
        key = row.image, main, padding
        if key not in self._plans:
            ends = (OfRow(Row("cond", number)) for number in (each.first, each.last))
            plan = between(variant, *ends, each.coefficient, main or PLAIN)
            self._plans[key] = padding.counted(plan, row.image) if padding else plan
        return self._plans[key]

    def _main_plan(self, u: float, row: Row, site: Site) -> Plan | None:
        return self._main.plan(u, row, site) if any(where.has(site) for where in self._of_main) else None

    def started(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return self.spread(self._main.started(x, sigma))

    def spread(self, noise: torch.Tensor) -> torch.Tensor:
        """Between that of the ends, row by row of the latent."""
        return self._blended(noise, slerp)

    def rewritten(self, u: float, cond: Text, uncond: Text | None, text_of: TextOf) -> tuple[Text, Text | None]:
        counts = counted(cond if torch.is_tensor(cond) else cond["crossattn"])
        padding = Padding(counts if self._guided else self._blended(counts, torch.lerp))
        self._u, self._padding = None, None if padding.is_none else padding
        return (cond if self._guided else each_part(self._blended, self._blend, cond)), uncond

    def _blended(self, rows: torch.Tensor, blend: Way) -> torch.Tensor:
        """[images, ..]"""
        return torch.stack([rows[number] if number in (each.first, each.last) else
                            blend(rows[each.first], rows[each.last], each.t)
                            for number, each in enumerate(self._strip)])


def each_part(between: Callable[..., torch.Tensor], blend: Way, text: Text, *others: Text) -> Text:
    """`between(rows, .., blend)` of a text and others, or of their parts."""
    if torch.is_tensor(text):
        return between(text, *others, blend)
    ways = {"crossattn": blend, "vector": partial(_pooled, blend)}
    return {**text, **{name: between(text[name], *(other[name] for other in others), way)
                       for name, way in ways.items() if name in text}}


def blended(own: Text, other: Text, amounts: Sequence[float], blend: Way) -> Text:
    """Each row of a text, [n, ..], at its amount of the way to the one row of another; of two lengths the shorter one
    has its last token again."""
    def between(rows: torch.Tensor, row: torch.Tensor, way: Way) -> torch.Tensor:
        rows, row = (_longer(each, max(rows.shape[1], row.shape[1])) for each in (rows, row.to(rows)))
        return torch.stack([way(each, row[0], amount) for each, amount in zip(rows, amounts, strict=True)])

    return each_part(between, blend, own, other)


def instead(own: Text, other: Text) -> Text:
    """The one row of another text in the place of each row of a text, as long as it is."""
    if torch.is_tensor(own):
        return other.to(own).expand(len(own), *other.shape[1:])
    return {name: instead(part, other[name]) for name, part in own.items()}


def _longer(rows: torch.Tensor, count: int) -> torch.Tensor:
    """[n, tokens, D] with so many tokens; a vector [n, V] is as long as any other."""
    return torch.cat([rows, rows[:, -1:].expand(-1, count - rows.shape[1], *rows.shape[2:])], 1)


def _pooled(blend: Way, first: torch.Tensor, last: torch.Tensor, t: float) -> torch.Tensor:
    """Of SDXL's vectors [V] the pooled text; behind it stand the image's sizes, which both have in common."""
    different = (first != last).nonzero()
    text = int(different[-1]) + 1 if len(different) else 0
    return torch.cat([blend(first[:text], last[:text], t), first[text:]])
