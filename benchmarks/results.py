"""Where results go: a Markdown file, one section for each case."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results.md"


def machine(cuda: bool) -> str:
    """In words."""
    return torch.cuda.get_device_name() if cuda else f"{torch.get_num_threads()} threads of a {platform.machine()} CPU"


def write(text: str) -> None:
    """A section, in place of an older one with the same heading."""
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    RESULTS.write_text(written(before, text), encoding="utf-8")


def written(results: str, text: str) -> str:
    first, *sections = results.split("\n## ")
    heading = text.splitlines()[0].removeprefix("## ")
    kept = [each for each in sections if each.splitlines()[0] != heading]
    return "\n## ".join(each.strip() + "\n" for each in (first, *kept, text.removeprefix("## ")))
