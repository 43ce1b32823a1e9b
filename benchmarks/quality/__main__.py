"""`python -m benchmarks.quality`: the paper's tables in miniature, beside the peers; goes on where it was broken off.

Every figure of every trial is a line of a file under outputs/quality; `--report docs/evidence.md` makes tables and
plots of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.quality.arms import PARTS
from benchmarks.quality.drawing import draw_plots, draw_sheets
from benchmarks.quality.generating import Trials
from benchmarks.quality.measuring import known, measure
from benchmarks.quality.report import evidence
from benchmarks.quality.trials import NOISES
from embedded.checkpoint import load_judge, load_model

FOLDER = Path("outputs/quality")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--trials", type=int, default=50, help=f"pictures with prompts, {NOISES} noises each")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--report", type=Path, help="instead: tables and plots of all that was measured, in this file "
                                                    "and a folder of its name, in place of older ones")
    parser.add_argument("--sheets", action="store_true", help="with a report: generate its contact sheets too")
    asked = parser.parse_args()
    if not asked.report:
        measure(asked.parts, asked.trials, asked.output, asked.workers)
        return
    found, pictures = known(asked.output), asked.report.with_suffix("")
    draw_plots(found, pictures)
    if asked.sheets:
        draw_sheets(Trials(load_model(), load_judge()), pictures)
    before = asked.report.read_text(encoding="utf-8") if asked.report.exists() else ""
    asked.report.write_text(evidence(found, pictures=pictures, before=before), encoding="utf-8")


if __name__ == "__main__":
    main()
