"""Attention itself belongs to the host: this runs the host's own function with keys and values of our choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lib_indetail.attention.bias import LogitBias
from lib_indetail.attention.widened import cut, widened


class HostAttention:
    """Runs `type(module).forward`, whatever function the host has put there, on given keys and values.

    A host that transforms contexts on their way to keys and values (hypernetworks) overrides `keys_values`.
    """

    HARMLESS = ("transformer_options",)
    """Keywords of a layer's call that say nothing about its keys and values."""

    def is_plain(self, given: Mapping[str, Any]) -> bool:
        """Whether a layer's call has no more to it than x and context, by its keywords."""
        return not any(torch.is_tensor(value) or value for name, value in given.items()
                       if name not in ("x", "context", *self.HARMLESS))

    def is_own(self, module: nn.Module) -> bool:
        """Whether the module runs its class's forward, so that each row is answered from that row alone."""
        return "forward" not in vars(module)

    def keys_values(self, module: nn.Module, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The module's own keys and values of `context` [rows, tokens, C]."""
        return module.to_k(context), module.to_v(context)

    def project(self, module: nn.Module, heads: torch.Tensor) -> torch.Tensor:
        """The module's output projection."""
        return module.to_out(heads)

    def attend(self, module: nn.Module, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
               bias: LogitBias | None = None) -> torch.Tensor:
        """softmax(Q K^T / sqrt(d) + b) V after the output projection, [rows, tokens, C].

        Queries are the module's own of `x` [rows, tokens, C]; keys and values are [rows, keys, C'].
        A bias travels in extra channels of every head, since most of the hosts' functions know no mask.
        """
        if bias is None:
            return type(module).forward(_StandIn(module, to_k=lambda _: keys, to_v=lambda _: values), x, context=x)
        return _widened(module, module.to_q(x), keys, values, bias, module.to_out)

    def heads(self, module: nn.Module, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
              bias: LogitBias | None = None) -> torch.Tensor:
        """The same for given queries [rows, tokens, C'], and before the output projection."""
        if bias is not None:
            return _widened(module, queries, keys, values, bias, _UNPROJECTED)
        stand_in = _StandIn(module, to_q=lambda _: queries, to_k=lambda _: keys, to_v=lambda _: values,
                            to_out=_UNPROJECTED)
        return type(module).forward(stand_in, queries, context=queries)


class _StandIn:
    """A module for the length of one call: some attributes are ours, all others the module's."""

    def __init__(self, module: nn.Module, **changes):
        self.__dict__.update(changes, _module=module)

    def __getattr__(self, name: str):
        return getattr(self._module, name)


def _widened(module: nn.Module, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
             bias: LogitBias, to_out) -> torch.Tensor:
    """Attention with a bias, in heads of d channels that are widened to D. The host is given the wide queries for x as
    well, since some functions read the width of a head from x."""
    heads, narrow = module.heads, keys.shape[-1] // module.heads
    wide_queries, wide_keys, wide_values = widened(queries, keys, values, heads, bias)
    stand_in = _StandIn(module, to_q=lambda _: wide_queries, to_k=lambda _: wide_keys, to_v=lambda _: wide_values,
                        scale=(wide_keys.shape[-1] // heads)**-0.5, to_out=_CutThenProject(to_out, heads, narrow))
    return type(module).forward(stand_in, wide_queries, context=wide_queries)


class _CutThenProject:
    """to_out for widened heads. Hosts call it, index it, or unpack it into projection and dropout."""

    def __init__(self, to_out, heads: int, width: int):
        self._to_out, self._heads, self._width = to_out, heads, width

    def _cut(self, x: torch.Tensor) -> torch.Tensor:
        return cut(x, self._heads, self._width)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._to_out(self._cut(x))

    def __getitem__(self, index: int):
        projection, dropout = self._to_out
        return (lambda x: projection(self._cut(x)), dropout)[index]


class _Unprojected:
    """to_out that leaves heads as they are, for every way in which hosts use it."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def __iter__(self):
        return iter((self, self))

    def __getitem__(self, index: int) -> _Unprojected:
        return self


_UNPROJECTED = _Unprojected()
