"""One attention algebra: out = sum_j w_j A(Q, K_j, V_j).

A plan has strata. A stratum has a weight and an ordered list of key/value sources that one attention runs over.
Stratified attention, concatenation, replacement, conflicting guidance, interpolation between two pictures, panel
enhancement and region bias are all plans; none needs a hook of its own.

Values that belong to tokens (weights, masks, biases, gains) may be tensors, functions of a site's tokens that give
tensors, or such functions that keep what they gave (`PerLayer`), since one plan serves sites of several resolutions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from lib_indetail.attention.bias import Bias, LogitBias
from lib_indetail.attention.calls import Call
from lib_indetail.attention.origins import Origin, Own
from lib_indetail.attention.per_layer import PerLayer, kept_numbers, on_device
from lib_indetail.attention.sites import Tokens

PerToken = torch.Tensor | Callable[[Tokens], torch.Tensor] | PerLayer[torch.Tensor]
Weight = float | torch.Tensor
Gathered = tuple[torch.Tensor, torch.Tensor, Bias | None]
"""Keys and values [1 or rows, keys, C'] of one source in a call, and what is added to their logits."""


@dataclass(frozen=True, eq=False)
class Source:
    """Where a stratum's keys and values come from.

    `keep` [keys] leaves out the keys where it is 0 or False; `bias` is added to the logits, one number or in one of
    three forms (`attention.bias`); `gain` [keys] scales values without touching the softmax.
    """

    origin: Origin
    keep: PerToken | None = None
    bias: float | Bias | Callable[[Tokens], Bias | None] | PerLayer[Bias | None] | None = None
    gain: PerToken | None = None

    @property
    def is_plain_own(self) -> bool:
        return isinstance(self.origin, Own) and self.keep is self.bias is self.gain is None


OWN = Source(Own())


@dataclass(frozen=True, eq=False)
class Stratum:
    """One attention over the concatenated sources, with a weight.

    The weight is a number, a tensor that broadcasts to [rows, query tokens, 1], or None for this `share` of the rest:
    of one minus the weights of all other strata. A stratum left without keys has weight 0.
    """

    sources: tuple[Source, ...]
    weight: float | PerToken | None = None
    share: float = 1.0

    @property
    def is_plain_own(self) -> bool:
        return len(self.sources) == 1 and self.sources[0].is_plain_own

    @property
    def is_left_out(self) -> bool:
        return (isinstance(self.weight, float | int) and self.weight == 0) or (self.weight is None and self.share == 0)


class Plan(tuple[Stratum, ...]):
    """Strata; those that take the rest take it whole. Raises ValueError for what is no plan."""

    def __new__(cls, *strata: Stratum) -> Plan:
        shares = [each.share for each in strata if each.weight is None]
        if shares and abs(sum(shares) - 1) > 1e-6:
            raise ValueError("the strata of a plan that take the rest take more than all of it, or less")
        if not strata or not all(each.sources for each in strata):
            raise ValueError("a plan has strata, and a stratum has sources")
        if any(isinstance(each.weight, float | int) and not math.isfinite(each.weight) for each in strata):
            raise ValueError("a stratum's weight is no number")
        return super().__new__(cls, strata)

    @property
    def banks(self) -> list[str]:
        """The names of the banks that it reads."""
        return list(dict.fromkeys(bank for stratum in self for source in stratum.sources
                                  for bank in source.origin.banks))


PLAIN = Plan(Stratum((OWN,)))


class Mixture(tuple[tuple[float, Plan], ...]):
    """sum_i share_i plan_i, of plans that are each whole in themselves."""

    @property
    def banks(self) -> list[str]:
        return list(dict.fromkeys(bank for _, plan in self for bank in plan.banks))


@dataclass(frozen=True, eq=False)
class Term:
    """One stratum in a call: w_j, and the sources whose keys are left, gathered; None for plain own ones, whose answer
    is the host's."""

    weight: Weight
    parts: list[tuple[Source, Gathered]] | None


def evaluate(plan: Plan | Mixture, call: Call) -> torch.Tensor:
    """The site's answer under a plan, [rows, tokens, C], where the call is: before its output projection or behind."""
    terms, rest = terms_of(plan, call)
    answers = [(term.weight, _answer(term, call)) for term in terms]
    return _weighted_sum([*answers, *([] if rest is None else [(rest, call.entered.nothing())])])


def terms_of(plan: Plan | Mixture, call: Call) -> tuple[list[Term], Weight | None]:
    """The strata that take part in a call, and what their weights leave over of 1 (None: nothing)."""
    if isinstance(plan, Mixture):
        return _terms_of_all(plan, call)
    there = [(stratum, parts) for stratum in plan
             if not stratum.is_left_out and (parts := _parts(stratum, call)) != []]
    weights = [None if each.weight is None else resolve(each.weight, call.tokens, call.device) for each, _ in there]
    rest = 1 - sum(weight for weight in weights if weight is not None)
    terms = [Term((rest if each.share == 1 else each.share * rest) if weight is None else weight, parts)
             for weight, (each, parts) in zip(weights, there, strict=True)]
    is_whole = None in weights or (isinstance(rest, float | int) and abs(rest) < 1e-9)
    return terms, None if is_whole else rest


def _terms_of_all(mixture: Mixture, call: Call) -> tuple[list[Term], Weight | None]:
    """Those of all its plans; rows attend to themselves once."""
    own, others, left = [], [], []
    for share, plan in mixture:
        terms, rest = terms_of(plan, call)
        left += [] if rest is None else [share * rest]
        for term in terms:
            (own if term.parts is None else others).append(Term(share * term.weight, term.parts))
    merged = [Term(sum(term.weight for term in own), None)] if own else []
    return merged + others, sum(left) if left else None


def _parts(stratum: Stratum, call: Call) -> list[tuple[Source, Gathered]] | None:
    if stratum.is_plain_own:
        return None
    return [(source, part) for source in stratum.sources if (part := gather(source, call)) is not None]


def _answer(term: Term, call: Call) -> torch.Tensor:
    """A(Q, K_j, V_j)."""
    if term.parts is None:
        return call.entered.own()
    gathered = [part for _, part in term.parts]
    keys, values = (torch.cat([part[i].expand(call.rows, -1, -1) for part in gathered], dim=1) for i in (0, 1))
    biases = [part[2] for part in gathered]
    if all(bias is None for bias in biases):
        return call.attend(keys, values, None)
    if len(biases) == 1:
        return call.attend(keys, values, biases[0])
    counts = [part[0].shape[1] for part in gathered]
    return call.attend(keys, values, LogitBias.joined(biases, counts, call.tokens.count, keys.device))


def _weighted_sum(terms: list[tuple[Weight, torch.Tensor]]) -> torch.Tensor:
    if len(terms) == 1 and _is_one(terms[0][0]):
        return terms[0][1]
    total = 0
    for weight, answer in terms:
        total = total + (weight.to(answer.dtype) if torch.is_tensor(weight) else weight) * answer
    return total


def gather(source: Source, call: Call) -> Gathered | None:
    """Keys, values and bias of one source with its masked keys left out; None if none is left."""
    keys, values = source.origin.keys_values(call)
    tokens = call.keys_laid(keys.shape[1])
    if source.gain is not None:
        values = values * resolve(source.gain, tokens, values.device).to(values.dtype).view(1, tokens.count, 1)
    bias = _bias_of(source, tokens, keys)
    if source.keep is not None:
        kept = kept_numbers(source.keep, tokens, keys.device)
        if not len(kept):
            return None
        keys, values = keys.index_select(1, kept), values.index_select(1, kept)
        bias = bias.kept(kept) if bias is not None else None
    return keys, values, bias


def _bias_of(source: Source, tokens: Tokens, keys: torch.Tensor) -> Bias | None:
    if isinstance(source.bias, float | int):
        return LogitBias(torch.full((tokens.count, 1), float(source.bias), device=keys.device)) if source.bias else None
    return on_device(source.bias, tokens, keys.device)


def resolve(value: float | PerToken, tokens: Tokens, device: torch.device) -> Weight:
    """What belongs to these tokens, as a number or on the device."""
    return value if isinstance(value, float | int) else on_device(value, tokens, device)


def _is_one(weight: Weight) -> bool:
    return isinstance(weight, float | int) and weight == 1
