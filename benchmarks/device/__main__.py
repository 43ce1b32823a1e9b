"""`python -m benchmarks.device`: what reading an image prompt costs on this machine's GPU, in at most three minutes.

It needs torch, numpy and this folder; nothing is downloaded. What was measured is written after each case, as Markdown
and as JSON, so that a run which is cut leaves a result. `--tiny` rehearses on a CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from benchmarks.device.cases import CASES, REHEARSAL
from benchmarks.device.report import Report
from benchmarks.device.running import run

LIMIT_S = 150
STEPS = 8


def main(arguments: list[str] | None = None) -> None:
    begun = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="the smallest UNet, on a CPU")
    parser.add_argument("--output", type=Path, default=Path("outputs/device"), help="folder for results.md and .json")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds after which no case is begun")
    asked = parser.parse_args(arguments)
    if not asked.tiny and not torch.cuda.is_available():
        sys.exit("There is no GPU here; --tiny rehearses on a CPU.")
    device = torch.device("cpu" if asked.tiny else "cuda")
    report = Report(asked.output, device, 2 if asked.tiny else STEPS)
    for case in REHEARSAL if asked.tiny else CASES:
        left = asked.limit - (time.monotonic() - begun)
        if left <= 0:
            report.left_out(case.name)
        else:
            report.add(run(case, device, report.steps, left))
        print(report.sections[-1], flush=True)
    report.finish(time.monotonic() - begun)


if __name__ == "__main__":
    main()
