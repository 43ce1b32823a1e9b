"""`python -m benchmarks.scale`: how the cost grows with steps, resolution, batch size and cached pictures.

A UNet of SD 1.5's structure, narrower on a CPU, so that 1024x1024 can be waited for. The predictions are arithmetic on
the bounds of the same case: warm 1 + a, no bank 1 + c1 + a, one pass 1 + c1 (1 + 1 / steps) + a.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import torch
from torch import nn

from benchmarks.bounds import bounds, timed
from benchmarks.results import machine, write
from benchmarks.work import SD15, Work, random_unet
from lib_indetail.ask.settings import Settings
from lib_indetail.bank.memory import BankMemory

PLOT = Path(__file__).parent / "scale.png"
ARMS = ("plain", "warm", "no bank", "one pass")
BASE = dict(steps=4, size=256, batch=1, cached=0)
VARIED = dict(steps=(2, 4, 8, 16), size=(256, 512, 768, 1024), batch=(1, 2, 4), cached=(0, 100, 1000))
GROWTH = """\
Warm costs the extra attention alone: no more with steps, batch size or pictures, more with resolution, where
attention's share of a step grows with the square of the tokens until it is most of it. No bank adds one call of one row
to each step, which weighs the less the larger the batch; one pass adds the same and one call more. The bank grows with
steps and tokens, and not with batch size. A narrow UNet has a larger share of attention than a real one."""
SHOWN = dict(steps="steps", size="width and height", batch="batch size", cached="other image prompts in the bank")


def case(unet: nn.Module, narrow: bool, rounds: int, device: torch.device, dtype: torch.dtype, steps: int, size: int,
         batch: int, cached: int) -> dict[str, float]:
    """Every arm as a multiple of plain, and what is predicted, under "predicted warm" and so on."""
    if narrow and size > 256:
        steps, rounds = 2, 1
    work = Work(unet, batch, size // 8, steps, steps, device, dtype, settings=Settings(levels="all"))
    work.prepare()
    _fill(work, cached)
    calls = dict(zip(ARMS, (work.plain, work.warm, work.without_bank, work.over_all_levels("one pass")), strict=True))
    seconds = {name: [] for name in calls}
    for turn in range(rounds):
        for name in list(calls)[::1 if turn % 2 == 0 else -1]:
            seconds[name].append(timed(work, calls[name]))
    b = bounds(work, rounds)
    predicted = {"warm": 1 + b["a"], "no bank": 1 + b["c1"] + b["a"],
                 "one pass": 1 + b["c1"] * (1 + 1 / steps) + b["a"]}
    plain = median(seconds["plain"])
    return {**{name: median(each) / plain for name, each in seconds.items()},
            **{f"predicted {name}": value for name, value in predicted.items()},
            "MB": work.bank.bytes / 2**20}


def _fill(work: Work, pictures: int) -> None:
    """Levels of so many other pictures, small ones: what counts is how many there are to look through."""
    for number in range(pictures):
        memory = BankMemory(work.bank, f"picture {number}")
        for level in range(work.steps):
            memory.keep("image", 1.0 + level, {"layer": (torch.zeros(1, 1, 8), torch.zeros(1, 1, 8))})
    work.warm()


def section(results: dict[str, dict[int, dict[str, float]]], heading: str) -> str:
    lines = [f"## {heading}", "", "In brackets what the bounds of the case predict. One number is varied at a time, "
             "else 4 steps, 256x256, batch 1, nothing else in the bank; on a CPU above that 2 steps, 1 round.", "",
             GROWTH, "",
             "| | | warm | no bank | cold, one pass | bank |", "| --- | --- | --- | --- | --- | --- |"]
    for name, cases in results.items():
        for value, each in cases.items():
            ratios = " | ".join(f"{each[arm]:.2f} ({each[f'predicted {arm}']:.2f})" for arm in ARMS[1:])
            lines.append(f"| {SHOWN[name]} | {value} | {ratios} | {each['MB']:.0f} MB |")
    return "\n".join(lines) + "\n\n![growth](scale.png)\n"


def plot(results: dict[str, dict[int, dict[str, float]]]) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(results), figsize=(4 * len(results), 3.4), sharey=True)
    for axis, (name, cases) in zip(axes, results.items(), strict=True):
        for arm in ARMS[1:]:
            line, = axis.plot(list(cases), [each[arm] for each in cases.values()], "o-", label=arm)
            axis.plot(list(cases), [each[f"predicted {arm}"] for each in cases.values()], ":", color=line.get_color())
        axis.set_xlabel(SHOWN[name])
        axis.axhline(1, color="grey", linewidth=0.8)
    axes[0].set_ylabel("times plain (dotted: predicted)")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(PLOT, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    cuda = torch.cuda.is_available()
    device, dtype = torch.device("cuda" if cuda else "cpu"), torch.float16 if cuda else torch.float32
    unet = random_unet(device, dtype, **({} if cuda else {"model_channels": 64}))
    results = {name: {value: case(unet, not cuda, rounds, device, dtype, **{**BASE, name: value}) for value in values}
               for name, values in VARIED.items()}
    width = SD15["model_channels"] if cuda else 64
    text = section(results, f"Growth, {width} channels, {machine(cuda)}")
    print(text, flush=True)
    write(text)
    plot(results)


if __name__ == "__main__":
    main()
