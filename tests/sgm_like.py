"""A small UNet with the calling conventions of sgm's (SDXL), which are not ldm's."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tests.small import draw_weights

WIDTH, CONTEXT, VECTOR = 32, 32, 6


class CrossAttention(nn.Module):
    """sgm's signature; needs `backend` on self, as sgm's does."""

    def __init__(self, query_dim, context_dim=None, heads=4):
        super().__init__()
        self.heads, self.scale, self.backend = heads, (query_dim // heads) ** -0.5, None
        self.to_q = nn.Linear(query_dim, query_dim, bias=False)
        self.to_k, self.to_v = (nn.Linear(context_dim or query_dim, query_dim, bias=False) for _ in "kv")
        self.to_out = nn.Sequential(nn.Linear(query_dim, query_dim), nn.Dropout(0.0))

    def forward(self, x, context=None, mask=None, additional_tokens=None, n_times_crossframe_attn_in_self=0):
        assert mask is None and additional_tokens is None and not n_times_crossframe_attn_in_self
        assert self.backend is None
        context = x if context is None else context
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class BasicTransformerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.disable_self_attn = False
        self.attn1, self.attn2 = CrossAttention(WIDTH), CrossAttention(WIDTH, CONTEXT)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x, context=None, additional_tokens=None, n_times_crossframe_attn_in_self=0):
        x = self.attn1(self.norm1(x), context=context if self.disable_self_attn else None,
                       additional_tokens=additional_tokens,
                       n_times_crossframe_attn_in_self=0 if self.disable_self_attn
                       else n_times_crossframe_attn_in_self) + x
        return self.attn2(self.norm2(x), context=context, additional_tokens=additional_tokens) + x


class SpatialTransformer(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.norm = nn.GroupNorm(8, WIDTH)
        self.transformer_blocks = nn.ModuleList(BasicTransformerBlock() for _ in range(depth))

    def forward(self, x, context=None):
        rows, channels, height, width = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, context=context)
        return x + tokens.transpose(1, 2).reshape(rows, channels, height, width)


class UNetModel(nn.Module):
    """forward(x, timesteps, context, y), as sgm.modules.diffusionmodules.openaimodel.UNetModel."""

    def __init__(self):
        super().__init__()
        self.time, self.label = nn.Linear(1, WIDTH), nn.Linear(VECTOR, WIDTH)
        self.input_blocks = nn.ModuleList([nn.Conv2d(4, WIDTH, 3, padding=1), SpatialTransformer(1)])
        self.middle_block = nn.ModuleList([SpatialTransformer(2)])
        self.output_blocks = nn.ModuleList([SpatialTransformer(2), SpatialTransformer(1)])
        self.out = nn.Sequential(nn.GroupNorm(8, WIDTH), nn.Conv2d(WIDTH, 4, 3, padding=1))

    def forward(self, x, timesteps=None, context=None, y=None, **kwargs):
        assert y is not None and y.shape[0] == x.shape[0], "must specify y"
        embedding = self.time(timesteps.float().view(-1, 1) / 1000) + self.label(y)
        h = self.input_blocks[0](x) + embedding[:, :, None, None]
        for block in (self.input_blocks[1], *self.middle_block, *self.output_blocks):
            h = block(h, context)
        return self.out(h)


def sgm_unet() -> UNetModel:
    return draw_weights(UNetModel())


def vector(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(1, VECTOR, generator=torch.Generator().manual_seed(seed)).expand(rows, -1)
