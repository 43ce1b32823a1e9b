"""What was prepared once and may be needed again: least recently used out first, under a byte budget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Cache:
    """`budget()` says how many bytes may be held; it is asked whenever something is put in. 0 keeps nothing."""

    def __init__(self, budget: Callable[[], int]):
        self._budget = budget
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self._entries.values())

    def get(self, key: Hashable) -> Any | None:
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of `size` bytes, unless it alone is over the budget."""
        self._entries.pop(key, None)
        budget = self._budget()
        if size > budget:
            return
        self._entries[key] = (value, size)
        while self.bytes > budget:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()
