"""Many trials of many arms, several at once: line by line into a file, so that it goes on where it was broken off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

import torch
from tqdm import tqdm

from benchmarks.quality.arm import Arm
from benchmarks.quality.arms import PARTS
from benchmarks.quality.generating import Trials
from benchmarks.quality.trials import HELD_OUT
from embedded.checkpoint import load_judge, load_model

Done = tuple[str, str, int]
"""What was measured of which arm (its key) in which trial."""


def known(folder: Path) -> dict[Done, dict[str, float]]:
    """What was measured before; a line that was cut off is left out."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
                found[row["measured"], row["arm"], row["trial"]] = row["figures"]
            except (ValueError, KeyError):
                continue
    return found


def missing(parts: Sequence[str], count: int, folder: Path) -> dict[int, list[tuple[str, Arm]]]:
    """What was not measured yet of the first `count` trials of parts, by trial; arms that parts share once."""
    done, wanted = known(folder), {}
    for part in map(PARTS.get, parts):
        first = HELD_OUT if part.held_out else 0
        for number in range(first, first + min(count, part.most or count)):
            for arm in part.arms.values():
                if (part.measured, arm.key, number) not in done:
                    wanted.setdefault(number, {})[part.measured, arm.key] = arm
    return {number: [(what, arm) for (what, _), arm in arms.items()] for number, arms in wanted.items()}


def measure(parts: Sequence[str], count: int, folder: Path, workers: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    jobs = missing(parts, count, folder)
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


def _measured(number: int, arms: Sequence[tuple[str, Arm]]) -> list[dict]:
    return [{"measured": what, "arm": arm.key, "trial": number, "figures": _trials().measure(what, number, arm)}
            for what, arm in arms]


@cache
def _trials() -> Trials:
    return Trials(load_model(), load_judge())


def _one_thread() -> None:
    torch.set_num_threads(1)
