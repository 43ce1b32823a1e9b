"""Several image prompts in one layer: each a stratum of its own, or keys that join the own stratum.

With L_i(q) = m_i(q) s_i share_i lambda_i and b_i(q, k) = log(s_i share_i m_i(q) r_i(k)):

    out = (1 - sum_i L_i) A(Q, [K; K_j ...], [V; V_j ...], b_j) + sum_i L_i A(Q, K_i, V_i, log r_i)

With one picture and no masks that is the paper's equation 3 in the stratified phase, and its equation 1 in the
concatenation phase. i runs over the pictures in their stratified phase and j over those in their concatenation phase.
share_i = w_i / max(1, sum of the weights of the pictures that act now), so that several pictures divide what one has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib_indetail.attention.algebra import OWN, PLAIN, PerToken, Plan, Source, Stratum
from lib_indetail.attention.bias import LogitBias
from lib_indetail.attention.origins import Bank
from lib_indetail.attention.per_layer import CPU, PerLayer, on_device
from lib_indetail.attention.sites import Tokens

LEAST = 1e-9
"""What a masked-out query still sees of a picture whose keys are concatenated, where another picture acts on it."""


@dataclass(frozen=True)
class Stratified:
    """A softmax of its own, of the weight lambda; 1 is replacement, as in RIVAL."""

    weight: float


@dataclass(frozen=True)
class Concatenated:
    """One softmax with the own keys."""


Phase = Stratified | Concatenated
CONCATENATED = Concatenated()


@dataclass(frozen=True, eq=False)
class Part:
    """One image prompt as some rows read it now.

    `amount` is s_i share_i, 0 to 1; `phase` has its lambda where it is stratified. `take` [keys] and `put` [queries],
    0 to 1, or functions of a site's tokens, are the masks r_i and m_i.
    """

    bank: str
    amount: float
    phase: Phase = CONCATENATED
    take: PerToken | None = None
    put: PerToken | None = None

    @property
    def acts(self) -> bool:
        is_nothing = isinstance(self.phase, Stratified) and isinstance(self.phase.weight, float | int) \
            and self.phase.weight == 0
        return self.amount > 0 and not is_nothing


def shares(weights: Sequence[float]) -> list[float]:
    """w_i / max(1, sum w): pictures that together weigh less than one leave the rest to the image itself."""
    total = max(1.0, sum(weights))
    return [weight / total for weight in weights]


def mixed(parts: Sequence[Part]) -> Plan | None:
    """The plan of rows that read these pictures; None for plain attention. Queries that no picture may reach keep
    their own attention bit by bit."""
    acting = [part for part in parts if part.acts]
    if not acting:
        return None
    apart = [part for part in acting if isinstance(part.phase, Stratified)]
    joined = [part for part in acting if isinstance(part.phase, Concatenated)]
    strata = tuple(Stratum((_alone(part),), _weight(part)) for part in apart)
    own = Stratum((OWN, *map(_beside, joined)))
    if not joined or any(part.put is None for part in joined):
        return Plan(own, *strata)
    return Plan(*PLAIN, Stratum(own.sources, _reached(joined, apart)), *strata)


def _alone(part: Part) -> Source:
    """In a softmax of its own: only the differences between its keys count."""
    if part.take is None:
        return Source(Bank(part.bank))

    def bias(tokens: Tokens, device: torch.device) -> LogitBias | None:
        return LogitBias(_logs(part.take, tokens, device)[:, None]) if _is_soft(part.take, tokens) else None

    return Source(Bank(part.bank), part.take, PerLayer(bias))


def _beside(part: Part) -> Source:
    """In one softmax with the own keys, at b_j(q, k)."""
    amount = math.log(part.amount)
    if part.take is None and part.put is None:
        return Source(Bank(part.bank), bias=amount)

    def bias(tokens: Tokens, device: torch.device) -> LogitBias | None:
        if part.put is None and amount == 0 and not _is_soft(part.take, tokens):
            return None
        ones = torch.ones(tokens.count, device=device)
        keys = amount * ones if part.take is None else amount + _logs(part.take, tokens, device)
        if part.put is None:
            return LogitBias(keys[:, None])
        return LogitBias(torch.stack([keys, ones], 1), torch.stack([ones, _logs(part.put, tokens, device)], 1))

    return Source(Bank(part.bank), part.take, PerLayer(bias))


def _weight(part: Part) -> float | PerLayer[torch.Tensor]:
    """L_i(q), [queries, 1] where there is a mask."""
    amount = part.amount * part.phase.weight
    if part.put is None:
        return amount
    return PerLayer(lambda tokens, device: amount * on_device(part.put, tokens, device)[:, None])


def _reached(joined: Sequence[Part], apart: Sequence[Part]) -> PerLayer[torch.Tensor]:
    """1 - sum L_i(q) where a concatenated picture reaches a query, else 0, [queries, 1]."""
    weights = [_weight(part) for part in apart]

    def weight(tokens: Tokens, device: torch.device) -> torch.Tensor:
        taken = sum((each if isinstance(each, float) else each.on(tokens, device) for each in weights), 0.0)
        masks = torch.stack([on_device(part.put, tokens, device) for part in joined])
        return (1 - taken) * (masks > 0).any(0)[:, None]

    return PerLayer(weight)


def _is_soft(mask: PerToken, tokens: Tokens) -> bool:
    values = on_device(mask, tokens, CPU)
    return bool(((values > 0) & (values < 1)).any())


def _logs(mask: PerToken, tokens: Tokens, device: torch.device) -> torch.Tensor:
    return on_device(mask, tokens, device).float().clamp_min(LEAST).log()
