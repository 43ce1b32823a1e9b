"""The three ways into a site, each with some rows of its call: behind a module that has answered, before an output
projection (where a host's replacement may have answered, or nobody yet), and as a function of queries, keys, values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from lib_indetail.attention.bias import KeysValues, LogitBias
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.widened import cut, widened

Chosen = slice | list[int]
"""Rows of a call."""
Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, LogitBias | None], torch.Tensor]
"""Of queries, keys and values [rows, n, C'] the answer [rows, queries, C']."""


@dataclass(frozen=True, eq=False)
class BehindModule:
    """Rows that the host has answered, behind the layer's output projection.

    `x` [rows, tokens, C] is what the queries are made from, `context` what the rows' own keys are made from, and
    their values, unless there is a `value` for them; `output` [rows, tokens, C] is the host's own attention of these
    rows, under whatever mask it was called with.
    """

    attention: HostAttention
    module: nn.Module
    x: torch.Tensor
    context: torch.Tensor
    output: torch.Tensor
    value: torch.Tensor | None = None

    def of(self, rows: Chosen) -> BehindModule:
        return replace(self, x=self.x[rows], context=self.context[rows], output=self.output[rows],
                       value=None if self.value is None else self.value[rows])

    @property
    def heads(self) -> int:
        return self.module.heads

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape[0], self.x.shape[1]

    @property
    def device(self) -> torch.device:
        return self.x.device

    @property
    def queries(self) -> torch.Tensor:
        return self.module.to_q(self.x)

    def own_keys_values(self) -> KeysValues:
        keys, values = self.attention.keys_values(self.module, self.context)
        if self.value is not None:
            values = self.attention.keys_values(self.module, self.value)[1]
        return keys, values

    def own(self) -> torch.Tensor:
        return self.output

    def attend(self, keys: torch.Tensor, values: torch.Tensor, bias: LogitBias | None) -> torch.Tensor:
        return self.attention.attend(self.module, self.x, keys, values, bias)

    def behind(self, heads: torch.Tensor) -> torch.Tensor:
        return self.attention.project(self.module, heads)

    def nothing(self) -> torch.Tensor:
        """The projection's bias."""
        return self.attention.project(self.module, torch.zeros_like(self.x[:1, :1]))


@dataclass(frozen=True, eq=False)
class BeforeProjection:
    """Rows before the layer's output projection, which comes once and over all rows: nothing is computed twice.

    `queries`, `keys` and `values` [rows, tokens, C'] are the rows' own, as they meet in the softmax (norms and
    positions applied). `answer` [rows, tokens, C'] is what somebody else has put in the place of their attention.
    """

    heads: int
    queries: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    attention: Attend
    answer: torch.Tensor | None = None

    def of(self, rows: Chosen) -> BeforeProjection:
        return replace(self, queries=self.queries[rows], keys=self.keys[rows], values=self.values[rows],
                       answer=None if self.answer is None else self.answer[rows])

    @property
    def shape(self) -> tuple[int, int]:
        return self.queries.shape[0], self.queries.shape[1]

    @property
    def device(self) -> torch.device:
        return self.queries.device

    def own_keys_values(self) -> KeysValues:
        return self.keys, self.values

    def own(self) -> torch.Tensor:
        return self.attend(self.keys, self.values, None) if self.answer is None else self.answer

    def attend(self, keys: torch.Tensor, values: torch.Tensor, bias: LogitBias | None) -> torch.Tensor:
        return self.attention(self.queries, keys, values, bias)

    def behind(self, heads: torch.Tensor) -> torch.Tensor:
        return heads

    def nothing(self) -> torch.Tensor:
        return torch.zeros_like(self.queries[:1, :1])


Entry = BehindModule | BeforeProjection


def of_module(attention: HostAttention, module: nn.Module) -> Attend:
    """The host's attention of a module, before its output projection."""
    return lambda queries, keys, values, bias: attention.heads(module, queries, keys, values, bias)


def of_function(function: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor], heads: int) -> Attend:
    """An attention function of queries, keys and values [rows, n, C'] that knows no bias and scales by the width of a
    head as it gets it."""
    def attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
               bias: LogitBias | None) -> torch.Tensor:
        if bias is None:
            return function(queries, keys, values)
        answer = function(*widened(queries, keys, values, heads, bias))
        return cut(answer, heads, values.shape[-1] // heads)

    return attend
