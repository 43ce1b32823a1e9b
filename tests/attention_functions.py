"""Attention functions with the restrictions of the WebUI's optimisers, and one explicit reference."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from embedded.model import CrossAttention, SdpaCrossAttention


def softmax_reference(module, x, terms):
    """sum_j w_j softmax(Q K_j^T / sqrt(d) + b_j) V_j, then the output projection, its bias once.

    terms: (weight, keys, values, bias), bias a number or [query tokens, keys].
    """
    q, total = module.to_q(x), 0
    width = q.shape[-1] // module.heads
    for weight, keys, values, bias in terms:
        heads = []
        for start in range(0, q.shape[-1], width):
            part = slice(start, start + width)
            logits = q[..., part] @ keys[..., part].transpose(1, 2) / width**0.5 + bias
            heads.append(logits.softmax(-1) @ values[..., part])
        total = total + weight * torch.cat(heads, -1)
    projection = module.to_out[0]
    return F.linear(total, projection.weight, projection.bias)


def _heads_first(t, heads):
    """[rows, n, heads * d] -> [rows * heads, n, d]."""
    return t.unflatten(-1, (heads, -1)).transpose(1, 2).flatten(end_dim=1)


class UnpackingAttention(CrossAttention):
    """Like sub-quadratic: no mask, `to_out` unpacked into two, `self.training` read."""

    def forward(self, x, context=None, mask=None, **_):
        assert mask is None, "attention-mask not implemented"
        assert self.training is False
        context = x if context is None else context
        q, k, v = (_heads_first(t, self.heads) for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        out = torch.baddbmm(torch.zeros(()), q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5).softmax(-1) @ v
        out_proj, dropout = self.to_out
        return dropout(out_proj(out.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(start_dim=2)))


class SlicingAttention(CrossAttention):
    """Like Doggettx's: `self.scale` on the keys, queries in slices, results written into a prepared tensor."""

    def forward(self, x, context=None, mask=None, **_):
        assert mask is None
        context = x if context is None else context
        keys = self.to_k(context) * self.scale
        q, k, v = (_heads_first(t, self.heads) for t in (self.to_q(x), keys, self.to_v(context)))
        out = torch.zeros(q.shape[0], q.shape[1], v.shape[2])
        for i in range(0, q.shape[1], 2):
            out[:, i:i + 2] = torch.einsum("bid,bjd->bij", q[:, i:i + 2], k).softmax(-1) @ v
        return self.to_out(out.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(start_dim=2))


class InputWidthAttention(CrossAttention):
    """Like scaled_dot_product: head width from x, keys viewed with x's row count, `to_out` indexed."""

    def forward(self, x, context=None, mask=None, **_):
        rows, _, inner = x.shape
        context = x if context is None else context
        q, k, v = (t.view(rows, -1, self.heads, inner // self.heads).transpose(1, 2)
                   for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.to_out[1](self.to_out[0](out.transpose(1, 2).reshape(rows, -1, inner)))


FUNCTIONS = (CrossAttention, SdpaCrossAttention, UnpackingAttention, SlicingAttention, InputWidthAttention)
