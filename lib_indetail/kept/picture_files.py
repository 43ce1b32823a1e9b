"""Pictures and masks that come back with infotext: kept as files that are named by their own pixels."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from lib_indetail.kept.limited_folder import LimitedFolder
from lib_indetail.pictures.convert import picture_hash

SUFFIX = ".png"
MODES = ("RGB", "L")
"""Of pictures, and of masks."""
_HASH = re.compile(r"[0-9a-f]{12}")


class PictureStore:
    """`where()` gives the folder, `budget()` the bytes that its files may take together; 0 keeps and finds nothing.

    The least recently used is removed first. A file whose pixels are not those of its name is left out with one
    warning; nothing outside of the folder is read or written.
    """

    def __init__(self, where: Callable[[], Path], budget: Callable[[], int]):
        self._files = LimitedFolder(where, budget, SUFFIX)
        self._budget = budget

    @property
    def bytes(self) -> int:
        return self._files.bytes

    def __len__(self) -> int:
        return len(self._files)

    def keep(self, picture: Image.Image) -> None:
        """An RGB picture or a grey mask."""
        if self._budget() <= 0:
            return
        name = picture_hash(picture)
        path = self._files.find(name)
        if path is not None:
            self._files.used(path)
            return
        data = io.BytesIO()
        picture.save(data, "PNG", compress_level=1)
        self._files.write(name, data.getvalue())

    def by_hash(self, wanted: str) -> Image.Image | None:
        path = self._files.find(wanted) if _HASH.fullmatch(wanted) else None
        if path is None:
            return None
        try:
            picture = _read(path, wanted)
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            self._files.warn(path, error)
            return None
        self._files.used(path)
        return picture


def _read(path: Path, wanted: str) -> Image.Image:
    with Image.open(path, formats=["PNG"]) as picture:
        picture.load()
        if picture.mode not in MODES or picture_hash(picture) != wanted:
            raise ValueError("it is not the picture that it is named after")
        bare = picture.copy()
        bare.info = {}  # version 0.4 kept colour profiles beside pixels that it had read without them
        return bare
