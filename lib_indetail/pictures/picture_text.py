"""Pictures as text: base64 in all its spellings, data URIs, and what people send in their place."""

from __future__ import annotations

import base64
import binascii
import re
import reprlib
import urllib.parse

from lib_indetail.errors import BadPicture

_DATA_URI = re.compile(r"data:([^,]*),(.*)", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z]:[\\/]|~?[\\/]|\.{1,2}[\\/]|[^<>{}\n]*\.[A-Za-z0-9]{2,5}$")
_LONGEST_PATH = 1024
_URL_SAFE = str.maketrans("-_", "+/")
HOW = "send the picture itself, as base64 or as a data URI"


def bytes_of(text: str) -> bytes:
    """The file in a text: base64, with or without line ends and padding, in the alphabet of RFC 4648 or its URL-safe
    one; or a data URI, whatever parameters it has (RFC 2397). Raises BadPicture with what it is instead."""
    bare = text.strip()
    if not bare:
        raise BadPicture("The image is empty.")
    uri = _DATA_URI.fullmatch(bare)
    if uri and "base64" not in uri[1].lower().replace(" ", "").split(";")[1:]:
        return _filled(urllib.parse.unquote_to_bytes(uri[2]))
    if bare.startswith("<"):
        return bare.encode()
    data = _decoded(uri[2] if uri else bare)
    if data is None:
        raise BadPicture(_data_uri_is_broken(uri[1]) if uri else instead_of_a_picture(bare))
    return _filled(data)


def instead_of_a_picture(text: str) -> str:
    """A sentence for a text that holds no picture."""
    shown = reprlib.repr(text)
    if _ADDRESS.match(text):
        return f"The image is an address ({shown}), and addresses are not read: {HOW}."
    if looks_like_a_path(text):
        return f"The image is a path ({shown}), and paths are not read: {HOW}."
    return f"The image must be a picture as base64 or as a data URI, not the text {shown}."


def looks_like_a_path(text: str) -> bool:
    return len(text) <= _LONGEST_PATH and _PATH.match(text) is not None


def _data_uri_is_broken(kind: str) -> str:
    return f"The image is a data URI ({reprlib.repr(kind)}) whose base64 is broken."


def _filled(data: bytes) -> bytes:
    if not data:
        raise BadPicture("The image is empty.")
    return data


def _decoded(text: str) -> bytes | None:
    """Base64 with any of the two alphabets, white space and padding; None for what is none."""
    digits = "".join(urllib.parse.unquote(text).split()).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
