"""What the pictures of README and docs show: which wishes they were made with, and how a caption says so."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib_indetail import __version__
from lib_indetail.ask.presets import DEFAULT_TASK, built_in
from lib_indetail.ask.settings import Settings

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
MADE = FOLDER / "made.json"
Wish = Mapping[str, Any]
"""Fields of the API, without pictures."""

CROSS_PROMPT: Wish = {"task": "cross-prompt", "blocks": "all"}


@dataclass(frozen=True)
class Shown:
    """A file, and the wishes that it shows; its caption names all of them."""

    file: str
    wishes: tuple[Wish, ...]


PICTURES = {
    "off_on": Shown("off_on.png", ({}, {"preset": "Most detail"})),
    "pattern": Shown("pattern.png", ({"preset": "Pattern"},)),
    "detail": Shown("detail.png", tuple({"preset": "Most detail", "detail": each} for each in (0.0, 0.5, 1.0))),
    "colours": Shown("colours.png", ({"preset": "Cross-prompt, colours matched"},)),
    "structure": Shown("structure.png", ({"task": "structure-guided", "blocks": "all", "inversion_text": "empty"},)),
    "page": Shown("page.webp", ({"preset": "Most detail"},)),
    "plot": Shown("plot.png", (CROSS_PROMPT,)),
    "masks": Shown("masks.png", (CROSS_PROMPT,)),
    "attention": Shown("attention.png", (CROSS_PROMPT,)),
}


def resolved(wish: Wish) -> dict[str, Any]:
    """Every setting and the task as the product has them for a wish."""
    rest = dict(wish)
    named = built_in(rest.pop("preset")).values if "preset" in rest else {}
    values = {**named, **rest}
    task = values.pop("task", DEFAULT_TASK)
    return {"task": task, **dataclasses.asdict(Settings.of(values, task))}


def signature(wish: Wish) -> str:
    """What a caption says of a wish, in all languages: version and settings."""
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in wish.items())
    return f"InDetail {__version__}: {said or 'the defaults'}"


def record(shown: Shown) -> dict[str, Any]:
    """What `made.json` says of a file that was just made."""
    return {"sha256": digest(FOLDER / shown.file), "wishes": [signature(wish) for wish in shown.wishes],
            "settings": [resolved(wish) for wish in shown.wishes]}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made() -> dict[str, Any]:
    return json.loads(MADE.read_text(encoding="utf-8")) if MADE.exists() else {}
