"""PNG files without what is not picture: so that no amount of metadata keeps a good picture from being read."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEFT_OUT = {b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"acTL", b"fcTL", b"fdAT", b"eXIf"}
"""Texts, the colour profile, frames of an animation after its first picture, and the camera's notes."""
_HEAD, _CHECKSUM = 8, 4
_AROUND = _HEAD + _CHECKSUM
MAX_PROFILE = 64 * 2**20
MAX_NAME = 80


def without_metadata(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The file with its pixels and how they are meant, and what was taken out that matters, as Pillow would call it:
    "icc_profile" (empty if it is broken or larger than 64 MiB) and "exif".

    What is no PNG comes back as it is. A file that is cut off is copied from there on, for the reader to complain of.
    """
    if not data.startswith(SIGNATURE):
        return data, {}
    view, at, kept, taken = memoryview(data), len(SIGNATURE), [SIGNATURE], {}
    while at + _AROUND <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + _AROUND + size
        if end > len(data):
            break
        if kind not in _LEFT_OUT:
            kept.append(view[at:end])
        elif kind == b"iCCP" and "icc_profile" not in taken:
            taken["icc_profile"] = _profile(data[at + _HEAD:end - _CHECKSUM])
        elif kind == b"eXIf":
            taken["exif"] = b"Exif\x00\x00" + data[at + _HEAD:end - _CHECKSUM]
        at = end
    return b"".join([*kept, view[at:]]), taken


def _profile(chunk: bytes) -> bytes:
    """The unpacked profile of an iCCP chunk: a name, a zero, a zero for the method, zlib's data."""
    name, _, rest = chunk.partition(b"\x00")
    if len(name) > MAX_NAME or rest[:1] != b"\x00":
        return b""
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(rest[1:], MAX_PROFILE)
    except zlib.error:
        return b""
    return b"" if unpacking.unconsumed_tail else profile
