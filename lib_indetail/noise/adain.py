"""AdaIN of the initial noise: the image prompt's colours from the first step on (paper, equation 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

EPSILON = 1e-5


def adain(noise: torch.Tensor, reference: torch.Tensor, content: torch.Tensor | None = None) -> torch.Tensor:
    """Give each row and channel of `noise` [n, C, H, W] the mean and deviation of `reference` [1, C, H', W'].

    Both are variance-preserving latents of one noise level. `content` [H', W'] bool says which cells of the
    reference count. Variances are unbiased, with 1e-5 inside the root. One cell alone has no deviation: where either
    side has no more than that, the mean is taken over and nothing else; of a reference without cells, nothing is.
    """
    if content is not None:
        reference = reference[:, :, content.to(reference.device)].unsqueeze(2)
    cells = [latents.shape[-2] * latents.shape[-1] for latents in (noise, reference)]
    if cells[1] == 0:
        return noise
    if min(cells) < 2:
        return noise - noise.mean((2, 3), keepdim=True) + reference.mean((2, 3), keepdim=True)
    mean, deviation = _statistics(noise)
    target_mean, target_deviation = _statistics(reference)
    return (noise - mean) / deviation * target_deviation + target_mean


def blended_adain(noise: torch.Tensor, reference: torch.Tensor, amount: float,
                  content: torch.Tensor | None = None) -> torch.Tensor:
    """lerp(noise, adain(noise), amount); amount 0 gives the very same tensor."""
    if amount == 0:
        return noise
    return torch.lerp(noise, adain(noise, reference, content), amount)


@dataclass(frozen=True, eq=False)
class Tint:
    """One picture's part in the tinting of latents: its latent [1, C, H', W'], how far (0 to 1), which of its cells
    count [H', W'], and where it acts [H, W] (0 to 1; None: everywhere)."""

    reference: torch.Tensor
    amount: float
    content: torch.Tensor | None = None
    put: torch.Tensor | None = None


def tinted(latents: torch.Tensor, tints: Sequence[Tint]) -> torch.Tensor:
    """x + sum_i amount_i m_i (adain_i(x) - x), for latents [n, C, H, W]; without tints the very same tensor."""
    if not tints:
        return latents
    if len(tints) == 1 and tints[0].put is None:
        return blended_adain(latents, tints[0].reference, tints[0].amount, tints[0].content)
    change = 0
    for tint in tints:
        step = tint.amount * (adain(latents, tint.reference, tint.content) - latents)
        change = change + (step if tint.put is None else step * tint.put.to(step))
    return latents + change


def _statistics(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    variance, mean = torch.var_mean(latents, dim=(2, 3), keepdim=True)
    return mean, (variance + EPSILON).sqrt()
