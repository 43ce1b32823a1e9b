"""A UNet of SDXL's structure out of ldm's parts: depth 2 where it attends, and a vector beside the text."""

from __future__ import annotations

from pathlib import Path

import torch
from ldm.modules.attention import SpatialTransformer
from ldm.modules.diffusionmodules.util import timestep_embedding
from safetensors.torch import load_file
from torch import nn

from embedded.checkpoint import UNET_PREFIX, LatentDiffusion
from embedded.model import build_unet
from embedded.schedule import alphas_cumprod
from lib_indetail.noise.schedule import NoiseSchedule

VECTOR, EACH_SIZE = 1568, 256
SIZES = dict(image_size=16, model_channels=32, channel_mult=[1, 1, 1], attention_resolutions=[4, 2], num_heads=-1,
             num_head_channels=8, transformer_depth=2, context_dim=[64, 64], use_linear_in_transformer=True)


def sizes_embedded(sizes: torch.Tensor) -> torch.Tensor:
    """[n, 6] -> [n, 6 256]: the picture's sizes as sgm embeds them."""
    return timestep_embedding(sizes.flatten(), EACH_SIZE).view(len(sizes), -1)


class _Deep(SpatialTransformer):
    """One text for all its blocks; ldm wants one for each."""

    def forward(self, x, context=None):
        return super().forward(x, [context] * len(self.transformer_blocks))


def sdxl_model(path: Path) -> LatentDiffusion:
    """The small SDXL of the golden cases, which has no autoencoder."""
    unet = build_unet(**SIZES)
    wide = unet.time_embed[0].out_features
    unet.num_classes = "sequential"
    unet.label_emb = nn.Sequential(nn.Sequential(nn.Linear(VECTOR, wide), nn.SiLU(), nn.Linear(wide, wide)))
    for module in unet.modules():
        if isinstance(module, SpatialTransformer):
            module.__class__ = _Deep
    weights = {key.removeprefix(UNET_PREFIX): value.float() for key, value in load_file(path).items()}
    unet.load_state_dict(weights)
    return LatentDiffusion(unet.eval().requires_grad_(False), None, NoiseSchedule(alphas_cumprod()), 1.0)
