"""Strips of many pairs, line by line into a file, so that it goes on where it was broken off."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from benchmarks.quality.between.adaptive import adaptive
from benchmarks.quality.between.arms import FRAMES, TABLES, Arm
from benchmarks.quality.between.pairs import Pair, pair
from benchmarks.quality.between.weaving import Weaver, figures
from benchmarks.quality.measuring import Done, appended, known

MEASURED = "strips"
Known = dict[Done, dict[str, float]]


def missing(tables: Sequence[str], count: int, done: Known) -> Iterator[tuple[int, Arm]]:
    """What was not measured yet of the first `count` pairs, table by table and there pair by pair."""
    wanted = dict.fromkeys((number, arm) for table in tables for number in range(count)
                           for arm in TABLES[table].values())
    return ((number, arm) for number, arm in wanted if (MEASURED, arm.key, number) not in done)


def measure(weaver: Weaver, tables: Sequence[str], count: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    jobs = list(missing(tables, count, known(folder)))
    with appended(folder / "between.jsonl") as file:
        for number, arm in tqdm(jobs, desc="strips"):
            found = measured(weaver, pair(number), arm)
            file.write(json.dumps({"measured": MEASURED, "arm": arm.key, "trial": number, "figures": found}) + "\n")
            file.flush()


def measured(weaver: Weaver, given: Pair, arm: Arm) -> dict[str, float]:
    if arm.tried:
        return figures(adaptive(partial(weaver.strip, given, arm), FRAMES, arm.tried))
    return figures(weaver.strip(given, arm))
