"""One attention algebra: out = sum_j w_j A(Q, K_j, V_j).

A plan is a tuple of strata. A stratum has a weight and an ordered list of key/value sources that one attention
runs over. Stratified attention, concatenation, replacement, conflicting guidance, interpolation between two
pictures, panel enhancement and region bias are all plans; none needs a hook of its own.

Values that belong to tokens (weights, masks, biases, gains) may be tensors, functions of the layer's token count that
give tensors, or such functions that keep what they gave (`PerLayer`), since one plan serves layers of several
resolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lib_indetail.attention.calls import HeadsCall, KeysValues, LayerCall
from lib_indetail.attention.host_attention import LogitBias
from lib_indetail.attention.per_layer import PerLayer, kept_numbers, on_device

PerToken = torch.Tensor | Callable[[int], torch.Tensor] | PerLayer[torch.Tensor]


@dataclass(frozen=True)
class Own:
    """The row's own keys and values."""


@dataclass(frozen=True)
class Bank:
    """Keys and values recorded under this name."""

    name: str


@dataclass(frozen=True)
class Blend:
    """(1 - amount) first + amount second: keys and values between two banks of equal length."""

    first: str
    second: str
    amount: float


@dataclass(frozen=True, eq=False)
class Source:
    """Where a stratum's keys and values come from.

    `keep` [keys] leaves out the keys where it is 0 or False; `bias` is added to the logits, one number or
    sum_r queries[q, r] keys[k, r]; `gain` [keys] scales values without touching the softmax.
    """

    origin: Own | Bank | Blend
    keep: PerToken | None = None
    bias: float | LogitBias | Callable[[int], LogitBias | None] | PerLayer[LogitBias | None] | None = None
    gain: PerToken | None = None

    @property
    def is_plain_own(self) -> bool:
        return isinstance(self.origin, Own) and self.keep is self.bias is self.gain is None


@dataclass(frozen=True, eq=False)
class Stratum:
    """One attention over the concatenated sources, with a weight.

    The weight is a number, a tensor that broadcasts to [rows, query tokens, 1], or None for the rest:
    one minus the weights of all other strata. A stratum left without keys has weight 0.
    """

    sources: tuple[Source, ...]
    weight: float | PerToken | None = None


Plan = tuple[Stratum, ...]


Call = LayerCall | HeadsCall


def banks_of(plan: Plan) -> list[str]:
    """The names of the banks that a plan reads."""
    names: list[str] = []
    for stratum in plan:
        for source in stratum.sources:
            match source.origin:
                case Bank(name):
                    names.append(name)
                case Blend(first, second, _):
                    names += [first, second]
    return list(dict.fromkeys(names))


def evaluate(plan: Plan, call: Call) -> torch.Tensor:
    """The layer's answer under a plan, [rows, tokens, C], where the call is: before its output projection or behind."""
    answers = [(stratum.weight, answer) for stratum in plan
               if not _is_zero(stratum.weight) and (answer := _answer(stratum, call)) is not None]
    weights = [None if weight is None else resolve(weight, call.shape[1], answer) for weight, answer in answers]
    rest = 1 - sum(weight for weight in weights if weight is not None)
    if None not in weights and not (isinstance(rest, float | int) and abs(rest) < 1e-9):
        answers.append((None, call.nothing()))
        weights.append(None)
    return _weighted_sum([(rest if weight is None else weight, answer)
                          for weight, (_, answer) in zip(weights, answers, strict=True)])


def _weighted_sum(terms: list[tuple[float | torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    if len(terms) == 1 and _is_one(terms[0][0]):
        return terms[0][1]
    total = 0
    for weight, answer in terms:
        total = total + (weight.to(answer.dtype) if torch.is_tensor(weight) else weight) * answer
    return total


def _answer(stratum: Stratum, call: Call) -> torch.Tensor | None:
    """A(Q, K_j, V_j); None if no key is left."""
    if len(stratum.sources) == 1 and stratum.sources[0].is_plain_own:
        return call.own()
    gathered = [part for source in stratum.sources if (part := gather(source, call)) is not None]
    if not gathered:
        return None
    keys, values = (torch.cat([part[i].expand(call.shape[0], -1, -1) for part in gathered], dim=1) for i in (0, 1))
    biases = [part[2] for part in gathered]
    bias = None if all(b is None for b in biases) else LogitBias.joined(
        biases, [part[0].shape[1] for part in gathered], call.shape[1], keys.device)
    return call.attend(keys, values, bias)


def gather(source: Source, call: Call) -> tuple[torch.Tensor, torch.Tensor, LogitBias | None] | None:
    """Keys, values and bias of one source with its masked keys left out."""
    keys, values = _keys_values(source.origin, call)
    count = keys.shape[1]
    if source.gain is not None:
        values = values * resolve(source.gain, count, values).to(values.dtype).view(1, count, 1)
    bias = _bias_of(source, count, keys)
    if source.keep is not None:
        kept = kept_numbers(source.keep, count, keys.device)
        if not len(kept):
            return None
        keys, values = keys.index_select(1, kept), values.index_select(1, kept)
        bias = bias.kept(kept) if bias is not None else None
    return keys, values, bias


def _bias_of(source: Source, count: int, keys: torch.Tensor) -> LogitBias | None:
    if isinstance(source.bias, float | int):
        return LogitBias(torch.full((count, 1), float(source.bias), device=keys.device)) if source.bias else None
    return on_device(source.bias, count, keys.device)


def _keys_values(origin: Own | Bank | Blend, call: Call) -> KeysValues:
    match origin:
        case Own():
            return call.own_keys_values()
        case Bank(name):
            return call.banks[name]
        case Blend(first, second, amount):
            return tuple(torch.lerp(a, b, amount) for a, b in zip(call.banks[first], call.banks[second], strict=True))
    raise TypeError(f"not an origin of keys and values: {origin!r}")


def resolve(value: float | PerToken, tokens: int, like: torch.Tensor) -> float | torch.Tensor:
    """What belongs to so many tokens, as a number or on the device of `like`."""
    if isinstance(value, float | int):
        return value
    return on_device(value, tokens, like.device)


def _is_zero(weight: float | PerToken | None) -> bool:
    return isinstance(weight, float | int) and weight == 0


def _is_one(weight: float | torch.Tensor) -> bool:
    return isinstance(weight, float | int) and weight == 1
