"""`python -m benchmarks.quality`: the paper's tables in miniature, beside the peers; goes on where it was broken off.

Every figure of every trial is a line of a file under outputs/quality; `--report docs/evidence.md` makes tables of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

import torch
from tqdm import tqdm

from benchmarks.quality.arms import PARTS
from benchmarks.quality.generating import Trials
from benchmarks.quality.report import evidence
from benchmarks.quality.trials import HELD_OUT, NOISES, same_thing, trial
from embedded.checkpoint import load_judge, load_model

FOLDER = Path("outputs/quality")


def known(folder: Path) -> dict[tuple[str, str, int], dict[str, float]]:
    """What was measured before, by part, arm and trial; a line that was cut off is left out."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
                found[row["part"], row["arm"], row["trial"]] = row["figures"]
            except (ValueError, KeyError):
                continue
    return found


def missing(parts: list[str], numbers: range, folder: Path) -> dict[int, list[tuple[str, str]]]:
    """Parts and arms that were not measured yet, by trial."""
    done = known(folder)
    wanted = {number: [(part, arm) for part in parts for arm in PARTS[part] if (part, arm, number) not in done]
              for number in numbers}
    return {number: arms for number, arms in wanted.items() if arms}


def measure(parts: list[str], numbers: range, folder: Path, workers: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    jobs = missing(parts, numbers, folder)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool, \
            appended(folder / "figures.jsonl") as file, \
            tqdm(total=sum(map(len, jobs.values())), desc="arms of trials") as bar:
        for done in as_completed([pool.submit(_measured, number, arms) for number, arms in jobs.items()]):
            for row in done.result():
                file.write(json.dumps(row) + "\n")
                bar.update()
            file.flush()


def appended(path: Path) -> TextIO:
    """Open to write lines behind those that are there, the last of which may have been cut off."""
    cut_off = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    file = path.open("a", encoding="utf-8")
    file.write("\n" * cut_off)
    return file


def _measured(number: int, arms: list[tuple[str, str]]) -> list[dict]:
    return list(_rows(number, arms))


def _rows(number: int, arms: list[tuple[str, str]]) -> Iterator[dict]:
    trials = _trials()
    for part, name in arms:
        arm = PARTS[part][name]
        given = same_thing(number) if arm.same else trial(number)
        yield {"part": part, "arm": name, "trial": number, "figures": trials.figures(given, arm)}


@cache
def _trials() -> Trials:
    return Trials(load_model(), load_judge())


def _one_thread() -> None:
    torch.set_num_threads(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--trials", type=int, default=100, help=f"pictures with prompts, {NOISES} noises each")
    parser.add_argument("--held-out", action="store_true", help="pictures that no choice of settings has seen")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--report", type=Path, help="write tables of all that was measured to this file instead")
    asked = parser.parse_args()
    if asked.report:
        asked.report.write_text(evidence(known(asked.output), PARTS), encoding="utf-8")
        return
    first = HELD_OUT if asked.held_out else 0
    measure(asked.parts, range(first, first + asked.trials), asked.output, asked.workers)


if __name__ == "__main__":
    main()
