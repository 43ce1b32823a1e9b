"""Who receives the attention: the part of every source of a plan (the paper's figure 11 draws the image's).

With an explicit softmax in place of the host's function, over some of the queries, and only where somebody asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from lib_indetail.attention.algebra import OWN, Plan, Source, Term, terms_of
from lib_indetail.attention.calls import Call

QUERIES = 64
"""Of a layer at most so many are looked at, evenly spaced."""


def received(plan: Plan, call: Call, queries: int | None = None) -> dict[str, torch.Tensor]:
    """By bank, and "own" for the rows' own keys: which part of a query's attention goes there, mean over heads,
    [rows, queries]. The parts of one query sum to 1. `queries` is how many are looked at (None: all)."""
    rows, tokens = call.entered.shape
    at = torch.linspace(0, tokens - 1, min(tokens, queries or tokens)).round().long()
    parts: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros(rows, len(at)))
    for term in terms_of(plan, call)[0]:
        weight = _column(term.weight, tokens, at)
        for source, mass in _masses(term, call, at):
            for name, share in source.origin.shares.items():
                parts[name] = parts[name] + share * weight * mass
    return dict(parts)


def _column(weight: float | torch.Tensor, tokens: int, at: torch.Tensor) -> float | torch.Tensor:
    """A term's weight at the queries, a number or [rows or 1, queries]."""
    if isinstance(weight, float | int):
        return weight
    value = weight.float().cpu().expand(weight.shape[:-2] + (tokens, 1))[..., at, 0]
    return value if value.ndim == 2 else value[None]


def _masses(term: Term, call: Call, at: torch.Tensor) -> list[tuple[Source, torch.Tensor]]:
    """What each source has of the term's softmax, [rows, queries]."""
    sources = [OWN] if term.parts is None else [source for source, _ in term.parts]
    if len(sources) == 1:
        return [(sources[0], torch.ones(call.rows, len(at)))]
    gathered = [part for _, part in term.parts]
    counts = [part[0].shape[1] for part in gathered]
    bias = torch.cat([_bias(part[2], count, call.tokens.count, at)
                      for part, count in zip(gathered, counts, strict=True)], dim=1)
    queries = call.entered.queries[:, at.to(call.device)]
    masses = []
    for row in range(len(queries)):
        keys = torch.cat([part[0][row % len(part[0])] for part in gathered])
        split = _probabilities(queries[row], keys, bias, call.entered.heads).split(counts, dim=-1)
        masses.append(torch.stack([part.sum(-1).mean(0).cpu() for part in split]))
    return list(zip(sources, torch.stack(masses, dim=1), strict=True))


def _probabilities(queries: torch.Tensor, keys: torch.Tensor, bias: torch.Tensor, heads: int) -> torch.Tensor:
    """softmax(q k / sqrt(d) + b), [heads, queries, keys], from [queries, heads d] and [keys, heads d]."""
    q, k = (part.float().unflatten(-1, (heads, -1)).transpose(0, 1) for part in (queries, keys))
    return (q @ k.transpose(1, 2) * q.shape[-1] ** -0.5 + bias.to(q.device)).softmax(-1)


def _bias(bias, count: int, tokens: int, at: torch.Tensor) -> torch.Tensor:
    """[queries, keys]"""
    if bias is None:
        return torch.zeros(len(at), count)
    keys = bias.keys.float().cpu()
    queries = torch.ones(tokens, keys.shape[1]) if bias.queries is None else bias.queries.float().cpu()
    return queries[at] @ keys.T


@dataclass(eq=False)
class Watcher:
    """Writes down what banks receive in a pass: means over rows, queries and heads."""

    levels: list[float] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    _seen: dict[tuple[str, str, float], list[float]] = field(default_factory=lambda: defaultdict(list))

    def begins(self, sigma: float, layers: Sequence[str]) -> None:
        """An evaluation at noise level `sigma`; these layers may read a bank in it."""
        if sigma not in self.levels:
            self.levels.append(sigma)
        self.layers += [layer for layer in layers if layer not in self.layers]

    def layer(self, name: str, plan: Plan, call: Call) -> None:
        """Some rows of a layer follow a plan in the evaluation that has begun."""
        for bank, parts in received(plan, call, QUERIES).items():
            self._seen[bank, name, self.levels[-1]].append(float(parts.mean()))

    def table(self, bank: str) -> torch.Tensor:
        """[layers, levels]; 0 where it was not read."""
        return torch.tensor([[_mean(self._seen.get((bank, layer, level), ())) for level in self.levels]
                             for layer in self.layers])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
