"""What is added to the logits of an attention, in three forms: known beforehand, known from each row's extremes, or
known from the probabilities themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

KeysValues = tuple[torch.Tensor, torch.Tensor]
CHUNK = 2**26
"""So many numbers of a matrix of logits are there at once."""


@dataclass(frozen=True, eq=False)
class LogitBias:
    """b(q, k) = sum_r queries[q, r] keys[k, r], added to every head's logits.

    `keys` is [keys, r]; `queries` is [query tokens, r], or [rows, heads, query tokens, r] where it is not the same for
    all of them; None for ones. Before it is added, the logits are multiplied by `factor`, None for 1, or [rows, heads,
    query tokens].
    """

    keys: torch.Tensor
    queries: torch.Tensor | None = None
    factor: torch.Tensor | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is the same in all rows and heads, and nothing but added."""
        return self.factor is None and (self.queries is None or self.queries.ndim == 2)

    def kept(self, numbers: torch.Tensor) -> LogitBias:
        """The bias of the keys of these numbers."""
        return LogitBias(self.keys.index_select(0, numbers), self.queries, self.factor)

    def to(self, device: torch.device) -> LogitBias:
        return LogitBias(self.keys.to(device), *(None if part is None else part.to(device)
                                                 for part in (self.queries, self.factor)))

    @staticmethod
    def joined(biases: list[LogitBias | None], counts: list[int], tokens: int, device: torch.device) -> LogitBias:
        """The bias of concatenated keys, for so many query tokens: `counts[i]` keys have `biases[i]`, or none. Raises
        ValueError for one that has to be alone."""
        if not all(each is None or (isinstance(each, LogitBias) and each.is_plain) for each in biases):
            raise ValueError("a bias that depends on its logits is alone in its stratum")
        queries = [torch.ones(tokens, b.keys.shape[1], device=device) if b.queries is None else b.queries.to(device)
                   for b in biases if b is not None]
        columns = torch.block_diag(*(torch.zeros(count, 0, device=device) if b is None else b.keys.float().to(device)
                                     for b, count in zip(biases, counts, strict=True)))
        return LogitBias(columns, torch.cat(queries, dim=1))


@dataclass(frozen=True, eq=False)
class FromExtremes:
    """A bias that depends on the least and the greatest logit of each query (DenseDiffusion): `make(least, greatest)`
    gives it, of [rows, heads, query tokens] each. Its source is alone in its stratum."""

    make: Callable[[torch.Tensor, torch.Tensor], LogitBias]

    def to(self, device: torch.device) -> FromExtremes:
        """It is made where its logits are."""
        return self

    def kept(self, numbers: torch.Tensor) -> FromExtremes:
        return FromExtremes(lambda *found: self.make(*found).kept(numbers))


@dataclass(frozen=True, eq=False)
class FromProbabilities:
    """A bias that depends on the attention itself (MIS): `make(probabilities, first)` gives what is added to the
    logits, of probabilities [rows, heads, queries, keys] of some queries, the first of which has that number. They are
    attended to explicitly, some at a time, and not by the host. Its source is alone in its stratum."""

    make: Callable[[torch.Tensor, int], torch.Tensor]

    def to(self, device: torch.device) -> FromProbabilities:
        """It is made where its logits are."""
        return self

    def kept(self, numbers: torch.Tensor) -> FromProbabilities:
        raise ValueError("a bias that depends on probabilities has all keys")


Bias = LogitBias | FromExtremes | FromProbabilities


def logits(queries: torch.Tensor, keys: torch.Tensor, heads: int) -> Iterator[tuple[int, torch.Tensor]]:
    """q k / sqrt(d) of [rows, queries, heads d] and [rows, keys, heads d], of some queries at a time: the number of
    the first of them, and [rows, heads, queries, keys]."""
    q, k = (_split(part, heads) for part in (queries, keys))
    step = max(1, CHUNK // (q.shape[0] * heads * k.shape[2]))
    for first in range(0, q.shape[2], step):
        yield first, q[:, :, first:first + step] @ k.transpose(2, 3) * q.shape[-1] ** -0.5


def extremes(queries: torch.Tensor, keys: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest logit of each query, [rows, heads, queries] each."""
    parts = [torch.aminmax(each, dim=-1) for _, each in logits(queries, keys, heads)]
    return torch.cat([part.min for part in parts], dim=2), torch.cat([part.max for part in parts], dim=2)


def attended_densely(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, heads: int,
                     bias: FromProbabilities) -> torch.Tensor:
    """softmax(logits + b(softmax(logits))) V, [rows, queries, heads d]."""
    v, answers = _split(values, heads), []
    for first, each in logits(queries, keys, heads):
        answers.append((each + bias.make(each.softmax(-1), first)).softmax(-1) @ v)
    return torch.cat(answers, dim=2).transpose(1, 2).flatten(2).to(queries.dtype)


def _split(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[rows, n, heads d] -> [rows, heads, n, d], in single precision at least."""
    return (x if x.dtype == torch.float64 else x.float()).unflatten(-1, (heads, -1)).transpose(1, 2)
