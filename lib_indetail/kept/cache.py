"""What was prepared once and may be needed again: least recently used out first, under a byte budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Cache:
    """`budget()` says how many bytes may be held; it is asked whenever something is put in. 0 keeps nothing."""

    def __init__(self, budget: Callable[[], int]):
        self._budget = budget
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        """Without counting as a use."""
        return key in self._entries

    def keys(self) -> list[Hashable]:
        """Least recently used first."""
        with self._lock:
            return list(self._entries)

    @property
    def bytes(self) -> int:
        return self._bytes

    def get(self, key: Hashable) -> Any | None:
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, value: Any, size: int, stays: Callable[[Hashable], bool] | None = None) -> None:
        """Keep a value of `size` bytes, unless there is no room for it: it alone is over the budget, or only entries
        that must stay could make way."""
        with self._lock:
            self._drop(key)
            leaving = self._in_the_way(size, stays)
            if leaving is None:
                return
            for other in leaving:
                self._drop(other)
            self._entries[key] = (value, size)
            self._bytes += size

    def room(self, stays: Callable[[Hashable], bool]) -> int:
        """The bytes that new values may take, if all that need not stay makes way for them."""
        with self._lock:
            return max(0, self._budget() - sum(size for key, (_, size) in self._entries.items() if stays(key)))

    def largest(self, among: Callable[[Hashable], bool]) -> int:
        """Bytes; 0 if there is none."""
        with self._lock:
            return max((size for key, (_, size) in self._entries.items() if among(key)), default=0)

    def _in_the_way(self, size: int, stays: Callable[[Hashable], bool] | None) -> list[Hashable] | None:
        """The entries to drop for `size` more bytes, oldest first; None if that is not enough."""
        over, leaving = self._bytes + size - self._budget(), []
        for key, (_, held) in self._entries.items():
            if over <= 0:
                break
            if stays is None or not stays(key):
                leaving.append(key)
                over -= held
        return leaving if over <= 0 else None

    def trim(self) -> None:
        """Down to the budget, which may have become smaller."""
        with self._lock:
            for key in self._in_the_way(0, None) or []:
                self._drop(key)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _drop(self, key: Hashable) -> None:
        _, size = self._entries.pop(key, (None, 0))
        self._bytes -= size
