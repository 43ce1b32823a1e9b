"""Which tokens of a picture count, at every resolution of the UNet."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from lib_indetail.attention.per_layer import PerLayer

_LEVELS = 6


def token_mask(content: torch.Tensor) -> PerLayer[torch.Tensor]:
    """From the latent's mask [h, w] bool to a layer's: a function of its token count, giving [tokens] bool.

    A token counts if at least half of its cells do; where none would, the fullest ones. A layer whose tokens do
    not lie on a halved grid (another extension has merged them) keeps all.
    """
    def mask(tokens: int) -> torch.Tensor:
        for size in _grids(*content.shape):
            if size[0] * size[1] == tokens:
                share = F.adaptive_avg_pool2d(content[None, None].float(), size).flatten()
                return share >= min(0.5, float(share.max()))
        return torch.ones(tokens, dtype=torch.bool)

    return PerLayer.pooled(mask)


def token_means(mask: torch.Tensor) -> PerLayer[torch.Tensor]:
    """From a mask [h, w] of numbers in 0..1, at the latent's size or finer, to a layer's: a function of its token
    count, giving the mean over each token's cells, [tokens]. A layer whose tokens do not lie on a halved grid takes the
    mask's mean for all."""
    def shares(tokens: int) -> torch.Tensor:
        for size in _grids(*mask.shape):
            if size[0] * size[1] == tokens:
                return F.adaptive_avg_pool2d(mask[None, None].float(), size).flatten().clamp(0, 1)
        return mask.float().mean().expand(tokens)

    return PerLayer.pooled(shares)


def _grids(height: int, width: int) -> list[tuple[int, int]]:
    """The latent's size and its halvings, as convolutions of stride 2 round them."""
    sizes = [(height, width)]
    for _ in range(_LEVELS - 1):
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return sizes
