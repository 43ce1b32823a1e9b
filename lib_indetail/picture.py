"""Pictures as people have them, made into what a model takes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError

from lib_indetail.errors import BadPicture

MAX_PIXELS = 100_000_000
Converted = TypeVar("Converted")
_DATA_URI = re.compile(r"data:[\w./+-]*;base64,", re.IGNORECASE)


def open_picture(path: str | Path) -> Image.Image:
    """An RGB picture from a file: upright, first frame, transparency on white. Raises BadPicture."""
    return flattened(open_upright(path))


def open_upright(path: str | Path) -> Image.Image:
    """The same with its transparency, RGBA, if it has any. Raises BadPicture."""
    path = Path(path)
    if not path.is_file():
        raise BadPicture(f"There is no picture at {path}.")
    return _read(path, str(path), upright)


def decoded_picture(text: str) -> Image.Image:
    """The same from base64, bare or as a data URI. Raises BadPicture."""
    return decoded(text, upright_rgb)


def decoded(text: str, convert: Callable[[Image.Image], Converted]) -> Converted:
    """What `convert` makes of a picture in base64, bare or as a data URI. Raises BadPicture."""
    bare = "".join(_DATA_URI.sub("", text.strip(), count=1).split())
    try:
        data = base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError):
        raise BadPicture("The image must be a picture as base64 or as a data URI; addresses and paths are not "
                         "read.") from None
    if not data:
        raise BadPicture("The image is empty.")
    return _read(io.BytesIO(data), "The image", convert)


def data_uri(picture: Image.Image) -> str:
    """The picture as text, exact: PNG in base64, as `decoded` takes it."""
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def _read(source: Path | io.BytesIO, name: str, convert: Callable[[Image.Image], Converted]) -> Converted:
    try:
        with Image.open(source) as picture:
            _refuse_huge(picture, name)
            picture.load()
            return convert(picture)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise BadPicture(f"{name} is not a picture that can be read.") from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, BadPicture):
            raise
        raise BadPicture(f"{name} is broken: {error}.") from None


def _refuse_huge(picture: Image.Image, name: str) -> None:
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise BadPicture(f"{name} has {pixels / 1e6:.0f} megapixels; at most {MAX_PIXELS / 1e6:.0f} are taken.")


def upright_rgb(picture: Image.Image) -> Image.Image:
    """RGB with the camera's rotation applied, 16-bit values scaled to 8, transparency on white. Raises BadPicture."""
    return flattened(_upright(picture))


def upright(picture: Image.Image) -> Image.Image:
    """The same with its transparency, RGBA, if it may have any. It has no marks to be turned by once more. Raises
    BadPicture."""
    turned = _upright(picture)
    result = turned.convert("RGBA" if _may_be_transparent(turned) else "RGB")
    result.info.clear()
    return result


def upright_grey(picture: Image.Image) -> Image.Image:
    """Grey of 8 bits, transparent parts black. Raises BadPicture."""
    return flattened(_upright(picture), "black").convert("L")


def upright_alpha(picture: Image.Image) -> Image.Image | None:
    """How opaque a picture is, grey of 8 bits; None if it is so everywhere."""
    if not _may_be_transparent(picture):
        return None
    alpha = _upright(picture).convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == 255 else alpha


def _upright(picture: Image.Image) -> Image.Image:
    _refuse_huge(picture, "The picture")
    turned_while_loading = picture.format == "TIFF"
    return _eight_bit(picture if turned_while_loading else ImageOps.exif_transpose(picture))


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Grey of more than 8 bits scaled, where Pillow itself would clip."""
    if picture.mode != "I" and not picture.mode.startswith("I;16"):
        return picture
    values = np.asarray(picture).astype(np.float64)
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    return Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8))


def picture_hash(picture: Image.Image) -> str:
    """Twelve hex digits that name an RGB picture by its pixels, whatever file they came from."""
    return hashlib.sha256(f"{picture.size} ".encode() + picture.tobytes()).hexdigest()[:12]


def flattened(picture: Image.Image, background: str = "white") -> Image.Image:
    """RGB, with transparent parts on a plain background."""
    if _may_be_transparent(picture):
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, background), picture).convert("RGB")
    return picture.convert("RGB")


def _may_be_transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info


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


def reading_mask(placed: Placed, take: Placed | None, factor: int = 8) -> torch.Tensor | None:
    """Which latent cells of a placed picture may be read, [h, w]: bool where only padding is left out, numbers in 0..1
    with a reference mask that was placed in the same way; None for all."""
    content = placed.content(factor)
    if take is None:
        return content
    mask = cell_means(take.picture, factor)
    return mask if content is None else mask * content


def cell_means(mask: Image.Image, factor: int = 8) -> torch.Tensor:
    """Of a grey picture [H / factor, W / factor] in 0..1."""
    values = torch.from_numpy(np.array(mask, np.float32))[None, None] / 255
    return torch.nn.functional.avg_pool2d(values, factor)[0, 0]


Part = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as fractions of its sides."""


def part_of(picture: Image.Image, part: Part | None) -> Image.Image:
    """The picture itself without one; at least one pixel."""
    if part is None:
        return picture
    left, top = (min(int(start * side), side - 1) for start, side in zip(part[:2], picture.size))
    right, bottom = (max(round(end * side), first + 1)
                     for end, side, first in zip(part[2:], picture.size, (left, top)))
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


def picture_tensor(picture: Image.Image) -> torch.Tensor:
    """[1, 3, H, W] in -1..1."""
    values = torch.from_numpy(np.array(picture, np.float32))
    return values.permute(2, 0, 1)[None] / 127.5 - 1


def tensor_picture(tensor: torch.Tensor) -> Image.Image:
    """The picture of [3, H, W] in -1..1."""
    values = tensor.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())
