"""One folder of pictures, from which they are taken by name or by hash."""

from __future__ import annotations

import logging
import re
import reprlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from lib_indetail.errors import BadPicture
from lib_indetail.pictures.as_seen import AsSeen, as_seen, names_of
from lib_indetail.pictures.opening import opened_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
_ELSEWHERE = re.compile(r"^[A-Za-z]:|^[/\\~]|(^|[/\\])\.\.([/\\]|$)")
_HASH = re.compile(r"[0-9a-f]{12}")
logger = logging.getLogger(__name__)


class PictureFolder:
    """`where()` gives the folder. Nothing outside it is ever read, whoever asks."""

    def __init__(self, where: Callable[[], Path]):
        self._where = where
        self._hashes: dict[Path, tuple[tuple[float, int], tuple[str, ...]]] = {}

    def names(self) -> list[str]:
        """The pictures in it and in its subfolders, as `get` takes them."""
        folder = self._where()
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                      if path.suffix.lower() in SUFFIXES and path.is_file() and self._inside(path))

    def names_in(self, subfolder: str) -> list[str]:
        """Those in a subfolder and below; "." is the folder itself. Raises BadPicture for other places."""
        subfolder = subfolder.strip().replace("\\", "/").rstrip("/") or "/"
        self._refuse_elsewhere(subfolder)
        beginning = "" if subfolder == "." else f"{subfolder.removeprefix('./')}/"
        return [name for name in self.names() if name.startswith(beginning)]

    def get(self, name: str) -> Image.Image:
        """The picture of that name, RGBA if it has transparency, or the RGB one of that hash. Raises BadPicture."""
        name = name.strip()
        self._refuse_elsewhere(name)
        if name in self.names():
            seen = self._seen(name)
            for note in seen.notes:
                logger.warning("%s: %s", name, note)
            return seen.rgba
        picture = self.by_hash(name)
        if picture is None:
            raise BadPicture(f"The image prompt folder has no picture {reprlib.repr(name)}, neither by name nor by "
                             "hash.")
        return picture

    def by_hash(self, wanted: str) -> Image.Image | None:
        """The picture with that hash, or None. What version 0.4 read without regard to its colour profile is found by
        the hash of then, and comes back as it was read then."""
        if not _HASH.fullmatch(wanted):
            return None
        for name in sorted(self.names(), key=lambda name: wanted not in name):
            if wanted in (hashes := self._hashes_of(name)):
                return self._seen(name, managed=hashes[0] == wanted).rgb
        return None

    @staticmethod
    def _refuse_elsewhere(name: str) -> None:
        if Path(name).is_absolute() or _ELSEWHERE.search(name):
            raise BadPicture(f"{reprlib.repr(name)} is no name in the image prompt folder; other places are not read.")

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._where().resolve())

    def _seen(self, name: str, managed: bool = True) -> AsSeen:
        return as_seen(opened_file(self._where() / name, name), managed)

    def _hashes_of(self, name: str) -> tuple[str, ...]:
        """As it is read now, then as 0.4 read it; remembered as long as the file's time and size are the same. None for
        what is no picture."""
        path = self._where() / name
        state = path.stat()
        seen = (state.st_mtime, state.st_size)
        if self._hashes.get(path, (None, ()))[0] != seen:
            self._hashes[path] = seen, _hashes(path)
        return self._hashes[path][1]


def _hashes(path: Path) -> tuple[str, ...]:
    try:
        return names_of(opened_file(path))
    except BadPicture:
        return ()
