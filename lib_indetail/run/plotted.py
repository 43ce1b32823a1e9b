"""The axes of a plot, confirmed one after the other before its first cell."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator, Sequence
from typing import Any


class Plotted:
    """Of the plot that was begun last. Nothing stands on the generation itself: it may be sent on before it begins."""

    def __init__(self) -> None:
        self._of: Any = lambda: None
        self._axes: dict[str, Sequence[Any]] = {}

    def cells(self, of: object, name: str, values: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Every combination of the values of an axis with those that were confirmed before for the same generation."""
        if self._of() is not of:
            self._of, self._axes = weakref.ref(of), {}
        self._axes[name] = values
        for cell in itertools.product(*self._axes.values()):
            yield dict(zip(self._axes, cell, strict=True))
