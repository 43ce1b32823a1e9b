"""What a plan is evaluated on: some rows of one call of one site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from lib_indetail.attention.bias import (
    Bias,
    FromExtremes,
    FromProbabilities,
    KeysValues,
    LogitBias,
    attended_densely,
    extremes,
)
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Grid, Site, Tokens, laid


class Entered(Protocol):
    """Rows of a call as they were met: see `entered`. C' are the channels of all heads together."""

    heads: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and query tokens."""

    @property
    def device(self) -> torch.device: ...

    @property
    def queries(self) -> torch.Tensor:
        """[rows, tokens, C']"""

    def own_keys_values(self) -> KeysValues:
        """[rows, keys, C'] each."""

    def own(self) -> torch.Tensor:
        """A(Q, K, V): what the rows would have without us."""

    def attend(self, keys: torch.Tensor, values: torch.Tensor, bias: LogitBias | None) -> torch.Tensor:
        """A(Q, keys, values), of [rows, keys, C'] each."""

    def behind(self, heads: torch.Tensor) -> torch.Tensor:
        """What was attended to explicitly, [rows, tokens, C'], in the place where `attend` answers."""

    def nothing(self) -> torch.Tensor:
        """What weights that do not sum to 1 leave over, [1, 1, C]."""


def _no_text(name: str) -> KeysValues:
    raise ValueError(f"no text rows {name!r} are given here")


@dataclass(frozen=True, eq=False)
class Readable:
    """What may be read at a site beside a row's own keys and values: `banks`, other `rows`, and `extra` tokens that are
    given with the site; and of `texts` the keys and values of the text rows of a name."""

    banks: Mapping[str, KeysValues] = field(default_factory=dict)
    rows: Mapping[Row, KeysValues] = field(default_factory=dict)
    extra: Mapping[str, KeysValues] = field(default_factory=dict)
    texts: Callable[[str], KeysValues] = _no_text

    def of(self, rows: slice | list[int]) -> Readable:
        """What these rows of the call may read."""
        if not self.extra:
            return self
        return replace(self, extra={name: pair if len(pair[0]) == 1 else tuple(part[rows] for part in pair)
                                    for name, pair in self.extra.items()})


@dataclass(frozen=True, eq=False)
class Call:
    """`cells` are those that the model was called on; `lead` tokens of a text stand before the image's at a joint
    site. Rows that somebody has `merged` have queries of several images."""

    site: Site
    entered: Entered
    read: Readable = field(default_factory=Readable)
    cells: Grid | None = None
    lead: int = 0
    merged: bool = False

    @property
    def rows(self) -> int:
        return self.entered.shape[0]

    @property
    def device(self) -> torch.device:
        return self.entered.device

    @property
    def tokens(self) -> Tokens:
        """Those of the queries."""
        count = self.entered.shape[1]
        return Tokens(count) if self.merged else laid(count, self.cells, self.lead)

    def keys_laid(self, count: int) -> Tokens:
        """Where so many keys lie."""
        return Tokens(count) if self.site.kind == "cross" else laid(count, self.cells, self.lead)

    def attend(self, keys: torch.Tensor, values: torch.Tensor, bias: Bias | None) -> torch.Tensor:
        """A(Q, keys, values) with a bias, in the place of `own`."""
        entered = self.entered
        if isinstance(bias, FromProbabilities):
            return entered.behind(attended_densely(entered.queries, keys, values, entered.heads, bias))
        if isinstance(bias, FromExtremes):
            bias = bias.make(*extremes(entered.queries, keys, entered.heads))
        return entered.attend(keys, values, bias)
