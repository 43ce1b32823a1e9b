"""A number over the trajectory: constant, falling, or through points that a person types."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Sequence
from itertools import pairwise

from lib_indetail.errors import BadSetting
from lib_indetail.noise.window import Window

Curve = Callable[[float], float]
SHAPES: dict[str, Curve] = {
    "constant": lambda v: 1.0,
    "linear": lambda v: 1.0 - v,
    "cosine": lambda v: (1 + math.cos(math.pi * v)) / 2,
}
"""Falling from 1 to 0 while v, the position within the window, goes from 0 to 1."""

_POINT = re.compile(r"\s*([\d.]+)\s*:\s*([\d.]+)\s*")


def curve(label: str, text: str, value: float, window: Window) -> Curve:
    """u -> number in 0..1. A shape's name lets `value` fall over the window; points such as "0:0.7, 0.4:0.3", of
    positions u and numbers, or one number for all, take its place.

    Raises BadSetting, which names the setting by its label.
    """
    if text in SHAPES:
        length = window.end - window.start
        return lambda u: value * SHAPES[text](min(max((u - window.start) / length, 0.0), 1.0))
    return through(label, text, tuple(SHAPES))


def through(label: str, text: str, names: Sequence[str] = ()) -> Curve:
    """Straight lines through typed points, with level ends. `names` is what else a person could have typed."""
    points = _points(label, text, names)

    def at(u: float) -> float:
        if u <= points[0][0]:
            return points[0][1]
        for (left, low), (right, high) in pairwise(points):
            if u <= right:
                return low + (high - low) * (u - left) / (right - left)
        return points[-1][1]

    return at


def _points(label: str, text: str, names: Sequence[str]) -> list[tuple[float, float]]:
    points = []
    for each in text.split(",") if ":" in text else [f"0:{text}"]:
        found = _POINT.fullmatch(each)
        try:
            u, value = (float(part) for part in found.groups()) if found else (-1.0, -1.0)
        except ValueError:
            u = value = -1.0
        if not (0 <= u <= 1 and 0 <= value <= 1):
            raise BadSetting(f"must be {', '.join(names)}, or points such as 0:0.7, 0.4:0.3 with numbers from 0 to 1; "
                             f"{reprlib.repr(text)} is none.", label, text)
        points.append((u, value))
    if any(a[0] >= b[0] for a, b in pairwise(points)):
        raise BadSetting(f"The points of {label} must go from left to right: {text}.")
    return points

