"""Which tokens of a picture count, at every resolution of a model."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from lib_indetail.attention.per_layer import PerLayer
from lib_indetail.attention.sites import Tokens
from lib_indetail.noise.mask import Mask


def per_token(mask: Mask) -> PerLayer[torch.Tensor]:
    """Of a hard mask what `token_mask` gives, of another what `token_means` gives."""
    return token_mask(mask.values > 0) if mask.hard else token_means(mask.values)


def token_mask(content: torch.Tensor) -> PerLayer[torch.Tensor]:
    """From the latent's mask [h, w] bool to a function of a site's tokens, giving [tokens] bool.

    A token counts if at least half of its cells do; where none would, the fullest ones. Tokens of a text all count, and
    so do tokens of which nobody knows where they lie (another extension has merged them).
    """
    def mask(tokens: Tokens) -> torch.Tensor:
        if tokens.grid is None:
            return torch.ones(tokens.count, dtype=torch.bool)
        share = F.adaptive_avg_pool2d(content[None, None].float(), tokens.grid).flatten()
        return _behind_text(share >= min(0.5, float(share.max())), tokens)

    return PerLayer.pooled(mask)


def token_means(mask: torch.Tensor) -> PerLayer[torch.Tensor]:
    """From a mask [h, w] of numbers in 0..1, at the latent's size or finer, to a function of a site's tokens, giving
    the mean over each token's cells, [tokens]; 1 for tokens of a text. Where nobody knows where they lie, the mask's
    mean stands for all."""
    def shares(tokens: Tokens) -> torch.Tensor:
        if tokens.grid is None:
            return mask.float().mean().expand(tokens.count)
        pooled = F.adaptive_avg_pool2d(mask[None, None].float(), tokens.grid).flatten().clamp(0, 1)
        return _behind_text(pooled, tokens)

    return PerLayer.pooled(shares)


def _behind_text(values: torch.Tensor, tokens: Tokens) -> torch.Tensor:
    return torch.cat([values.new_ones(tokens.lead), values]) if tokens.lead else values
