"""What pictures are put together from, as tensors on one device: tiles of material, silhouettes, and their names.

Photographed tiles and silhouettes lie in this folder, with their sources and licences. The drawn shapes and patterns of
`embedded.pictures` are further silhouettes and tiles.
"""

from __future__ import annotations

import colorsys
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from embedded.pictures import PATTERNS, SHAPES, Item, Material, pattern_ink, shape_mask

HERE = Path(__file__).resolve().parent
SIDE = 256
DRAWN_COLOURS = 6
"""Tiles that are drawn of each pattern."""
GRAIN = 12
"""Pixels that a material's grain shall have at least in a picture of SIDE."""
CUSHION = 0.09
"""How far from its edge a shape is rounded, as a share of the side."""


@dataclass(frozen=True, eq=False)
class Stock:
    """`tiles` [T, 3, SIDE, SIDE] in 0..1 with their `names`, `families` and `grain` [T] in pixels; `unseen` [T] says
    which families are held out. `masks` and `heights` [S, 1, SIDE, SIDE] in 0..1 are the silhouettes called `shapes`,
    and how high they stand as cushions."""

    tiles: torch.Tensor
    names: tuple[str, ...]
    families: tuple[str, ...]
    unseen: torch.Tensor
    grain: torch.Tensor
    masks: torch.Tensor
    heights: torch.Tensor
    shapes: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        return self.tiles.device

    def family_numbers(self) -> torch.Tensor:
        """[T]: tiles of a family have the same number."""
        known = {family: number for number, family in enumerate(dict.fromkeys(self.families))}
        return torch.tensor([known[family] for family in self.families], device=self.device)


def load(device: torch.device, folder: Path = HERE) -> Stock:
    """All of it. Raises FileNotFoundError where the tiles are not."""
    rows = _rows(folder / "tiles.csv")
    unseen = {line.strip() for line in (folder / "held_out.txt").read_text(encoding="utf-8").splitlines()
              if line.strip() and not line.startswith("#")}
    photographed = torch.stack([_picture(folder / "tiles" / f"{row['name']}.webp") for row in rows])
    drawn, drawn_names = drawn_tiles()
    tiles = torch.cat([photographed, drawn]).to(device)
    masks, shapes = silhouettes(folder)
    masks = masks.to(device)
    names = (*(row["name"] for row in rows), *drawn_names)
    families = (*(row["family"] for row in rows), *(name.partition(" ")[0] for name in drawn_names))
    return Stock(tiles, names, families, torch.tensor([each in unseen for each in families], device=device),
                 grain_of(tiles), masks, cushions(masks), shapes)


def silhouettes(folder: Path = HERE) -> tuple[torch.Tensor, tuple[str, ...]]:
    """[S, 1, SIDE, SIDE] in 0..1, and their names: of the files first, then the drawn ones that no file has."""
    rows = _rows(folder / "silhouettes.csv")
    masks = [np.asarray(Image.open(folder / "silhouettes" / f"{row['name'].replace(' ', '-')}.png").convert("L"),
                        np.float32) / 255 for row in rows]
    names = [row["name"] for row in rows]
    for shape in SHAPES:
        if shape not in names:
            names.append(shape)
            masks.append(shape_mask(Item(shape, (SIDE / 2, SIDE / 2), 0.4 * SIDE, 0.0), SIDE))
    return torch.from_numpy(np.stack(masks))[:, None], tuple(names)


def drawn_tiles() -> tuple[torch.Tensor, tuple[str, ...]]:
    """Every drawn pattern in some pairs of colours, [n, 3, SIDE, SIDE] in 0..1; a tile is called "dotted 3"."""
    rng = np.random.default_rng(20261128)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) - SIDE / 2
    tiles, names = [], []
    for pattern in PATTERNS:
        for number in range(DRAWN_COLOURS):
            hue = (number + rng.random()) / DRAWN_COLOURS
            base, ink = (colorsys.hsv_to_rgb((hue + turn) % 1, rng.uniform(0.4, 0.95), rng.uniform(0.35, 0.95))
                         for turn in (0, rng.uniform(0.25, 0.75)))
            material = Material(pattern, base, ink, rng.uniform(14, 30), int(rng.integers(1 << 30)))
            amount = pattern_ink(material, x, y, SIDE / 2)[..., None]
            tiles.append(np.asarray(base) * (1 - amount) + np.asarray(ink) * amount)
            names.append(f"{pattern} {number}")
    return torch.from_numpy(np.stack(tiles).astype(np.float32)).permute(0, 3, 1, 2).contiguous(), tuple(names)


def grain_of(tiles: torch.Tensor) -> torch.Tensor:
    """Pixels of a tile's grain, [T]: half the wavelength of its spectrum's centre of gravity, without the slowest
    waves."""
    grey = tiles.float().mean(1)
    power = torch.fft.rfft2(grey - grey.mean((1, 2), keepdim=True)).abs().square()
    y, x = torch.fft.fftfreq(SIDE, device=tiles.device)[:, None], torch.fft.rfftfreq(SIDE, device=tiles.device)
    frequency = torch.hypot(y, x)
    power = power * (frequency > 2 / SIDE)
    centre = (power * frequency).sum((1, 2)) / power.sum((1, 2)).clamp_min(1e-12)
    return 0.5 / centre.clamp_min(1 / SIDE)


def cushions(masks: torch.Tensor) -> torch.Tensor:
    """Heights that rise from the edge as a quarter of a circle, in sides, smoothed; as `masks`."""
    steps = round(CUSHION * SIDE)
    inside, distance = (masks > 0.5).float(), torch.zeros_like(masks)
    for _ in range(steps):
        distance = distance + inside
        inside = -F.max_pool2d(-inside, 3, stride=1, padding=1)
    share = (distance / steps).clamp(0, 1)
    return blurred((1 - (1 - share).square()).sqrt() * CUSHION, 0.012 * SIDE)


def blurred(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian, [n, C, H, W]; edges are repeated."""
    reach = max(1, round(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=pictures.device) / sigma).square())
    weights = (weights / weights.sum()).to(pictures.dtype)
    channels = pictures.shape[1]
    padded = F.pad(pictures, (reach,) * 4, mode="replicate")
    across = F.conv2d(padded, weights.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(across, weights.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _picture(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255).permute(2, 0, 1)
