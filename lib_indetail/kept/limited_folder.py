"""A folder of files of one kind under a limit: written whole or not at all, the least recently used removed first."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

ABANDONED_S = 3600  # a file that has been unfinished for so long belongs to a writer that was killed
logger = logging.getLogger(__name__)


def write_whole(path: Path, data: bytes) -> None:
    """Under another name at first, then renamed, so that a reader never meets half a file. Raises OSError."""
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


class LimitedFolder:
    """`where()` gives the folder, `budget()` the bytes that its files may take together; 0 keeps and finds nothing.

    Names are the caller's, plain ones; each file is called by its name and `suffix`. What else lies in the folder is
    left alone. Nothing is raised for a disk that fails: there is one warning for each path.
    """

    def __init__(self, where: Callable[[], Path], budget: Callable[[], int], suffix: str):
        self._where, self._budget, self._suffix = where, budget, suffix
        self._warned: set[Path] = set()

    @property
    def bytes(self) -> int:
        return sum(size for _, size, _ in self._files())

    def __len__(self) -> int:
        return len(self._files())

    def find(self, name: str) -> Path | None:
        """The file of that name, if it lies in the folder itself."""
        path = self._path(name)
        return path if self._budget() > 0 and path.is_file() and not path.is_symlink() else None

    def used(self, path: Path) -> None:
        """It is the last to be removed now."""
        with contextlib.suppress(OSError):
            os.utime(path)

    def write(self, name: str, data: bytes) -> None:
        """Whole; not kept if it alone is over the budget."""
        if len(data) > self._budget():
            return
        path = self._path(name)
        try:
            write_whole(path, data)
            self._make_room()
        except OSError as error:
            self.warn(path.parent, error)

    def clear(self) -> None:
        """Remove all files of the kind, also what a writer that was killed has left."""
        for path in (*self._where().glob(f"*{self._suffix}"), *self._where().glob("*.part")):
            path.unlink(missing_ok=True)

    def warn(self, path: Path, error: Exception) -> None:
        """Once for each path."""
        if path not in self._warned:
            self._warned.add(path)
            logger.warning("%s is left out: %s", path, error)

    def _path(self, name: str) -> Path:
        return self._where() / f"{name}{self._suffix}"

    def _files(self) -> list[tuple[float, int, Path]]:
        """Age, size and path, oldest first."""
        found = []
        for path in self._where().glob(f"*{self._suffix}"):
            try:
                state = path.stat()
            except OSError:
                continue
            found.append((state.st_mtime, state.st_size, path))
        return sorted(found)

    def _make_room(self) -> None:
        for path in self._where().glob("*.part"):
            if path.stat().st_mtime < time.time() - ABANDONED_S:
                path.unlink(missing_ok=True)
        files = self._files()
        over = sum(size for _, size, _ in files) - self._budget()
        for _, size, path in files:
            if over <= 0:
                break
            path.unlink(missing_ok=True)
            over -= size
