"""Several image prompts in one layer: each a stratum of its own, or keys that join the own stratum.

With L_i(q) = m_i(q) s_i share_i lambda_i and b_i(q, k) = log(s_i share_i m_i(q) r_i(k)):

    out = (1 - sum_i L_i) A(Q, [K; K_j ...], [V; V_j ...], b_j) + sum_i L_i A(Q, K_i, V_i, log r_i)

where i runs over the pictures in their stratified phase and j over those in their concatenation phase.
share_i = w_i / max(1, sum of the weights of the pictures that act now), so that several pictures divide what one has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from lib_indetail.algebra import Bank, Own, PerToken, Plan, Source, Stratum
from lib_indetail.attention import LogitBias

OWN = Source(Own())

LEAST = 1e-9
"""What a masked-out query still sees of a picture whose keys are concatenated, where another picture acts on it."""


@dataclass(frozen=True, eq=False)
class Part:
    """One image prompt as some rows read it now.

    `amount` is s_i share_i, 0 to 1; `stratified` its lambda in the stratified phase (1: replacement), None in the
    concatenation phase. `take` [keys] and `put` [queries], 0 to 1, or functions of the layer's token count, are the
    masks r_i and m_i.
    """

    bank: str
    amount: float
    stratified: float | None = None
    take: PerToken | None = None
    put: PerToken | None = None


def shares(weights: Sequence[float]) -> list[float]:
    """w_i / max(1, sum w): pictures that together weigh less than one leave the rest to the image itself."""
    total = max(1.0, sum(weights))
    return [weight / total for weight in weights]


def mixed(parts: Sequence[Part]) -> Plan | None:
    """The plan of rows that read these pictures; None for plain attention. Queries that no picture may reach keep
    their own attention bit by bit."""
    acting = [part for part in parts if part.amount > 0 and part.stratified != 0]
    if not acting:
        return None
    apart = [part for part in acting if part.stratified is not None]
    joined = [part for part in acting if part.stratified is None]
    strata = tuple(Stratum((_alone(part),), _weight(part)) for part in apart)
    own = Stratum((OWN, *map(_beside, joined)))
    if not joined or any(part.put is None for part in joined):
        return own, *strata
    return Stratum((OWN,)), Stratum(own.sources, _reached(joined, apart)), *strata


def _alone(part: Part) -> Source:
    """In a softmax of its own: only the differences between its keys count."""
    if part.take is None:
        return Source(Bank(part.bank))

    def bias(count: int) -> LogitBias | None:
        mask = _mask(part.take, count)
        return LogitBias(_logs(mask)[:, None]) if _is_soft(mask) else None

    return Source(Bank(part.bank), _kept(part.take), bias)


def _beside(part: Part) -> Source:
    """In one softmax with the own keys, at b_j(q, k)."""
    amount = math.log(part.amount)
    if part.take is None and part.put is None:
        return Source(Bank(part.bank), bias=amount)

    def bias(count: int) -> LogitBias | None:
        keys = amount + (torch.zeros(count) if part.take is None else _logs(_mask(part.take, count)))
        if part.put is None:
            return LogitBias(keys[:, None]) if keys.any() else None
        queries = _logs(_mask(part.put, count))
        return LogitBias(torch.stack([keys, torch.ones(count)], 1), torch.stack([torch.ones(count), queries], 1))

    return Source(Bank(part.bank), None if part.take is None else _kept(part.take), bias)


def _weight(part: Part) -> float | Callable[[int], torch.Tensor]:
    """L_i(q), [queries, 1] where there is a mask."""
    amount = part.amount * part.stratified
    if part.put is None:
        return amount
    return lambda tokens: amount * _mask(part.put, tokens)[:, None]


def _reached(joined: Sequence[Part], apart: Sequence[Part]) -> Callable[[int], torch.Tensor]:
    """1 - sum L_i(q) where a concatenated picture reaches a query, else 0, [queries, 1]."""
    def weight(tokens: int) -> torch.Tensor:
        taken = sum((_weight(part) if part.put is None else _weight(part)(tokens) for part in apart), torch.zeros(1))
        somewhere = torch.stack([_mask(part.put, tokens) > 0 for part in joined]).any(0)[:, None]
        return (1 - taken) * somewhere

    return weight


def _kept(take: PerToken) -> Callable[[int], torch.Tensor]:
    return lambda count: _mask(take, count) > 0


def _is_soft(mask: torch.Tensor) -> bool:
    return bool(((mask > 0) & (mask < 1)).any())


def _mask(mask: PerToken, tokens: int) -> torch.Tensor:
    return mask if torch.is_tensor(mask) else mask(tokens)


def _logs(mask: torch.Tensor) -> torch.Tensor:
    return mask.float().clamp_min(LEAST).log()
