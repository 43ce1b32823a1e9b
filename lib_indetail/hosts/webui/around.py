"""What stands around one of the host's functions for as long as the extension is loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


class Around:
    """`answer(original, *args, **kwargs)` answers calls of `place.name`, between `install` and `remove`."""

    def __init__(self, place: Any, name: str, answer: Callable[..., Any]):
        self._place, self._name, self._answer = place, name, answer
        self._original: Callable[..., Any] | None = None

    def install(self) -> None:
        """Once: where it could not be removed it stands there still."""
        if self._original is not None:
            return
        original, answer = getattr(self._place, self._name), self._answer

        @wraps(original)
        def indetail_around(*args, **kwargs):
            return answer(original, *args, **kwargs)

        self._ours, self._original = indetail_around, original
        setattr(self._place, self._name, indetail_around)

    def remove(self) -> None:
        """Somebody may stand around it by now; then it stays, and does what it did."""
        if self._original is not None and getattr(self._place, self._name) is self._ours:
            setattr(self._place, self._name, self._original)
            self._original = None
