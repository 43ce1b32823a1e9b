"""A small ControlNet in the key layout of the ControlNet extension's SD1.5 models."""

from __future__ import annotations

import torch
from ldm.modules.diffusionmodules.openaimodel import TimestepEmbedSequential
from ldm.modules.diffusionmodules.util import timestep_embedding
from torch import nn

from embedded.files import UNET
from embedded.model import build_unet

_HINT_WIDTHS = ((3, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 96, 2), (96, 96, 1), (96, 256, 2))


def _zero(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class ControlNet(nn.Module):
    """The UNet's encoder once more, fed with a hint picture; its outputs are added to the UNet's own.

    `forward(x, hint, timesteps, context)` gives one residual per encoder block and one for the middle block,
    each [rows, channels, height, width]; `hint` is [rows or 1, 3, 8 h, 8 w] in 0..1.
    """

    def __init__(self, **changes):
        super().__init__()
        twin = build_unet(**changes)
        self.model_channels = twin.model_channels
        self.time_embed = twin.time_embed
        self.input_blocks = twin.input_blocks
        self.middle_block = twin.middle_block
        self.input_hint_block = _hint_block(self.model_channels)
        widths = _block_widths(UNET | changes)
        self.zero_convs = nn.ModuleList(TimestepEmbedSequential(_zero(nn.Conv2d(w, w, 1))) for w in widths)
        self.middle_block_out = TimestepEmbedSequential(_zero(nn.Conv2d(widths[-1], widths[-1], 1)))

    def forward(self, x, hint, timesteps, context):
        embedding = self.time_embed(timestep_embedding(timesteps, self.model_channels))
        guide = self.input_hint_block(hint, embedding, context)
        residuals, h = [], x
        for index, (block, zero_conv) in enumerate(zip(self.input_blocks, self.zero_convs, strict=True)):
            h = block(h, embedding, context)
            if index == 0:
                h = h + guide
            residuals.append(zero_conv(h, embedding, context))
        h = self.middle_block(h, embedding, context)
        return residuals, self.middle_block_out(h, embedding, context)


def _hint_block(channels: int) -> TimestepEmbedSequential:
    """Eight convolutions down to the latent's size, initialised so that thin lines reach their end: with the usual
    initialisation they fade on the way, and the first thousands of training steps go into amplifying them."""
    layers: list[nn.Module] = []
    for inner, outer, stride in _HINT_WIDTHS:
        layers += [nn.Conv2d(inner, outer, 3, padding=1, stride=stride), nn.SiLU()]
    block = TimestepEmbedSequential(*layers, nn.Conv2d(_HINT_WIDTHS[-1][1], channels, 3, padding=1))
    for layer in block:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=1.3 * (2 / layer.weight[0].numel()) ** 0.5)
            nn.init.zeros_(layer.bias)
    return block


def _block_widths(settings: dict) -> list[int]:
    """Output channels of the UNet's input blocks, in order."""
    channels, widths = settings["model_channels"], [settings["model_channels"]]
    for level, mult in enumerate(settings["channel_mult"]):
        widths += [channels * mult] * settings["num_res_blocks"]
        if level + 1 < len(settings["channel_mult"]):
            widths.append(channels * mult)
    return widths


def add_residuals(unet: nn.Module, x, timesteps, context, residuals, middle) -> torch.Tensor:
    """The UNet's forward with a ControlNet's residuals added to the skip connections and the middle block."""
    embedding = unet.time_embed(timestep_embedding(timesteps, unet.model_channels))
    skips, h = [], x
    for block in unet.input_blocks:
        h = block(h, embedding, context)
        skips.append(h)
    h = unet.middle_block(h, embedding, context) + middle
    for block in unet.output_blocks:
        h = block(torch.cat([h, skips.pop() + residuals[len(skips)]], dim=1), embedding, context)
    return unet.out(h)
