"""The frames of strips among the images of a batch, as the host saves and shows its own."""

from __future__ import annotations

import torch
from modules import devices, processing

from lib_indetail.run.strips import Frames

_OF_IMAGES = "prompts", "negative_prompts", "seeds", "subseeds"


def show(p, images: list[torch.Tensor], frames: Frames) -> list[torch.Tensor]:
    """Of a batch's decoded images [3, H, W] in 0..1, the first frames of their strips, all frames strip by strip. The
    lists that `p` keeps of its images follow."""
    for name in _OF_IMAGES:
        setattr(p, name, [each for each in getattr(p, name) for _ in frames.ts])
    return [frame for first, others in zip(images, frames.latents[:, 1:], strict=True)
            for frame in (first, *_decoded(p, others))]


def _decoded(p, latents: torch.Tensor) -> list[torch.Tensor]:
    """As the host decodes its own."""
    if not len(latents):
        return []
    decoded = processing.decode_latent_batch(p.sd_model, latents, target_device=devices.cpu, check_for_nans=True)
    return [((each.float() + 1) / 2).clamp(0, 1) for each in decoded]
