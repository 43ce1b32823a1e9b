"""What was measured, written after each case: results.md for people, results.json for programs."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from benchmarks.device.running import Ran

USUAL_STEPS = 20
ONCE = ("default", "no bank")
ABOUT = """# {device}

torch {torch}, CUDA {cuda}; {steps} DDIM steps, {steps} nodes, guidance scale 5, random weights, medians of at most 3
rounds in turn. *Default*: the image prompt is inverted, recorded and read with the product's defaults. *Warm*: it was
read before. *No bank*: it was inverted, and is recorded while sampling. *Cold*: it is inverted, recorded and read at
every level that is sampled. *20 steps* is arithmetic: the work of *cold* grows with steps and nodes alike, and what
*default* and *no bank* have above *warm* not at all.
*reference_only's rule* is that of fidelity 1, its cheapest form. Memory is the allocator's peak.
"""


class Report:
    """Sections in the order of their cases."""

    def __init__(self, folder: Path, device: torch.device, steps: int):
        self.steps, self._folder = steps, folder
        name = torch.cuda.get_device_name() if device.type == "cuda" else "a CPU, as a rehearsal"
        self._head = ABOUT.format(device=name, torch=torch.__version__, cuda=torch.version.cuda, steps=steps)
        self.sections: list[str] = []
        self._found: list[dict] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, ran: Ran) -> None:
        self.sections.append(section(ran, self.steps))
        self._found.append({"case": ran.case.name, "dtype": str(ran.case.dtype), "batch": ran.case.batch,
                            "cells": ran.case.cells, "steps": self.steps, "seconds": ran.seconds, "peaks": ran.peaks,
                            "rows": ran.rows, "checks": ran.checks, "bank_bytes": ran.bank_bytes,
                            "failed": ran.failed})
        self._write()

    def left_out(self, name: str) -> None:
        self.sections.append(f"## {name}\n\nIt was left out, since the time was over.\n")
        self._write()

    def finish(self, seconds: float) -> None:
        self.sections.append(f"The whole run took {seconds:.0f} s.\n")
        self._write()

    def _write(self) -> None:
        (self._folder / "results.md").write_text("\n".join([self._head, *self.sections]), encoding="utf-8")
        (self._folder / "results.json").write_text(json.dumps({"about": self._head, "cases": self._found}, indent=1),
                                                   encoding="utf-8")


def section(ran: Ran, steps: int) -> str:
    dtype = str(ran.case.dtype).removeprefix("torch.")
    lines = [f"## {ran.case.name}", "",
             f"Batch {ran.case.batch}, {dtype}; {ran.bank_bytes / 2**20:.1f} MB of keys and values.", ""]
    if "plain" in ran.seconds:
        lines += ["| | seconds | times plain | 20 steps, seconds | UNet rows | memory | above plain |",
                  "| --- | --- | --- | --- | --- | --- | --- |"]
        for arm in (each for each in ran.case.arms if each in ran.seconds):
            took, peak = ran.median(arm), ran.peaks[arm]
            lines.append(f"| {arm} | {took:.3f} | {took / ran.median('plain'):.2f} | "
                         f"{_usual(ran, arm, steps):.2f} | {ran.rows[arm]} | {peak / 2**20:.0f} MB | "
                         f"{(peak - ran.peaks['plain']) / 2**20:.0f} MB |")
        lines.append("")
    lines += [f"- {name}: {found}" for name, found in ran.checks.items()]
    lines += [f"- it ended early: {ran.failed}"] if ran.failed else []
    return "\n".join(lines) + "\n"


def _usual(ran: Ran, arm: str, steps: int) -> float:
    """Seconds of 20 steps."""
    once = ran.median(arm) - ran.median("warm") if arm in ONCE and "warm" in ran.seconds else 0.0
    return (ran.median(arm) - once) * USUAL_STEPS / steps + once
