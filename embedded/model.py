"""The embedded checkpoint's networks: UNet and VAE in ldm's layout."""

from __future__ import annotations

import contextlib
import io
import sys
import types

import torch
from torch import nn
from torch.nn import functional as F

from embedded.files import UNET, VAE

try:
    import omegaconf  # noqa: F401
except ModuleNotFoundError:  # ldm asks only whether it was given one of its lists
    sys.modules["omegaconf"] = types.ModuleType("omegaconf")
    sys.modules["omegaconf.listconfig"] = types.ModuleType("omegaconf.listconfig")
    sys.modules["omegaconf.listconfig"].ListConfig = type("ListConfig", (list,), {})

with contextlib.redirect_stdout(io.StringIO()):
    from ldm.modules.attention import CrossAttention
    from ldm.modules.diffusionmodules.model import Decoder, Encoder
    from ldm.modules.diffusionmodules.openaimodel import UNetModel
    from ldm.modules.distributions.distributions import DiagonalGaussianDistribution


class SdpaCrossAttention(CrossAttention):
    """ldm's CrossAttention with torch's fused attention, as an optimiser of the WebUI would replace it."""

    def forward(self, x, context=None, mask=None):
        context = x if context is None else context
        rows = x.shape[0]
        q, k, v = (t.view(rows, -1, self.heads, t.shape[-1] // self.heads).transpose(1, 2)
                   for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(rows, x.shape[1], -1))


def use_attention(unet: nn.Module, kind: type[CrossAttention] = SdpaCrossAttention) -> None:
    """Give every attention layer of the UNet this class, hence its forward."""
    for module in unet.modules():
        if isinstance(module, CrossAttention):
            module.__class__ = kind


def build_unet(**changes) -> UNetModel:
    unet = UNetModel(**(UNET | changes))
    use_attention(unet)
    return unet


class AutoencoderKL(nn.Module):
    """ldm's autoencoder: Encoder and Decoder with their two 1x1 convolutions. Pictures are [-1, 1], NCHW."""

    def __init__(self, **changes):
        super().__init__()
        settings = VAE | changes
        z = settings["z_channels"]
        with contextlib.redirect_stdout(io.StringIO()):
            self.encoder = Encoder(**settings)
            self.decoder = Decoder(**settings)
        self.quant_conv = nn.Conv2d(2 * z, 2 * z, 1)
        self.post_quant_conv = nn.Conv2d(z, z, 1)

    def encode(self, pictures: torch.Tensor) -> DiagonalGaussianDistribution:
        return DiagonalGaussianDistribution(self.quant_conv(self.encoder(pictures)))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.post_quant_conv(latents))
