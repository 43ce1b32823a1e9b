"""What a plan is evaluated on: some rows of one call of one attention layer, in one of two places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from lib_indetail.attention.host_attention import HostAttention, LogitBias

KeysValues = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class LayerCall:
    """Rows that the host has answered, behind the layer's output projection.

    `x` [rows, tokens, C] is what the queries are made from, `context` what the rows' own keys are made from, and
    their values, unless there is a `value` for them; `output` [rows, tokens, C] is the host's own attention of these
    rows, under whatever mask it was called with; `banks` are the layer's recorded keys and values,
    [1 or rows, keys, C'] each.
    """

    attention: HostAttention
    module: nn.Module
    x: torch.Tensor
    context: torch.Tensor
    output: torch.Tensor
    banks: Mapping[str, KeysValues]
    value: torch.Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and query tokens."""
        return self.x.shape[0], self.x.shape[1]

    @property
    def queries(self) -> torch.Tensor:
        return self.module.to_q(self.x)

    @property
    def device(self) -> torch.device:
        return self.x.device

    def own_keys_values(self) -> KeysValues:
        keys, values = self.attention.keys_values(self.module, self.context)
        if self.value is not None:
            values = self.attention.keys_values(self.module, self.value)[1]
        return keys, values

    def own(self) -> torch.Tensor:
        """A(Q, K, V)."""
        return self.output

    def attend(self, keys: torch.Tensor, values: torch.Tensor, bias: LogitBias | None) -> torch.Tensor:
        return self.attention.attend(self.module, self.x, keys, values, bias)

    def nothing(self) -> torch.Tensor:
        """What weights that do not sum to 1 leave over: the projection's bias."""
        return self.attention.project(self.module, torch.zeros_like(self.x[:1, :1]))


@dataclass(frozen=True, eq=False)
class HeadsCall:
    """Rows before the layer's output projection, which comes once and over all rows: nothing is computed twice.

    `queries`, `keys` and `values` [rows, tokens, C'] are the rows' own.
    """

    attention: HostAttention
    module: nn.Module
    queries: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    banks: Mapping[str, KeysValues]

    @property
    def shape(self) -> tuple[int, int]:
        return self.queries.shape[0], self.queries.shape[1]

    @property
    def device(self) -> torch.device:
        return self.queries.device

    def own_keys_values(self) -> KeysValues:
        return self.keys, self.values

    def own(self) -> torch.Tensor:
        return self.attend(self.keys, self.values, None)

    def attend(self, keys: torch.Tensor, values: torch.Tensor, bias: LogitBias | None) -> torch.Tensor:
        return self.attention.heads(self.module, self.queries, keys, values, bias)

    def nothing(self) -> torch.Tensor:
        return torch.zeros_like(self.queries[:1, :1])


Call = LayerCall | HeadsCall
