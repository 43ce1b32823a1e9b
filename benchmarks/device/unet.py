"""UNets of Stable Diffusion's shapes with random weights, drawn where they are used. Modules are named as in ldm, so
that the same hooks find them; nothing of ldm is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """`depths` are transformer blocks at each resolution, `middle` in the middle. A head is `head` channels wide, or
    there are `heads` of them. `context` is the text's width, `pooled` that of SDXL's vector (0: none)."""

    channels: int
    multiples: tuple[int, ...]
    depths: tuple[int, ...]
    middle: int
    context: int
    heads: int = 0
    head: int = 0
    pooled: int = 0
    blocks: int = 2


SD15 = Shape(320, (1, 2, 4, 4), (1, 1, 1, 0), 1, 768, heads=8)
SDXL = Shape(320, (1, 2, 4), (0, 2, 10), 10, 2048, head=64, pooled=2816)
TINY = Shape(32, (1, 2), (1, 1), 1, 16, heads=2, pooled=8, blocks=1)


class Norm(nn.GroupNorm):
    """In full precision, as the hosts have it."""

    def __init__(self, channels: int):
        super().__init__(32, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.group_norm(x.float(), 32, self.weight.float(), self.bias.float(), self.eps).to(x.dtype)


class Attention(nn.Module):
    """Fused attention. Keys and values come from `context`, or from x."""

    def __init__(self, width: int, context: int, shape: Shape):
        super().__init__()
        self.heads = shape.heads or width // shape.head
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = (nn.Linear(context, width, bias=False) for _ in range(2))
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Identity())

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None, mask: None = None) -> torch.Tensor:
        context = x if context is None else context
        queries, keys, values = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                                 for part in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out(F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))


class Gated(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.widen, self.narrow = nn.Linear(width, 8 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = self.widen(x).chunk(2, dim=-1)
        return self.narrow(value * F.gelu(gate))


class TransformerBlock(nn.Module):
    def __init__(self, width: int, shape: Shape):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1, self.attn2 = Attention(width, width, shape), Attention(width, shape.context, shape)
        self.ff = Gated(width)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context=context)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    """Tokens are the cells of a feature map."""

    def __init__(self, width: int, depth: int, shape: Shape):
        super().__init__()
        self.norm = Norm(width)
        self.proj_in, self.proj_out = nn.Linear(width, width), nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(width, shape) for _ in range(depth))

    def forward(self, x: torch.Tensor, emb: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        tokens = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        return x + self.proj_out(tokens).transpose(1, 2).reshape(x.shape)


class Residual(nn.Module):
    def __init__(self, before: int, after: int, emb: int):
        super().__init__()
        self.norm1, self.norm2 = Norm(before), Norm(after)
        self.conv1, self.conv2 = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.emb = nn.Linear(emb, after)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: torch.Tensor, emb: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.emb(F.silu(emb))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Downsample(nn.Module):
    """To half the resolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor, emb: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """To twice the resolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, emb: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0))


class Steps(nn.ModuleList):
    """Modules that one feature map goes through."""

    def forward(self, x: torch.Tensor, emb: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        for module in self:
            x = module(x, emb, context)
        return x


class UNet(nn.Module):
    """`dtype` is that of weights and features."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape, width, emb = shape, shape.channels, 4 * shape.channels
        self.time_embed = nn.Sequential(nn.Linear(width, emb), nn.SiLU(), nn.Linear(emb, emb))
        self.label_emb = nn.Linear(shape.pooled, emb) if shape.pooled else None
        self.conv_in = nn.Conv2d(4, width, 3, padding=1)
        self.input_blocks, self.output_blocks = nn.ModuleList(), nn.ModuleList()
        kept, levels = [width], list(enumerate(zip(shape.multiples, shape.depths, strict=True)))
        for level, (multiple, depth) in levels:
            for _ in range(shape.blocks):
                self.input_blocks.append(self._block(width, multiple * shape.channels, depth))
                width = multiple * shape.channels
                kept.append(width)
            if level < len(levels) - 1:
                self.input_blocks.append(Steps([Downsample(width)]))
                kept.append(width)
        self.middle_block = Steps([*self._block(width, width, shape.middle), Residual(width, width, emb)])
        for level, (multiple, depth) in reversed(levels):
            for number in range(shape.blocks + 1):
                block = self._block(width + kept.pop(), multiple * shape.channels, depth)
                width = multiple * shape.channels
                if level and number == shape.blocks:
                    block.append(Upsample(width))
                self.output_blocks.append(block)
        self.out = nn.Sequential(Norm(width), nn.SiLU(), nn.Conv2d(width, 4, 3, padding=1))

    def _block(self, before: int, after: int, depth: int) -> Steps:
        steps = Steps([Residual(before, after, 4 * self.shape.channels)])
        if depth:
            steps.append(Transformer(after, depth, self.shape))
        return steps

    @property
    def dtype(self) -> torch.dtype:
        return self.conv_in.weight.dtype

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor,
                y: torch.Tensor | None = None) -> torch.Tensor:
        """x [n, 4, h, w], timesteps [n], context [n, tokens, D] -> [n, 4, h, w]. Without `y` SDXL's vector is zero."""
        emb = self.time_embed(self._waves(timesteps).to(self.dtype))
        if self.label_emb is not None:
            y = torch.zeros(len(x), self.shape.pooled, device=x.device, dtype=self.dtype) if y is None else y
            emb = emb + self.label_emb(y)
        h = self.conv_in(x)
        kept = [h]
        for block in self.input_blocks:
            h = block(h, emb, context)
            kept.append(h)
        h = self.middle_block(h, emb, context)
        for block in self.output_blocks:
            h = block(torch.cat([h, kept.pop()], dim=1), emb, context)
        return self.out(h)

    def _waves(self, timesteps: torch.Tensor) -> torch.Tensor:
        half = self.shape.channels // 2
        rates = torch.exp(-math.log(10000) / half * torch.arange(half, device=timesteps.device, dtype=torch.float32))
        angles = timesteps.float()[:, None] * rates
        return torch.cat([angles.cos(), angles.sin()], dim=-1)


def random_unet(shape: Shape, device: torch.device, dtype: torch.dtype) -> UNet:
    """With weights that keep the size of what goes through; branches that are added are drawn smaller."""
    torch.manual_seed(0)
    with torch.device(device):
        default = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            unet = UNet(shape)
        finally:
            torch.set_default_dtype(default)
    for name, module in unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            added = name.endswith(("proj_out", "conv2", "narrow", "to_out.0"))
            nn.init.normal_(module.weight, std=(0.3 if added else 1.0) * module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return unet.eval().requires_grad_(False)
