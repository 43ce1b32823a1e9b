"""A silhouette of a material, lit as a cushion, before a plain background: many at a time, on the stock's device.

What is drawn by lot is drawn on the CPU, so that a seed gives the same pictures everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from embedded.materials.stock import GRAIN, SIDE, Stock, blurred

PLAIN = 0.8
"""Share of plain backgrounds; the others are a second material, out of focus."""
CONTRAST = 0.22
"""By how much a background differs at least from the shape's mean colour, in one channel."""
ZOOMS = (48.0, 220.0)
"""How many pixels of a tile fill the side of a picture: a coarse material may be shown smaller."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """`pictures` [n, 3, SIDE, SIDE] in 0..1, `inside` [n, 1, SIDE, SIDE] in 0..1, and what they show, [n] each: numbers
    of tiles and of silhouettes in the stock; of a second silhouette too, or -1."""

    pictures: torch.Tensor
    inside: torch.Tensor
    tiles: torch.Tensor
    shapes: torch.Tensor
    others: torch.Tensor


def draw(stock: Stock, tiles: torch.Tensor, shapes: torch.Tensor, lot: torch.Generator,
         others: torch.Tensor | None = None, plain: float = PLAIN) -> Drawn:
    """One picture for each of the [n] tiles and silhouettes. Where `others` [n] is not -1 a second silhouette of the
    same material stands beside the first."""
    count, device = len(tiles), stock.device
    others = torch.full((count,), -1) if others is None else others
    two = (others >= 0)[:, None, None, None].to(device)
    tiles, shapes = tiles.to(device), shapes.to(device)
    tint = _tints(count, lot).to(device)
    inside, height = _placed(stock, shapes, _placements(count, lot, others >= 0, -1.0))
    body = (_material(stock, tiles, lot) * tint).clamp(0, 1)
    if two.any():
        beside, higher = _placed(stock, others.clamp_min(0).to(device), _placements(count, lot, others >= 0, 1.0))
        beside, higher = beside * two, higher * two
        body = torch.where(beside > inside, (_material(stock, tiles, lot) * tint).clamp(0, 1), body)
        inside, height = torch.maximum(inside, beside), torch.maximum(height, higher)
    mean = (body * inside).sum((2, 3)) / inside.sum((2, 3)).clamp_min(1)
    back = _plain_backgrounds(mean, lot)
    second = torch.rand(count, generator=lot) >= plain
    if second.any():
        at = second.nonzero().flatten().to(device)
        back[at] = _second_material(stock, mean[at], lot)
    light = _lights(count, lot).to(device)
    lit = _lit(body, height, light, lot)
    back = back * (1 - 0.45 * _shadow(inside, light, lot))
    return Drawn((back * (1 - inside) + lit * inside).clamp(0, 1), inside, tiles, shapes, others.to(device))


def _uniform(count: int, low: float, high: float, lot: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=lot)


def _placed(stock: Stock, shapes: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks and heights of [n] silhouettes, [n, 1, SIDE, SIDE] each."""
    grid = grid.to(stock.device)
    return tuple(F.grid_sample(part[shapes], grid, align_corners=False) for part in (stock.masks, stock.heights))


def _placements(count: int, lot: torch.Generator, small: torch.Tensor, side: float) -> torch.Tensor:
    """Turned a little, mirrored or not, scaled and moved: where each pixel lies in a silhouette, [n, SIDE, SIDE, 2].
    Where they are `small` [n], they stand on one `side`: left at -1, right at 1."""
    shrunk = torch.where(small, 0.52, 1.0)
    turn, scale = _uniform(count, -0.14, 0.14, lot), 1 / (shrunk * _uniform(count, 0.78, 0.95, lot))
    mirrored = 1 - 2 * (torch.rand(count, generator=lot) < 0.5).float()
    across = _uniform(count, -0.06, 0.06, lot) - small * side * 0.46
    down = _uniform(count, -0.06, 0.06, lot) * torch.where(small, 4.0, 1.0)
    cos, sin = turn.cos() * scale, turn.sin() * scale
    linear = torch.stack([torch.stack([cos * mirrored, -sin * mirrored], 1), torch.stack([sin, cos], 1)], 1)
    moved = linear @ torch.stack([across, down], 1)[:, :, None]
    return F.affine_grid(torch.cat([linear, moved], 2), [count, 1, SIDE, SIDE], align_corners=False)


def _material(stock: Stock, tiles: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """A crop of each tile, mirrored or not, [n, 3, SIDE, SIDE]: so large that its grain is seen."""
    count = len(tiles)
    low, high = ZOOMS
    most = (SIDE * stock.grain[tiles].cpu() / GRAIN).clamp(low, high)
    side = low + (most - low) * torch.rand(count, generator=lot)
    share = side / SIDE
    centre = torch.stack([(1 - share) * _uniform(count, -1, 1, lot) for _ in range(2)], 1)
    flip = share * (1 - 2 * (torch.rand(count, generator=lot) < 0.5).float())
    rows = torch.zeros(count, 2, 3)
    rows[:, 0, 0], rows[:, 1, 1], rows[:, :, 2] = flip, share, centre
    grid = F.affine_grid(rows, [count, 3, SIDE, SIDE], align_corners=False).to(stock.device)
    return F.grid_sample(stock.tiles[tiles], grid, mode="bicubic", padding_mode="reflection", align_corners=False)


def _tints(count: int, lot: torch.Generator) -> torch.Tensor:
    """Brightness and colour are not always those of the photograph, [n, 3, 1, 1]."""
    tint = 0.12 * torch.randn(count, 1, generator=lot) + 0.07 * torch.randn(count, 3, generator=lot)
    return tint.exp()[..., None, None]


def _plain_backgrounds(away: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """A colour that differs from `away` [n, 3], with a slight gradient, [n, 3, SIDE, SIDE]."""
    count, device = len(away), away.device
    tries = (_uniform(count * 24, 0.1, 0.95, lot).view(count, 24, 1) + 0.12 * torch.randn(count, 24, 3, generator=lot))
    tries = tries.clamp(0.03, 0.97).to(device)
    far = (tries - away[:, None]).abs().amax(2)
    first = (far > CONTRAST).float().argmax(1)
    first = torch.where((far > CONTRAST).any(1), first, far.argmax(1))
    colour = tries[torch.arange(count, device=device), first]
    direction = _uniform(count, -math.pi, math.pi, lot)
    ramp = torch.linspace(-0.5, 0.5, SIDE)
    slope = direction.cos()[:, None, None] * ramp + direction.sin()[:, None, None] * ramp[:, None]
    return (colour[..., None, None] + 0.12 * slope[:, None].to(device)).clamp(0, 1)


def _second_material(stock: Stock, away: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """Another material out of focus, moved in brightness until it differs from `away` [n, 3]."""
    seen = (~stock.unseen).nonzero().flatten().cpu()
    tiles = seen[torch.randint(len(seen), (len(away),), generator=lot)].to(stock.device)
    back = blurred(_material(stock, tiles, lot), SIDE / 128 * 0.8)
    mean = back.mean((2, 3))
    towards = torch.where(away.mean(1) > 0.5, -1.0, 1.0)
    lacking = (CONTRAST + 0.05 - towards * (mean.mean(1) - away.mean(1))).clamp_min(0)
    return (back + (towards * lacking)[:, None, None, None]).clamp(0.02, 0.98)


def _lights(count: int, lot: torch.Generator) -> torch.Tensor:
    """Directions from above, [n, 2], y down."""
    angle = _uniform(count, -2.6, -0.5, lot)
    return torch.stack([angle.cos(), angle.sin()], 1)


def _lit(body: torch.Tensor, height: torch.Tensor, light: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """The material on the cushion's slopes, now and then with gloss."""
    padded = F.pad(height * SIDE, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    facing = (-across * light[:, 0, None, None, None] - down * light[:, 1, None, None, None] + 1.1) / (
        across.square() + down.square() + 1).sqrt() / 1.1
    gloss = torch.tensor([0.0, 0.0, 0.12, 0.3])[torch.randint(4, (len(body),), generator=lot)].to(body.device)
    shine = gloss[:, None, None, None] * (4 * (facing - 0.97)).clamp(0, 1)
    return (body * (0.62 + 0.42 * facing).clamp(0.3, 1.35) + shine).clamp(0, 1)


def _shadow(inside: torch.Tensor, light: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """Soft, on the side that the light does not come from."""
    count = len(inside)
    off = 2 * _uniform(count, 0.015, 0.04, lot).to(inside.device)[:, None] * light
    rows = torch.eye(2, 3, device=inside.device).repeat(count, 1, 1)
    rows[:, :, 2] = off
    moved = F.grid_sample(inside, F.affine_grid(rows, list(inside.shape), align_corners=False), align_corners=False)
    return blurred(moved, 0.02 * SIDE)
