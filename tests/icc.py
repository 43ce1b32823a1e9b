"""Small ICC profiles (ICC.1:2001-04), made here: their colours are known without any colour management."""

from __future__ import annotations

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_RGB = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
DISPLAY_P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
"""White, red, green and blue as x, y each."""


def rgb_profile(chromaticity: tuple[float, ...], gamma: float) -> bytes:
    """Of three primaries and one curve."""
    columns = to_xyz(chromaticity, D50).T
    tags = {b"wtpt": _xyz(D50),
            **{name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)},
            **{name: _curve(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")}}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def srgb_profile() -> bytes:
    """sRGB by a coarse table of its curve, as scanners and monitors bring it: its rounding is its own."""
    steps = np.arange(1024) / 1023
    light = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    table = struct.pack(">4s4xI1024H", b"curv", 1024, *(round(float(value) * 2047) * 65535 // 2047 for value in light))
    columns = to_xyz(SRGB, D50).T
    return _profile(b"mntr", b"RGB ", b"XYZ ", {
        b"wtpt": _xyz(D50),
        **{name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), table)})


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(D50), b"kTRC": _curve(gamma)})


def cmyk_profile() -> bytes:
    """A press whose ink of one kind alone changes the lightness: L = 100 (1 - K), no colour at all."""
    identity = bytes(range(256))
    grid = bytes(value for _ in range(8) for key in (0, 1) for value in (255 - 255 * key, 128, 128))
    lut = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *(65536 * (i % 4 == 0) for i in range(9)))
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(D50), b"A2B0": lut + identity * 4 + grid + identity * 3})


def to_xyz(chromaticity: tuple[float, ...], white_to: tuple[float, ...]) -> np.ndarray:
    """Linear RGB to XYZ under another white (Bradford)."""
    white, *primaries = ((x / y, 1.0, (1 - x - y) / y)
                         for x, y in zip(chromaticity[::2], chromaticity[1::2], strict=True))
    columns = np.array(primaries).T
    own = columns * np.linalg.solve(columns, np.array(white))
    scale = np.diag((BRADFORD @ np.array(white_to)) / (BRADFORD @ np.array(white)))
    return np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ own


def in_srgb(colour: tuple[int, ...], chromaticity: tuple[float, ...], gamma: float) -> np.ndarray:
    """What a colour of such a device is in sRGB, 0..255 with fractions."""
    d65 = (0.3127 / 0.3290, 1.0, (1 - 0.3127 - 0.3290) / 0.3290)
    light = np.linalg.inv(to_xyz(SRGB, d65)) @ to_xyz(chromaticity, d65) @ (np.array(colour) / 255) ** gamma
    return encoded(light)


def encoded(light: np.ndarray) -> np.ndarray:
    """sRGB's levels 0..255 of linear light."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _xyz(values) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return struct.pack(">4s4xIH2x", b"curv", 1, round(gamma * 256))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    head = struct.pack(">I4xI4s4s4s12x4s28x3i48x", at + len(body), 0x02400000, kind, space, connection, b"acsp",
                       *(round(value * 65536) for value in D50))
    return head + table + body
