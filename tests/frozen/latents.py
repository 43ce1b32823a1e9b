"""Without a WebUI: are the embedded model's latents as they were?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import safe_open

from tests.frozen.asking import AS_BEFORE

PAINTED = Path(__file__).with_name("painted.py")


ROUNDED = 1e-5
"""Of the largest number."""


def compared(older: Path, newer: Path, close: bool = False) -> int:
    """How many latents of one tree differ from the other's, each said in a line; they may be `close`."""
    with TemporaryDirectory() as folder:
        before, known = painted(older, Path(folder, "before.safetensors"), {})
        after, _ = painted(newer, Path(folder, "after.safetensors"), {**AS_BEFORE, **known})
    changed = 0
    for name, latents in before.items():
        off = float((latents - after[name]).abs().max() / latents.abs().max()) if name in after else float("inf")
        equal = off == 0 or (close and off <= ROUNDED)
        changed += not equal
        off = f", up to {off:.2e} of the largest" if off else ""
        print(f"{'same' if equal else 'CHANGED'}: {name}{off}")
    print(f"{len(before) - changed} of {len(before)} latents are as they were.")
    return changed


def painted(tree: Path, file: Path, under: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Latents by name, and the tree's settings with their defaults."""
    command = [sys.executable, str(PAINTED), str(tree), str(file), json.dumps(under)]
    subprocess.run(command, cwd=tree, check=True)
    with safe_open(file, "pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}, json.loads(opened.metadata()["known"])
