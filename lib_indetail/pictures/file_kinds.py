"""Files that are no pictures for us, by their first bytes, so that a refusal can name what was sent."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKUP = re.compile(rb"<(svg|!doctype html|html)[\s>]", re.IGNORECASE)
_BRAND_AT, _HEAD = 8, 4096
_BRANDS: Sequence[tuple[str, tuple[bytes, ...]]] = (
    ("a HEIC photo", (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")),
    ("an AVIF picture", (b"avif", b"avis")),
    ("a camera's raw file", (b"crx ",)),
)
"""Of files in ISO's media format: the major brand stands after their first eight bytes."""
_SIGNATURES: Sequence[tuple[str, tuple[bytes, ...]]] = (
    ("a PDF document", (b"%PDF-",)),
    ("an EPS drawing", (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    ("a JPEG XL picture", (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")),
    ("a Photoshop file", (b"8BPS", b"8BPB")),
    ("a GIMP file", (b"gimp xcf",)),
    ("a camera's raw file", (b"FUJIFILMCCD-RAW",)),
    ("an OpenEXR picture", (b"\x76\x2f\x31\x01",)),
    ("a Radiance HDR picture", (b"#?RADIANCE", b"#?RGBE")),
    ("a video", (b"\x1a\x45\xdf\xa3",)),
    ("a ZIP archive", (b"PK\x03\x04",)),
    ("an archive", (b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf")),
)
NO_PICTURES = ("a PDF document", "a web page", "a video", "a ZIP archive", "an archive")
"""Of these kinds the ones that are not pictures at all."""
NEVER = ("a PDF document", "an EPS drawing", "an SVG drawing", "a web page")
"""What is refused even where Pillow could hand it to another program."""


def kind_of(data: bytes) -> str | None:
    """What a file is, with its article ("an SVG drawing"); None where its first bytes do not tell."""
    head = data[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] == b"<":
        return _markup(head)
    if data[4:_BRAND_AT] == b"ftyp":
        return _named(_BRANDS, data[_BRAND_AT:]) or "a video"
    return _named(_SIGNATURES, data)


def _markup(head: bytes) -> str | None:
    found = _MARKUP.search(head)
    if found is None:
        return None
    return "an SVG drawing" if found[1].lower() == b"svg" else "a web page"


def _named(table: Sequence[tuple[str, tuple[bytes, ...]]], data: bytes) -> str | None:
    return next((name for name, beginnings in table if data.startswith(beginnings)), None)
