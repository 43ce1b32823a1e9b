"""The judge of the measurements: names shape and pattern of a picture, and measures its colours."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from embedded.pictures import PATTERNS, SHAPES


class Judge(nn.Module):
    """A small convolutional classifier with two heads. Pictures are [n, 3, 128, 128] in -1..1."""

    def __init__(self, width: int = 32):
        super().__init__()
        widths = [3, width, 2 * width, 3 * width, 4 * width]
        self.trunk = nn.Sequential(*(layer for a, b in pairwise(widths) for layer in (
            nn.Conv2d(a, b, 3, stride=2, padding=1), nn.GroupNorm(8, b), nn.SiLU(),
            nn.Conv2d(b, b, 3, padding=1, groups=8), nn.GroupNorm(8, b), nn.SiLU())))
        self.shape = nn.Linear(8 * widths[-1], len(SHAPES))
        self.pattern = nn.Linear(8 * widths[-1], len(PATTERNS))

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits over shapes and patterns."""
        h = self.trunk(pictures)
        pooled = torch.cat([F.adaptive_avg_pool2d(h, 2).flatten(1), F.adaptive_max_pool2d(h, 2).flatten(1)], 1)
        return self.shape(pooled), self.pattern(pooled)


def inside_colour(pictures: torch.Tensor, threshold: float = 0.2) -> torch.Tensor:
    """Mean colour of what is not background, [n, 3] in 0..1."""
    inside = is_inside(pictures, threshold)
    return (_in_unit(pictures) * inside).sum((2, 3)) / inside.sum((2, 3)).clamp_min(1)


def is_inside(pictures: torch.Tensor, threshold: float = 0.2) -> torch.Tensor:
    """1 where there is no background, [n, 1, H, W]; the background is the border's median colour."""
    x = _in_unit(pictures)
    border = torch.cat([x[..., :4, :].flatten(2), x[..., -4:, :].flatten(2)], -1)
    distance = (x - border.median(-1).values[..., None, None]).norm(dim=1, keepdim=True)
    return (distance > threshold).float()


def _in_unit(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.add(1).div(2).clamp(0, 1)
