"""Biases in extra channels of every head, since most of the hosts' attention functions know no mask."""

from __future__ import annotations

import math

import torch

from lib_indetail.attention.bias import LogitBias

_WIDENING = 8


def widened(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, heads: int,
            bias: LogitBias) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[rows, n, heads d] each, in heads that are widened to D, so that an attention over them has the bias b:
    q' = [f q sqrt(D/d), sqrt(D) queries], k' = [k, keys], v' = [v, 0].

    Whoever attends divides the logits by sqrt(D), so q'k' / sqrt(D) = f qk / sqrt(d) + b. The extra channels of the
    answer are zero: see `cut`.
    """
    narrow = keys.shape[-1] // heads
    wide = narrow + math.ceil(bias.keys.shape[1] / _WIDENING) * _WIDENING
    extra_keys = _extra(bias.keys, wide - narrow, keys)
    rows = bias.keys.new_ones(queries.shape[1], bias.keys.shape[1]) if bias.queries is None else bias.queries
    extra_queries = _extra(rows, wide - narrow, keys) * wide**0.5
    scaled = queries * (wide / narrow) ** 0.5
    if bias.factor is not None:
        scaled = (scaled.unflatten(-1, (heads, -1)) * bias.factor.transpose(1, 2)[..., None].to(scaled)).flatten(2)
    return (_append(scaled, heads, extra_queries), _append(keys, heads, extra_keys),
            _append(values, heads, torch.zeros_like(extra_keys)))


def cut(x: torch.Tensor, heads: int, width: int) -> torch.Tensor:
    """The first channels of every head of [rows, n, heads D]."""
    return x.reshape(*x.shape[:2], heads, -1)[..., :width].reshape(*x.shape[:2], -1)


def _extra(channels: torch.Tensor, width: int, like: torch.Tensor) -> torch.Tensor:
    padded = torch.zeros(*channels.shape[:-1], width, dtype=like.dtype, device=like.device)
    padded[..., :channels.shape[-1]] = channels.to(like)
    return padded


def _append(x: torch.Tensor, heads: int, extra: torch.Tensor) -> torch.Tensor:
    """[rows, n, heads * d] and [n, e], or [rows, heads, n, e] -> [rows, n, heads * (d + e)]."""
    rows, n, _ = x.shape
    split = x.view(rows, n, heads, -1)
    each = extra[None, :, None] if extra.ndim == 2 else extra.transpose(1, 2)
    return torch.cat([split, each.to(x.dtype).expand(rows, n, heads, -1)], -1).reshape(rows, n, -1)
