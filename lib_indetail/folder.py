"""One folder of pictures, from which they are taken by name or by hash."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from lib_indetail.errors import BadPicture
from lib_indetail.picture import open_picture, open_upright, picture_hash

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
_ELSEWHERE = re.compile(r"^[A-Za-z]:|^[/\\~]|(^|[/\\])\.\.([/\\]|$)")
_HASH = re.compile(r"[0-9a-f]{12}")


class PictureFolder:
    """`where()` gives the folder. Nothing outside it is ever read, whoever asks."""

    def __init__(self, where: Callable[[], Path]):
        self._where = where
        self._hashes: dict[Path, tuple[tuple[float, int], str]] = {}

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
            return self._open(name, open_upright)
        picture = self.by_hash(name)
        if picture is None:
            raise BadPicture(f"The picture folder has no picture {reprlib.repr(name)}, neither by name nor by hash.")
        return picture

    def by_hash(self, wanted: str) -> Image.Image | None:
        """The picture with that hash, or None."""
        if not _HASH.fullmatch(wanted):
            return None
        names = sorted(self.names(), key=lambda name: wanted not in name)
        return next((self._open(name, open_picture) for name in names if self._hash(name) == wanted), None)

    @staticmethod
    def _refuse_elsewhere(name: str) -> None:
        if Path(name).is_absolute() or _ELSEWHERE.search(name):
            raise BadPicture(f"{reprlib.repr(name)} is no name in the picture folder; other places are not read.")

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._where().resolve())

    def _open(self, name: str, opened: Callable[[Path], Image.Image]) -> Image.Image:
        path = self._where() / name
        try:
            return opened(path)
        except BadPicture as error:
            raise BadPicture(str(error).replace(str(path), name)) from None

    def _hash(self, name: str) -> str | None:
        """Remembered as long as the file's time and size are the same; None for what is no picture."""
        path = self._where() / name
        state = path.stat()
        seen = (state.st_mtime, state.st_size)
        if self._hashes.get(path, (None, ""))[0] != seen:
            try:
                self._hashes[path] = seen, picture_hash(open_picture(path))
            except BadPicture:
                self._hashes[path] = seen, ""
        return self._hashes[path][1]
