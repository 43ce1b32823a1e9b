"""A host that is nothing but the program that asks: no page, and every option at its default."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lib_indetail.ask.options import OPTIONS
from lib_indetail.inversion.inverter import Progress

PLENTY = 4 * 2**30


class Quiet:
    """See `host.Host`: `progress(done, total)` is told of UNet calls, `interrupted()` asked before each."""

    def __init__(self, progress: Progress | None = None, interrupted: Callable[[], bool] | None = None,
                 folder: Path = Path()):
        self._progress, self._interrupted, self._folder = progress, interrupted, folder

    def image_tower(self) -> None:
        """There is none."""

    def free_memory(self) -> int:
        return PLENTY

    def free_main_memory(self) -> int:
        return PLENTY

    def keep_free(self, size: int) -> AbstractContextManager:
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def progress(self, doing: str) -> Iterator[Progress]:
        yield self._progress or (lambda done, total: None)

    def interrupted(self) -> bool:
        return self._interrupted is not None and self._interrupted()

    def tell(self, doing: str | None) -> None:
        """Nobody listens."""

    def option(self, name: str) -> Any:
        return OPTIONS[name].default

    def folder(self, name: str) -> Path:
        return self._folder / name
