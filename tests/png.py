"""PNG files written by hand: any chunks, any depth."""

from __future__ import annotations

import struct
import zlib


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour: tuple[int, ...], extra: bytes = b"", *, kind: int = 2, depth: int = 8, side: int = 16,
        header: bytes | None = None) -> bytes:
    """A picture of one colour; `kind` is PNG's colour type (0 grey, 2 RGB, 6 RGBA), `extra` are chunks before its
    pixels, `header` another IHDR."""
    pixel = struct.pack(f">{len(colour)}{'B' if depth == 8 else 'H'}", *colour)
    rows = (b"\0" + pixel * side) * side
    head = header or struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))
