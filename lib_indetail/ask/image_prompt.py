"""One image prompt as a person gives it: a picture, its settings, and masks for what to take and where to put it."""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageChops

from lib_indetail.ask.settings import Settings
from lib_indetail.errors import BadPicture
from lib_indetail.pictures.as_seen import AsSeen, as_seen
from lib_indetail.pictures.opening import decoded, opened_text

NO_PICTURE = "InDetail is on but has no image prompt: add one, or switch it off."
CANVAS = {"image", "mask"}
"""What a canvas hands over, in the page and as other programs send it: a picture, and what was painted on it."""


@dataclass(frozen=True)
class ImagePrompt:
    """`number` is its place among all, from 1. `picture` is RGB. `take` (of the picture's size) and `put` (of the new
    image, any size) are grey: white is all, black nothing; None is white everywhere. `notes` say what of the files
    could not be followed."""

    number: int
    picture: Image.Image | None
    settings: Settings
    take: Image.Image | None = None
    put: Image.Image | None = None
    notes: tuple[str, ...] = ()


def image_prompt(number: int, settings: Settings, given: Mapping[str, Any], wanted: bool) -> ImagePrompt:
    """From an image and two masks as the page or the API have them. One that is not `wanted` may lack a picture or have
    a bad one. Raises BadPicture."""
    image, painted_on = _canvas(given["image"])
    try:
        seen = _picture(image)
    except BadPicture:
        if wanted:
            raise
        return ImagePrompt(number, None, settings)
    take = seen.alpha
    for mask in (_mask(given["reference_mask"], "Reference mask", seen.rgb), painted_on):
        take = _multiplied(take, mask, seen.rgb.size)
    if wanted and take is not None and take.getextrema()[1] == 0:
        raise BadPicture("The reference mask leaves nothing of the image prompt: white is what to take.")
    return ImagePrompt(number, seen.rgb, settings, take, _mask(given["output_mask"], "Output mask"), seen.notes)


def is_canvas(given: Any) -> bool:
    return isinstance(given, Mapping) and set(given) == CANVAS


def is_empty(image: Any) -> bool:
    """Whether no picture was given, or a canvas without one."""
    return image is None or image == "" or (is_canvas(image) and is_empty(image["image"]))


def _canvas(image: Any) -> tuple[Any, Image.Image | None]:
    """The picture, and what was painted on it, if it was given so."""
    if not is_canvas(image):
        return image, None
    paint = painted(image, "The image's mask")
    return image["image"], paint and _unless_white(paint)


def _picture(image: Any) -> AsSeen:
    if is_empty(image):
        raise BadPicture(NO_PICTURE)
    if isinstance(image, str):
        return decoded(image)
    if isinstance(image, Image.Image):
        return as_seen(image)
    raise BadPicture(f"The image must be a picture as base64 or as a data URI, not {_described(image)}.")


def _described(value: Any) -> str:
    """What was sent in a picture's place."""
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(repr, value)) or 'nothing in it'}" \
               " (an object has \"image\" and \"mask\", and nothing else)"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return reprlib.repr(value)


def _mask(given: Any, label: str, picture: Image.Image | None = None) -> Image.Image | None:
    """Grey; None where it is white everywhere. Of a canvas what was painted; if nothing was, the canvas itself, unless
    it shows the picture, as it does before one paints."""
    if isinstance(given, Mapping):
        paint = painted(given, label)
        if paint is not None:
            return _unless_white(paint)
    seen = _seen(given.get("image") if isinstance(given, Mapping) else given, label)
    if seen is None or (isinstance(given, Mapping) and picture is not None and _are_same(seen.rgb, picture)):
        return None
    return _unless_white(seen.grey)


def painted(canvas: Mapping[str, Any], label: str = "The mask") -> Image.Image | None:
    """What was painted on a canvas, grey; None if nothing was. Raises BadPicture."""
    given = canvas.get("mask")
    if given is None or given == "":
        return None
    given = given if isinstance(given, Image.Image) else _text(given, label)
    with _labelled(label):
        paint = _paint(given if isinstance(given, Image.Image) else opened_text(given))
    return paint if paint.getextrema()[1] > 0 else None


def _seen(given: Any, label: str) -> AsSeen | None:
    """A picture, or one as text; None without one."""
    if given is None or given == "":
        return None
    given = given if isinstance(given, Image.Image) else _text(given, label)
    with _labelled(label):
        return as_seen(given) if isinstance(given, Image.Image) else decoded(given)


def _text(given: Any, label: str) -> str:
    if not isinstance(given, str):
        raise BadPicture(f"{label} must be a picture as base64 or as a data URI, not {_described(given)}.", value=given)
    return given


@contextlib.contextmanager
def _labelled(label: str) -> Iterator[None]:
    """Says what an error is about."""
    try:
        yield
    except BadPicture as error:
        raise error.of_field(label) from None


def _paint(canvas: Image.Image) -> Image.Image:
    """Where a canvas is opaque; if it is so everywhere by its kind, where it is white."""
    return canvas.getchannel("A") if "A" in canvas.getbands() else as_seen(canvas).grey


def _unless_white(mask: Image.Image) -> Image.Image | None:
    return None if mask.getextrema()[0] == 255 else mask


def _multiplied(alpha: Image.Image | None, mask: Image.Image | None, size: tuple[int, int]) -> Image.Image | None:
    """Both at the picture's size."""
    if mask is not None:
        mask = mask.resize(size, Image.Resampling.BILINEAR)
    if alpha is None or mask is None:
        return mask if alpha is None else alpha
    return ImageChops.multiply(alpha, mask)


def _are_same(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and a.tobytes() == b.tobytes()
