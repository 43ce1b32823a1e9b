"""`python -m benchmarks.quality.between`: strips between two prompts, by the authors' figures, beside their baselines.

Every strip's figures are a line of a file under outputs/quality; `--report docs/evidence.md` makes a section of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.quality.between.arms import TABLES
from benchmarks.quality.between.measuring import Known, measure
from benchmarks.quality.between.report import put_into, section
from benchmarks.quality.between.sheets import draw_sheets
from benchmarks.quality.between.weaving import Weaver
from benchmarks.quality.measuring import known
from embedded.checkpoint import LatentDiffusion, load_model

FOLDER = Path("outputs/quality")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality.between", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=48, help="pairs of prompts, of three kinds in turn")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--report", type=Path, help="instead: a section on all that was measured, in this file in "
                                                    "place of the older one")
    parser.add_argument("--sheets", action="store_true", help="with a report: generate its contact sheets too, in a "
                                                              "folder of its name")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.report:
        report(asked.report, known(asked.output), asked.sheets)
    else:
        measure(Weaver(_model()), asked.tables, asked.pairs, asked.output)


def report(path: Path, found: Known, with_sheets: bool) -> None:
    pictures = path.with_suffix("")
    if with_sheets:
        draw_sheets(Weaver(_model()), pictures)
    before = path.read_text(encoding="utf-8")
    path.write_text(put_into(before, section(found, pictures)), encoding="utf-8")


def _model() -> LatentDiffusion:
    model = load_model()
    for network in (model.unet, model.vae):
        network.to(memory_format=torch.channels_last)
    return model


if __name__ == "__main__":
    main()
