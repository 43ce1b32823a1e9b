"""`python -m benchmarks.quality`: the paper's tables in miniature, beside the peers; goes on where it was broken off.

Every figure of every trial is a line of a file under outputs/quality; `--report docs/evidence.md` makes tables of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.quality.arms import PARTS
from benchmarks.quality.measuring import known, measure
from benchmarks.quality.report import evidence
from benchmarks.quality.trials import NOISES

FOLDER = Path("outputs/quality")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--trials", type=int, default=50, help=f"pictures with prompts, {NOISES} noises each")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--report", type=Path, help="write tables of all that was measured to this file instead")
    asked = parser.parse_args()
    if asked.report:
        asked.report.write_text(evidence(known(asked.output)), encoding="utf-8")
        return
    measure(asked.parts, asked.trials, asked.output, asked.workers)


if __name__ == "__main__":
    main()
