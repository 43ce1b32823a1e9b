"""The judge of materials: it names a picture's silhouette, and says how alike two pictures' materials are."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from embedded.materials.composite import draw
from embedded.materials.sampling import Lots
from embedded.materials.stage import Clock, Stage
from embedded.materials.stock import Stock

EMBEDDING = 64
TEMPERATURE = 0.08


class MaterialJudge(nn.Module):
    """Pictures are [n, 3, 256, 256] in -1..1. Gives logits [n, S] over silhouettes, and embeddings [n, EMBEDDING] of
    length 1, whose product says how alike two materials are."""

    def __init__(self, shapes: int, width: int = 24):
        super().__init__()
        widths = (3, width, 2 * width, 3 * width, 4 * width, 5 * width)
        self.trunk = nn.ModuleList(nn.Sequential(
            nn.Conv2d(a, b, 3, stride=2, padding=1), nn.GroupNorm(8, b), nn.SiLU(),
            nn.Conv2d(b, b, 3, padding=1, groups=8), nn.GroupNorm(8, b), nn.SiLU()) for a, b in pairwise(widths))
        self.shape = nn.Linear(8 * widths[-1], shapes)
        self.material = nn.Linear(2 * sum(widths[2:]), EMBEDDING)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen, h = [], pictures
        for layer in self.trunk:
            h = layer(h)
            seen.append(h)
        pooled = torch.cat([F.adaptive_avg_pool2d(h, 2).flatten(1), F.adaptive_max_pool2d(h, 2).flatten(1)], 1)
        inside = inside_mask(pictures)
        statistics = torch.cat([part for layer in seen[1:] for part in _within(layer, inside)], 1)
        return self.shape(pooled), F.normalize(self.material(statistics.to(pooled.dtype)), dim=1)


def inside_mask(pictures: torch.Tensor, threshold: float = 0.2) -> torch.Tensor:
    """What differs from the border's median colour, [n, 1, H, W]: the shape, before a plain background."""
    x = pictures.float().add(1).div(2).clamp(0, 1)
    border = torch.cat([x[..., :6, :].flatten(2), x[..., -6:, :].flatten(2)], -1)
    return ((x - border.median(-1).values[..., None, None]).norm(dim=1, keepdim=True) > threshold).float()


def _within(features: torch.Tensor, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of features [n, C, h, w] where the mask is."""
    weight = F.adaptive_avg_pool2d(inside, features.shape[-2:]) + 1e-4
    weight = weight / weight.sum((2, 3), keepdim=True)
    x = features.float()
    mean = (x * weight).sum((2, 3))
    deviation = ((x - mean[..., None, None]).square() * weight).sum((2, 3)).add(1e-6).sqrt()
    return mean, deviation


def seen_through(batch: int) -> slice:
    """Which of two times `batch` pictures go through the autoencoder: of some pairs the second, and of none both, so
    that its traces are no sign of a material, and a decoded picture is compared with a clean one as `measure` does."""
    return slice(batch, None, 2)


def train(stock: Stock, work: Path, clock: Clock, batch: int, vae: nn.Module) -> MaterialJudge:
    """Silhouettes by name; materials by contrast: two pictures of a tile are alike, those of others are not. A part
    is seen through the autoencoder, as what is measured will be."""
    torch.manual_seed(4)
    judge = MaterialJudge(len(stock.shapes)).to(stock.device)
    stage, lots = Stage("judge", work, {"judge": judge}, clock, rate=1.5e-3), Lots(stock)

    def loss_of(lot: torch.Generator, progress: float) -> dict[str, torch.Tensor]:
        tiles, shapes, others = lots.couples(batch, lot, share=1.0)
        both = torch.cat([shapes, others]).to(stock.device)
        pictures = draw(stock, tiles.repeat(2), both.cpu(), lot, plain=1.0).pictures * 2 - 1
        through = seen_through(batch)
        with torch.no_grad():
            pictures[through] = vae.decode(vae.encode(pictures[through]).mode()).clamp(-1, 1)
        named, material = judge(pictures + 0.03 * torch.randn_like(pictures))
        first, second = material.chunk(2)
        alike = first @ second.T / TEMPERATURE
        same = tiles.to(stock.device)[:, None] == tiles.to(stock.device)[None]
        target = same.float() / same.float().sum(1, keepdim=True)
        contrast = -(target * alike.log_softmax(1)).sum(1).mean() - (target * alike.T.log_softmax(1)).sum(1).mean()
        shape = F.cross_entropy(named, both)
        return {"shape": shape, "material": contrast, "loss": shape + 0.5 * contrast}

    return stage.run(loss_of)["judge"]
