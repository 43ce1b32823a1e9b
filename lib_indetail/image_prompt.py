"""One image prompt as a person gives it: a picture, its settings, and masks for what to take and where to put it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageChops

from lib_indetail.errors import BadPicture
from lib_indetail.picture import decoded, upright_alpha, upright_grey, upright_rgb
from lib_indetail.settings import Settings

NO_PICTURE = "InDetail is on but has no picture: add one, or switch it off."


@dataclass(frozen=True)
class ImagePrompt:
    """`number` is its place among all, from 1. `picture` is RGB. `take` (of the picture's size) and `put` (of the new
    image, any size) are grey: white is all, black nothing; None is white everywhere."""

    number: int
    picture: Image.Image | None
    settings: Settings
    take: Image.Image | None = None
    put: Image.Image | None = None


def image_prompt(number: int, settings: Settings, given: Mapping[str, Any], wanted: bool) -> ImagePrompt:
    """From an image and two masks as the page or the API have them. One that is not `wanted` may lack a picture or have
    a bad one. Raises BadPicture."""
    try:
        picture, alpha = _picture(given["image"])
    except BadPicture:
        if wanted:
            raise
        return ImagePrompt(number, None, settings)
    take = _multiplied(alpha, _mask(given["reference_mask"], "Reference mask", picture), picture.size)
    if wanted and take is not None and take.getextrema()[1] == 0:
        raise BadPicture("The reference mask leaves nothing of the picture: white is what to take.")
    return ImagePrompt(number, picture, settings, take, _mask(given["output_mask"], "Output mask"))


def _picture(image: Any) -> tuple[Image.Image, Image.Image | None]:
    """RGB, and what its transparency leaves."""
    if image is None or image == "":
        raise BadPicture(NO_PICTURE)
    if isinstance(image, str):
        return decoded(image, lambda picture: (upright_rgb(picture), upright_alpha(picture)))
    if isinstance(image, Image.Image):
        return upright_rgb(image), upright_alpha(image)
    raise BadPicture(f"The image must be a picture as base64 or as a data URI, not {type(image).__name__}.")


def _mask(given: Any, label: str, picture: Image.Image | None = None) -> Image.Image | None:
    """Grey; None where it is white everywhere. Of a canvas what was painted; if nothing was, the canvas itself, unless
    it shows the picture, as it does before one paints."""
    if isinstance(given, Mapping):
        paint = painted(given, label)
        if paint is not None:
            return _unless_white(paint)
        given = given.get("image")
        if picture is not None and _are_same(_opened(given, label, upright_rgb), picture):
            return None
    mask = _opened(given, label, upright_grey)
    return mask and _unless_white(mask)


def painted(canvas: Mapping[str, Any], label: str = "The mask") -> Image.Image | None:
    """What was painted on a canvas, grey; None if nothing was. Raises BadPicture."""
    paint = _opened(canvas.get("mask"), label, _paint)
    return paint if paint is not None and paint.getextrema()[1] > 0 else None


def _opened(given: Any, label: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image | None:
    """What `convert` makes of a picture, or of one as text; None without one."""
    if given is None or given == "":
        return None
    if isinstance(given, Image.Image):
        return convert(given)
    if not isinstance(given, str):
        raise BadPicture(f"{label} must be a picture as base64 or as a data URI, not {type(given).__name__}.")
    try:
        return decoded(given, convert)
    except BadPicture as error:
        raise BadPicture(f"{label}: {error}") from error


def _paint(canvas: Image.Image) -> Image.Image:
    """Where a canvas is opaque; if it is so everywhere by its kind, where it is white."""
    return canvas.getchannel("A") if "A" in canvas.getbands() else canvas.convert("L")


def _unless_white(mask: Image.Image) -> Image.Image | None:
    return None if mask.getextrema()[0] == 255 else mask


def _multiplied(alpha: Image.Image | None, mask: Image.Image | None, size: tuple[int, int]) -> Image.Image | None:
    """Both at the picture's size."""
    if mask is not None:
        mask = mask.resize(size, Image.Resampling.BILINEAR)
    if alpha is None or mask is None:
        return mask if alpha is None else alpha
    return ImageChops.multiply(alpha, mask)


def _are_same(a: Image.Image | None, b: Image.Image) -> bool:
    return a is not None and a.size == b.size and a.tobytes() == b.tobytes()
