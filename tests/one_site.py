"""Models of one block, as hosts have them, for methods to be tried on: a UNet's self- or cross-attention, and a joint
attention with norms of queries and keys and with rotary positions, whose attention is a function."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

from embedded.model import SdpaCrossAttention
from lib_indetail.attention.entered import BeforeProjection, of_function
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.attention.method import Method
from lib_indetail.attention.sites import Site

UNITS = Path(__file__).parent / "data" / "units"
JOINT = Site("block", "joint")


def units(name: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors in single precision, and what the file says of them."""
    with safe_open(UNITS / f"{name}.safetensors", "pt") as file:
        return {key: file.get_tensor(key).float() for key in file.keys()}, json.loads(file.metadata()["meta"])


class OneBlock(nn.Module):
    """A UNet that runs one attention of a block, attn1 ("self") or attn2 ("cross"). Rows [rows, C, h, w]."""

    def __init__(self, tensors: dict[str, torch.Tensor], kind: str, heads: int):
        super().__init__()
        block, self.kind = nn.Module(), kind
        for name, each in (("attn1", "self"), ("attn2", "cross")):
            weights = {key.removeprefix(f"{each}.").removeprefix("attn."): value for key, value in tensors.items()
                       if key.startswith(f"{each}.") and "to_" in key}
            inner, wide = weights["to_k.weight"].shape
            block.add_module(name, SdpaCrossAttention(inner, wide, heads, inner // heads).eval())
            getattr(block, name).load_state_dict(weights)
        self.output_blocks = nn.ModuleList([block])

    def forward(self, x, timesteps, context=None):
        block, tokens = self.output_blocks[0], x.flatten(2).transpose(1, 2)
        return block.attn1(tokens) if self.kind == "self" else block.attn2(tokens, context=context)


class JointBlock(nn.Module):
    """A transformer that is one attention over text and image, "double" or "single". `attend` is the host's function
    of queries, keys and values [rows, tokens, C'], looked up at every call."""

    def __init__(self, tensors: dict[str, torch.Tensor], kind: str, meta: dict):
        super().__init__()
        self.weights = {name.removeprefix(f"{kind}."): value for name, value in tensors.items()
                        if name.startswith(f"{kind}.")}
        self.double, self.heads = kind == "double", meta["heads"]
        self.axes, self.theta = meta["rope_axes"], meta["theta"]
        self.attend = self.plain

    def forward(self, x, timesteps, context=None):
        text, image = context, x.flatten(2).transpose(1, 2)
        places = self._places(text.shape[1], *x.shape[-2:])
        of_text = ("add_{}_proj", "norm_added_{}") if self.double else ("to_{}", "norm_{}")
        joined = [torch.cat([self._made(text, name, *of_text), self._made(image, name, "to_{}", "norm_{}")], 1)
                  for name in "qkv"]
        answer = self.attend(*(self._turned(each, places) for each in joined[:2]), joined[2])
        if not self.double:
            return answer
        lead = text.shape[1]
        return torch.cat([self._linear(answer[:, :lead], "to_add_out"), self._linear(answer[:, lead:], "to_out.0")], 1)

    def plain(self, queries, keys, values):
        parts = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (queries, keys, values))
        return F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)

    def _linear(self, x, name):
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _made(self, x, name, projection, norm):
        made = self._linear(x, projection.format(name))
        if name == "v":
            return made
        split = made.unflatten(-1, (self.heads, -1))
        scaled = split * (split.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        return (scaled * self.weights[f"{norm.format(name)}.weight"]).flatten(2)

    def _places(self, lead, height, width):
        """[tokens, 3]: a text has none, an image rows and columns."""
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        image = torch.stack([torch.zeros_like(rows), rows, columns], -1).flatten(0, 1)
        return torch.cat([torch.zeros(lead, 3), image.float()])

    def _turned(self, x, places):
        angles = torch.cat([places[:, axis, None] * self.theta ** -(torch.arange(0, width, 2) / width)
                            for axis, width in enumerate(self.axes)], -1)[:, None]
        even, odd = x.unflatten(-1, (self.heads, -1)).unflatten(-1, (-1, 2)).unbind(-1)
        turned = even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()
        return torch.stack(turned, -1).flatten(2)


def answered(block: nn.Module, method: Method, x: torch.Tensor, rows, context=None, branches=None) -> torch.Tensor:
    """One call of rows `x` [rows, C, h, w] with the method at work, at the pass's beginning."""
    joint = isinstance(block, JointBlock)
    with InDetailHooks(block, branches or {}, method, functions=[JOINT] if joint else []) as hooks, torch.no_grad(), \
            hooks.evaluation(1.0, 0.0, rows):
        if joint:
            attention = of_function(block.plain, block.heads)
            block.attend = lambda *made: hooks.at_work.answered(
                JOINT.name, BeforeProjection(block.heads, *made, attention), lead=context.shape[1])
        try:
            return block(x, torch.zeros(len(x)), context=context)
        finally:
            if joint:
                block.attend = block.plain


def on_grid(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """[rows, h w, C] -> [rows, C, h, w]."""
    return tokens.transpose(1, 2).unflatten(2, (height, width))
