"""What two commits answered to the same request, side by side."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from PIL import Image

VERSION = "InDetail version"
ROUNDED = 1e-3
"""So many of the values of a picture may be off by one level where only rounding has changed."""


@dataclass(frozen=True)
class Answer:
    """Pictures as base64 and an infotext for each; of a refusal its status and its words."""

    status: int
    pictures: Sequence[str] = field(default_factory=list)
    infotexts: Sequence[str] = field(default_factory=list)
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Defaults = Mapping[str, tuple[Any, Any]]
"""By infotext label what is left out, in the older commit and in the newer one, where they differ."""


def differences(older: Answer, newer: Answer, unknown: Collection[str] = (),
                moved: Defaults | None = None, close: bool = False) -> list[str]:
    """One line for each, none where both are the same. `unknown` are infotext labels that the older commit lacks,
    `moved` the defaults that differ; pictures may be `close`."""
    moved = moved or {}
    if older.status != newer.status:
        return [f"status {newer.status} in place of {older.status}: {newer.said}"]
    found = []
    if older.said != newer.said:
        found.append(f"said: {newer.said!r} in place of {older.said!r}")
    if len(older.pictures) != len(newer.pictures):
        found.append(f"{len(newer.pictures)} pictures in place of {len(older.pictures)}")
    for number, (a, b) in enumerate(zip(older.pictures, newer.pictures, strict=False), 1):
        off = apart(a, b, close)
        if off:
            found.append(f"picture {number}: {off}")
    for label, defaults in moved.items():
        meant = [[value(text, label, default) for text in each.infotexts]
                 for each, default in zip((older, newer), defaults, strict=True)]
        if meant[0] != meant[1]:
            found.append(f"{label}: {meant[1]} in place of {meant[0]}")
    old, new = ([without(text, (VERSION, *unknown, *moved)) for text in each.infotexts] for each in (older, newer))
    if old != new:
        found.append(f"infotext: {_first_difference(old, new)}")
    return found


def apart(first: str, second: str, close: bool = False) -> str:
    """How far two pictures are apart, in words; nothing where every pixel is the same, or where they are as `close` as
    rounding leaves them."""
    a, b = (np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))).astype(np.int16) for each in (first, second))
    if a.shape != b.shape:
        return f"{b.shape} in place of {a.shape}"
    far = np.abs(a - b)
    if close and far.max() <= 1 and (far > 0).mean() <= ROUNDED:
        return ""
    return f"up to {far.max()} grey levels, {far.mean():.4f} in the mean" if far.any() else ""


def without(infotext: str, labels: Collection[str]) -> str:
    """The infotext less some labels and their values."""
    for label in labels:
        infotext = re.sub(rf'(, )?{re.escape(label)}: ("(?:\\.|[^\\"])*"|[^,\n]*)', "", infotext)
    return infotext


def value(infotext: str, label: str, default: Any) -> str | None:
    """What an infotext says or means by leaving it out; None where it does not name us."""
    if VERSION not in infotext:
        return None
    found = re.search(rf'{re.escape(label)}: ("(?:\\.|[^\\"])*"|[^,\n]*)', infotext)
    return found[1] if found else str(default)


def moved_defaults(older: Mapping[str, Any], newer: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    before = {setting["infotext"]: setting["default"] for setting in older["settings"]}
    return {setting["infotext"]: (before[setting["infotext"]], setting["default"]) for setting in newer["settings"]
            if before.get(setting["infotext"], setting["default"]) != setting["default"]}


def labels(known: Mapping[str, Any]) -> set[str]:
    return {setting["infotext"] for setting in known["settings"]}


def _first_difference(old: Sequence[str], new: Sequence[str]) -> str:
    for number, (a, b) in enumerate(zip(old, new, strict=False), 1):
        if a != b:
            parts = [set(re.split(r", |\n", each)) for each in (a, b)]
            return f"{number}: lost {sorted(parts[0] - parts[1])}, new {sorted(parts[1] - parts[0])}"
    return f"{len(new)} in place of {len(old)}"
