"""`python -m benchmarks`: what reading a picture costs, as ratios to plain generation measured in the same run.

Writes a section of benchmarks/results.md. On a GPU the standard case is 512x512, on a CPU 256x256.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from statistics import median

import torch

from benchmarks.bounds import bounds, timed
from benchmarks.results import machine, write
from benchmarks.work import Work, random_unet
from lib_indetail.ask.reading import INVERSIONS

ALL_LEVELS = {f"cold, {inversion}": inversion for inversion in INVERSIONS}


def arms(work: Work) -> dict:
    """The first image with the default, and a later one; with every kind of inversion, over all levels."""
    return {"plain": work.plain, "default": work.cold(), "warm": work.warm, "no bank": work.without_bank,
            **{name: work.over_all_levels(inversion) for name, inversion in ALL_LEVELS.items()}}


def measure(work: Work, rounds: int,
            chosen: list[str]) -> tuple[dict[str, list[float]], dict[str, int], dict[str, int]]:
    """Seconds of every run (also as they come on stderr), rows that went through the UNet, bytes of device memory above
    plain."""
    work.prepare()
    calls = {name: call for name, call in arms(work).items() if name in chosen}
    seconds, rows, memory = {name: [] for name in calls}, {}, {}
    for turn in range(rounds):
        for name in list(calls)[::1 if turn % 2 == 0 else -1]:
            work.calls.clear()
            if work.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            seconds[name].append(timed(work, calls[name]))
            print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
            rows[name] = sum(work.calls)
            memory[name] = torch.cuda.max_memory_allocated() if work.device.type == "cuda" else 0
    return seconds, rows, {name: peak - memory["plain"] for name, peak in memory.items()}


def targets(batch: int, b: dict[str, float]) -> dict[str, float]:
    """The highest ratio that is aimed at, from the bounds of the same run."""
    c1, r, a = b["c1"], b["r"], b["a"]
    aims = {"default": {1: 1.25, 4: 1.08}.get(batch, 1.25), "warm": 1 + a + 0.02, "no bank": 1 + c1 + a + 0.08,
            "cold, DDIM": 1 + c1 + r + a + 0.10, "cold, one pass": 1 + c1 + a + 0.10}
    highest = {"no bank": 1.45, "cold, DDIM": 1.6, "cold, one pass": 1.6} if batch == 4 else {}
    return {name: min(aim, highest.get(name, aim)) for name, aim in aims.items()}


def section(work: Work, rounds: int, where: str, chosen: list[str]) -> str:
    """The default's row comes first, behind plain."""
    b = bounds(work)
    seconds, rows, memory = measure(work, rounds, chosen)
    plain, aims = median(seconds["plain"]), targets(work.batch, b)
    turns = median(ratio for _ in range(rounds) for ratio in work.in_turn(partial(timed, work)))
    lines = [f"## {8 * work.cells}x{8 * work.cells}, batch {work.batch}, {work.steps} steps, "
             f"{str(work.dtype).removeprefix('torch.')}, {where}", "",
             f"Medians of {rounds} runs. Step by step in turn, warm takes {turns:.3f} times plain. c1 = {b['c1']:.2f}, "
             f"r = {b['r']:.2f}, a = {b['a']:.3f}, h = {b['h']:.3f} plain steps; bank "
             f"{work.bank.bytes / 2**20:.0f} MB.", "",
             "| | times plain | aim | met | UNet rows | device memory above plain |",
             "| --- | --- | --- | --- | --- | --- |"]
    for name, each in seconds.items():
        ratio, aim = median(each) / plain, aims.get(name)
        met = "" if aim is None else "yes" if ratio <= aim else "no"
        above = f"{memory[name] / 2**20:.0f} MB" if work.device.type == "cuda" else ""
        lines.append(f"| {name} | {ratio:.2f} | {f'{aim:.2f}' if aim else ''} | {met} | {rows[name]} | {above} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    cuda = torch.cuda.is_available()
    every = ["plain", "default", "warm", "no bank", *ALL_LEVELS]
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--size", type=int, default=512 if cuda else 256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5 if cuda else 3)
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float16" if cuda else "float32")
    parser.add_argument("--only", nargs="+", choices=every[1:], default=every[1:], help="beside plain")
    arguments = parser.parse_args()
    device, dtype = torch.device("cuda" if cuda else "cpu"), getattr(torch, arguments.dtype)
    unet = random_unet(device, dtype)
    for batch in arguments.batch:
        work = Work(unet, batch, arguments.size // 8, arguments.steps, arguments.steps, device, dtype)
        text = section(work, arguments.rounds, machine(cuda), ["plain", *arguments.only])
        print(text, flush=True)
        write(text)


if __name__ == "__main__":
    main()
