"""Colours as their owner sees them: brought to sRGB from an ICC profile, or from a PNG's gAMA and cHRM chunks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""What a profile's colours are called by ICC, and by Pillow."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""White, red, green and blue of sRGB as x, y each (IEC 61966-2-1)."""
_USUAL_GAMMA, _NEAR = 1 / 2.2, 0.05
_STRIP = 256
BROKEN = "its colour profile cannot be used, so its colours are read as sRGB"


def to_srgb(colours: Image.Image, info: Mapping[str, Any]) -> tuple[Image.Image, str | None]:
    """RGB in sRGB of colours in L, RGB, CMYK or LAB, and a note where a profile cannot be used.

    `info` is what Pillow says of the file. An ICC profile comes first (PNG, third edition, 4.3); one that is broken, or
    of another kind than the colours, is left out. Then a PNG's sRGB chunk, then gAMA with or without cHRM; cHRM alone
    means nothing, as in browsers. sRGB's own pixels stay exactly as they are.
    """
    profile, note = info.get("icc_profile"), None
    if colours.mode == "LAB":
        return _through(colours, ImageCms.createProfile("LAB")), None
    if profile is not None:
        managed = _managed(colours, profile)
        if managed is not None:
            return managed, None
        note = BROKEN
    gamma = info.get("gamma")
    if gamma and gamma > 0 and "srgb" not in info and colours.mode in ("L", "RGB"):
        return _from_gamma(colours, float(gamma), info.get("chromaticity")), note
    return colours.convert("RGB"), note


def _managed(colours: Image.Image, profile: bytes) -> Image.Image | None:
    """None where the profile is broken or does not fit. Grey may have a profile of three colours."""
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ImportError, ValueError, TypeError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _SPACES.get(source.profile.xcolor_space.strip())
        if mode == colours.mode or (mode == "RGB" and colours.mode == "L"):
            return _through(colours.convert(mode), source)
    return None


def _through(colours: Image.Image, profile: Any) -> Image.Image:
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), colours.mode, "RGB",
                                        ImageCms.Intent.RELATIVE_COLORIMETRIC)
    if colours.mode in ("L", "RGB") and _changes_nothing(transform, colours.mode):
        return colours.convert("RGB")
    return ImageCms.applyTransform(colours, transform)


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether it moves no colour by more than the rounding of 8 bits: a profile of sRGB itself."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = levels[None] if mode == "L" else np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    before = Image.fromarray(grid)
    after = np.asarray(ImageCms.applyTransform(before, transform), np.int16)
    return int(np.abs(after - np.asarray(before.convert("RGB"), np.int16)).max()) <= 1


def _from_gamma(colours: Image.Image, gamma: float, chromaticity: tuple[float, ...] | None) -> Image.Image:
    """A PNG's own description: linear light is value ^ (1 / gamma), its primaries and white are `chromaticity`. The
    usual gamma alone, within a twentieth, means sRGB, as browsers take it."""
    if chromaticity is None and abs(gamma / _USUAL_GAMMA - 1) < _NEAR:
        return colours.convert("RGB")
    linear = (np.arange(256) / 255) ** (1 / gamma)
    matrix = None
    if chromaticity is not None and colours.mode == "RGB":
        with contextlib.suppress(np.linalg.LinAlgError, ValueError, ZeroDivisionError):
            matrix = np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(chromaticity)
    if matrix is None:
        levels = [round(255 * value) for value in _encoded(linear)]
        return colours.point(levels * len(colours.getbands())).convert("RGB")
    pixels = np.asarray(colours)
    strips = [_converted(pixels[top:top + _STRIP], linear, matrix) for top in range(0, len(pixels), _STRIP)]
    return Image.fromarray(np.concatenate(strips))


def _converted(pixels: np.ndarray, linear: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    light = (linear[pixels] @ matrix.T).clip(0, 1)
    return (_encoded(light) * 255).round().astype(np.uint8)


def _encoded(light: np.ndarray) -> np.ndarray:
    """sRGB's curve, of linear light in 0..1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def _to_xyz(chromaticity: tuple[float, ...]) -> np.ndarray:
    """Linear RGB to XYZ under D65, from x and y of white, red, green and blue; whites are adapted by Bradford's
    transform."""
    white, *primaries = ((x / y, 1.0, (1 - x - y) / y)
                         for x, y in zip(chromaticity[::2], chromaticity[1::2], strict=True))
    columns = np.array(primaries).T
    to_own_white = columns * np.linalg.solve(columns, np.array(white))
    d65 = np.array([_SRGB[0] / _SRGB[1], 1.0, (1 - _SRGB[0] - _SRGB[1]) / _SRGB[1]])
    scale = np.diag((_BRADFORD @ d65) / (_BRADFORD @ np.array(white)))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ to_own_white
