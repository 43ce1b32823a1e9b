"""Pictures of any shape at the size of a generation, and which latent cells show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps, ImageStat

from lib_indetail.errors import BadPicture
from lib_indetail.noise.mask import Mask


@dataclass(frozen=True, eq=False)
class Placed:
    """A picture at the size of a generation. `box` is the part that shows it, the rest is padding; `lost` is the
    share of the picture's area that was cut off."""

    picture: Image.Image
    box: tuple[int, int, int, int]
    lost: float = 0.0

    def content(self, factor: int = 8) -> torch.Tensor | None:
        """Which cells of factor x factor pixels show the picture, [H / factor, W / factor] bool; None if all do."""
        width, height = self.picture.size
        if self.box == (0, 0, width, height):
            return None
        left, top, right, bottom = self.box
        inside = torch.zeros(1, 1, height, width)
        inside[..., top:bottom, left:right] = 1
        return torch.nn.functional.avg_pool2d(inside, factor)[0, 0] >= 0.5


def reading_mask(placed: Placed, take: Placed | None, factor: int = 8) -> Mask | None:
    """Which latent cells of a placed picture may be read: a hard mask where only padding is left out, a soft one with a
    reference mask that was placed in the same way; None for all. Raises BadPicture where nothing may be."""
    content = placed.content(factor)
    if content is None and take is None:
        return None
    shown = 1.0 if content is None else content.float()
    values = shown if take is None else cell_means(take.picture, factor) * shown
    if not values.any():
        raise BadPicture(_nothing_left(placed, take is not None, factor))
    return Mask(values, hard=take is None)


def _nothing_left(placed: Placed, masked: bool, factor: int) -> str:
    width, height = placed.picture.size
    why = ("its reference mask or its transparency leaves nothing of the part that is shown" if masked else
           f"it is thinner than one cell of {factor} pixels; choose another resize mode")
    return f"Nothing of the image prompt is left to read at {width}x{height}: {why}."


def cell_means(mask: Image.Image, factor: int = 8) -> torch.Tensor:
    """Of a grey picture [H / factor, W / factor] in 0..1."""
    values = torch.from_numpy(np.array(mask, np.float32))[None, None] / 255
    return torch.nn.functional.avg_pool2d(values, factor)[0, 0]


Crop = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as fractions of its sides."""


def part_of(picture: Image.Image, crop: Crop | None) -> Image.Image:
    """The picture itself without one; at least one pixel."""
    if crop is None:
        return picture
    left, top = (min(int(start * side), side - 1) for start, side in zip(crop[:2], picture.size, strict=True))
    right, bottom = (max(round(end * side), first + 1)
                     for end, side, first in zip(crop[2:], picture.size, (left, top), strict=True))
    return picture.crop((left, top, right, bottom))


def placed(picture: Image.Image, width: int, height: int, mode: str = "crop") -> Placed:
    """Bring a picture to width x height: `crop` cuts evenly what sticks out, `stretch` distorts, `fit` pads with
    the picture's mean colour."""
    whole = (0, 0, width, height)
    if mode == "stretch":
        return Placed(picture.resize((width, height), Image.Resampling.LANCZOS), whole)
    if mode == "fit":
        return _fitted(picture, width, height)
    return Placed(cropped(picture, width, height), whole, crop_loss(picture.size, width, height))


def crop_loss(size: tuple[int, int], width: int, height: int) -> float:
    """The share of a picture's area that a crop to width x height cuts off."""
    wanted, given = width / height, size[0] / size[1]
    return 1 - min(wanted, given) / max(wanted, given)


def _fitted(picture: Image.Image, width: int, height: int) -> Placed:
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    mean = tuple(round(value) for value in ImageStat.Stat(picture).mean)
    canvas = Image.new(picture.mode, (width, height), mean if len(mean) > 1 else mean[0])
    canvas.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, top))
    return Placed(canvas, (left, top, left + size[0], top + size[1]))


def cropped(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Scaled to fill width x height, what sticks out cut off evenly."""
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
