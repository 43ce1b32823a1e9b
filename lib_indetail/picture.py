"""Pictures as people have them, made into what a model takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from lib_indetail.errors import BadPicture


def open_picture(path: str | Path) -> Image.Image:
    """An RGB picture from a file: upright, first frame, transparency on white. Raises BadPicture."""
    path = Path(path)
    if not path.is_file():
        raise BadPicture(f"There is no picture at {path}.")
    try:
        with Image.open(path) as picture:
            picture.load()
            return flattened(ImageOps.exif_transpose(picture))
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise BadPicture(f"{path} is not a picture that can be read.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise BadPicture(f"{path} is broken: {error}.") from None


def flattened(picture: Image.Image, background: str = "white") -> Image.Image:
    """RGB, with transparent parts on a plain background."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, background), picture).convert("RGB")
    return picture.convert("RGB")


def cropped(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Scaled to fill width x height, what sticks out cut off evenly."""
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def picture_tensor(picture: Image.Image) -> torch.Tensor:
    """[1, 3, H, W] in -1..1."""
    values = torch.from_numpy(np.array(picture, np.float32))
    return values.permute(2, 0, 1)[None] / 127.5 - 1


def tensor_picture(tensor: torch.Tensor) -> Image.Image:
    """The picture of [3, H, W] in -1..1."""
    values = tensor.detach().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())
