"""Levels of 8 bits from every mode that Pillow opens, with transparency apart; or a refusal that names the mode."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from lib_indetail.errors import BadPicture

COLOURS: Mapping[str, str] = {
    "1": "L", "L": "L", "LA": "L", "La": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB", "RGBa": "RGB",
    "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB", "CMYK": "CMYK", "LAB": "LAB"}
"""Modes whose levels Pillow itself brings to 8 bits, and the mode of their colours then."""
_DEEP = ("I", "F")
_HAS_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
"""Modes with colours that were multiplied by their transparency, and what they are before that."""


def eight_bit(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours (L, RGB, CMYK or LAB), and how opaque they are (L; None: everywhere). Raises BadPicture."""
    mode = picture.mode
    if mode in _DEEP or mode.startswith("I;16"):
        return _from_numbers(picture)
    if mode not in COLOURS:
        raise BadPicture(f"The image prompt has the mode {mode}, which is not read: save it as RGB.")
    straight = picture.convert(_STRAIGHT[mode]) if mode in _STRAIGHT else picture
    if mode not in _HAS_ALPHA and "transparency" not in picture.info:
        return straight.convert(COLOURS[mode]), None
    opaque = _alpha(straight)
    bare = straight.convert("RGBA").convert("RGB") if COLOURS[mode] == "RGB" else straight.convert(COLOURS[mode])
    return bare, None if opaque.getextrema()[0] == 255 else opaque


def _alpha(picture: Image.Image) -> Image.Image:
    return (picture if picture.mode in ("LA", "RGBA") else picture.convert("RGBA")).getchannel("A")


def _from_numbers(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of whole numbers or fractions: 0 to 1, 0 to 255 or 0 to 65535, told apart by the largest one."""
    values = np.asarray(picture).astype(np.float64)
    grey = Image.fromarray((values * _scale(values, picture.mode)).round().astype(np.uint8))
    clear = picture.info.get("transparency")
    if not isinstance(clear, int | float):
        return grey, None
    opaque = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
    return grey, None if opaque.getextrema()[0] == 255 else opaque


def _scale(values: np.ndarray, mode: str) -> float:
    """What brings the values to 0..255. A range of its own is never taken for the whole one."""
    if not np.isfinite(values).all():
        raise BadPicture(f"The image prompt (mode {mode}) has values that are no numbers (NaN or infinite).")
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < 0 or high > 65535:
        raise BadPicture(f"The image prompt (mode {mode}) has values from {low:g} to {high:g}; 0 to 1, 0 to 255 and 0 "
                         "65535 are read.")
    return 255.0 if high <= 1 else 1.0 if high <= 255 else 1 / 257
