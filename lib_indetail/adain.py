"""AdaIN of the initial noise: the image prompt's colours from the first step on (paper, equation 2)."""

from __future__ import annotations

import torch

EPSILON = 1e-5


def adain(noise: torch.Tensor, reference: torch.Tensor, content: torch.Tensor | None = None) -> torch.Tensor:
    """Give each row and channel of `noise` [n, C, H, W] the mean and deviation of `reference` [1, C, H', W'].

    Both are variance-preserving latents of one noise level. `content` [H', W'] bool says which cells of the
    reference count. Variances are unbiased, with 1e-5 inside the root.
    """
    if content is not None:
        reference = reference[:, :, content.to(reference.device)].unsqueeze(2)
    mean, deviation = _statistics(noise)
    target_mean, target_deviation = _statistics(reference)
    return (noise - mean) / deviation * target_deviation + target_mean


def blended_adain(noise: torch.Tensor, reference: torch.Tensor, amount: float,
                  content: torch.Tensor | None = None) -> torch.Tensor:
    """lerp(noise, adain(noise), amount); amount 0 gives the very same tensor."""
    if amount == 0:
        return noise
    return torch.lerp(noise, adain(noise, reference, content), amount)


def _statistics(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    variance, mean = torch.var_mean(latents, dim=(2, 3), keepdim=True)
    return mean, (variance + EPSILON).sqrt()
