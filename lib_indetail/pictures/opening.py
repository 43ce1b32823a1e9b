"""Files and texts, opened as pictures or refused in one sentence."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from lib_indetail.errors import BadPicture
from lib_indetail.pictures.as_seen import MAX_PIXELS, AsSeen, as_seen, refuse_huge
from lib_indetail.pictures.file_kinds import NEVER, NO_PICTURES, kind_of
from lib_indetail.pictures.picture_text import bytes_of, instead_of_a_picture, looks_like_a_path
from lib_indetail.pictures.png_chunks import without_metadata

THE_IMAGE = "The image"


def open_picture(path: str | Path) -> Image.Image:
    """An RGB picture from a file: as its owner sees it, first frame, transparency on white. Raises BadPicture."""
    return as_seen(opened_file(path)).rgb


def opened_file(path: str | Path, name: str = "") -> Image.Image:
    """A file as Pillow opens it, loaded. Raises BadPicture, with the path or a `name` that stands for it."""
    path = Path(path)
    name = name or str(path)
    if not path.is_file():
        raise BadPicture(f"There is no picture at {name}.")
    try:
        return opened(path.read_bytes(), name)
    except OSError as error:
        raise BadPicture(f"{name} cannot be read: {error.strerror}.") from None


def decoded_picture(text: str) -> Image.Image:
    """An RGB picture from base64 or a data URI: as its owner sees it, transparency on white. Raises BadPicture."""
    return decoded(text).rgb


def decoded(text: str) -> AsSeen:
    """The same with its transparency and its notes. Raises BadPicture."""
    return as_seen(opened_text(text))


def opened_text(text: str) -> Image.Image:
    """Base64 or a data URI as Pillow opens it, loaded. Raises BadPicture."""
    data = bytes_of(text)
    try:
        return opened(data, THE_IMAGE)
    except NoPicture as error:
        bare = text.strip()
        raise BadPicture(instead_of_a_picture(bare) if looks_like_a_path(bare) else str(error)) from None


class NoPicture(BadPicture):
    """Of a kind that nobody here knows."""


def opened(data: bytes, name: str = THE_IMAGE) -> Image.Image:
    """A file's bytes as Pillow opens them, loaded, the first frame. Raises BadPicture, with `name` in front."""
    kind = kind_of(data)
    if kind in NEVER:
        raise BadPicture(_of_another_kind(name, kind))
    lean, metadata = without_metadata(data)
    try:
        picture = Image.open(io.BytesIO(lean))
        refuse_huge(picture, name)
        picture.load()
    except BadPicture:
        raise
    except Image.DecompressionBombError:
        raise BadPicture(f"{name} has more pixels than can be taken, which are {MAX_PIXELS / 1e6:.0f} "
                         "million.") from None
    except UnidentifiedImageError:
        if kind is not None:
            raise BadPicture(_of_another_kind(name, kind)) from None
        raise NoPicture(f"{name} is not a picture that can be read.") from None
    except MemoryError:
        raise BadPicture(f"{name} does not fit into memory.") from None
    except Exception as error:  # what a reader raises for a damaged file is its own affair
        raise BadPicture(f"{name} is broken{_because(error)}.") from None
    picture.info.update(metadata)
    return picture


def readable() -> list[str]:
    """The kinds of pictures (image/png, ...) that this Pillow opens."""
    Image.init()
    return sorted({Image.MIME[name] for name in Image.OPEN if Image.MIME.get(name, "").startswith("image/")})


def _of_another_kind(name: str, kind: str) -> str:
    instead = "give a picture" if kind in NO_PICTURES else "save it as PNG or JPEG and give that"
    return f"{'This' if name == THE_IMAGE else name} is {kind}; {instead}."


def _because(error: Exception) -> str:
    """The reader's own words, where they say more than that."""
    words = str(error).strip().rstrip(".")
    return "" if not words or words.lower() in ("broken data stream when reading image file",) else f": {words}"
