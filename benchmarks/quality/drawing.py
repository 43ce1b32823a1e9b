"""Plots of what was measured (with matplotlib), and contact sheets of the first trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from benchmarks.quality.arm import Arm, Part
from benchmarks.quality.arms import PARTS
from benchmarks.quality.bootstrap import Mean, mean
from benchmarks.quality.generating import Trials
from benchmarks.quality.report import NAMES, Figures, Known, by_arm, file_name
from benchmarks.quality.trials import HELD_OUT, trial
from embedded.demo import picture_of
from embedded.sheet import Cell, save_sheet
from lib_indetail.pictures.convert import tensor_picture

SHEETS = ("peers", "ahead", "table A, all blocks", "table B", "figure 6")
ROWS = 5
COLOURS = 10
"""So many a plot has; then they begin anew, with another mark."""
QUALITY = {"quality": 92, "subsampling": 0}
"""Of a sheet's JPEG: its pictures keep their colours."""


def draw_plots(known: Known, folder: Path) -> list[Path]:
    """A file for each part that was measured and has a plot."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_saved(plot, arms, folder / file_name(name, "plot")) for name, part in PARTS.items()
            if (plot := PLOTS.get(name)) and (arms := by_arm(known, part))]


def _saved(plot: Callable, arms: Mapping[str, Figures], path: Path) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4))
    plot(axes, {arm: {name: mean(values) for name, values in figures.items()} for arm, figures in arms.items()})
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
    return path


def front(axes, arms: Mapping[str, Mapping[str, Mean]]) -> None:
    """The picture's alignment against the text's."""
    for number, (arm, figures) in enumerate(arms.items()):
        x, y, mark = figures["image"], figures["text"], "os"[number // COLOURS % 2]
        axes.errorbar(x.value, y.value, _arms_of(y), _arms_of(x), fmt=mark, capsize=2, label=arm)
    axes.set_xlabel(f"{NAMES['image']} (pattern and colours)")
    axes.set_ylabel(NAMES["text"])


def rows(axes, arms: Mapping[str, Mapping[str, Mean]]) -> None:
    """Some figures, row by row of a table."""
    for figure in ("text", "image", "colours", "pattern"):
        values = [figures[figure] for figures in arms.values()]
        whiskers = [_arms_of(value) for value in values]
        axes.errorbar(range(len(arms)), [value.value for value in values],
                      [[w[0][0] for w in whiskers], [w[1][0] for w in whiskers]], fmt="o-", capsize=2,
                      label=NAMES[figure])
    axes.set_xticks(range(len(arms)), list(arms), rotation=20, ha="right", fontsize=8)


def by_step(axes, arms: Mapping[str, Mapping[str, Mean]]) -> None:
    """The gap of attention shares, step by step."""
    for arm, figures in arms.items():
        steps = [name for name in figures if name != "mean"]
        axes.plot([int(step) for step in steps], [figures[step].value for step in steps], "o-", label=arm)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_xlabel("step")
    axes.set_ylabel(NAMES["mean"])


def cost(axes, arms: Mapping[str, Mapping[str, Mean]]) -> None:
    """Error against rows of the UNet."""
    for arm, figures in arms.items():
        axes.errorbar(figures["rows"].value, figures["error"].value, _arms_of(figures["error"]), fmt="o", capsize=2)
        axes.annotate(arm, (figures["rows"].value, figures["error"].value), (5, 3), textcoords="offset points",
                      fontsize=8)
    axes.set_xlabel(NAMES["rows"])
    axes.set_ylabel(NAMES["error"])
    axes.set_yscale("log")


def _arms_of(value: Mean) -> list[list[float]]:
    return [[value.value - value.low], [value.high - value.value]]


PLOTS = {"peers": front, "ahead": front, "detail": front, "table A": rows, "table B": rows, "figure 6": rows,
         "search, text kept": front, "attention": by_step, "inversions": cost}


def draw_sheets(trials: Trials, folder: Path) -> list[Path]:
    """Of the first trials the first noise, none chosen."""
    return [_sheet(trials, name, PARTS[name], folder / file_name(name, "sheet")) for name in SHEETS]


def _sheet(trials: Trials, name: str, part: Part, path: Path) -> Path:
    lines = []
    for number in range(HELD_OUT, HELD_OUT + ROWS):
        cells = [Cell(_first(trials, number, arm), label) for label, arm in part.arms.items()]
        given = trial(number, next(iter(part.arms.values())).prompt)
        asked = f'"{given.prompt}" with this' if given.prompt else "no text, with this"
        lines.append([Cell(picture_of(given.scene), asked), *cells])
    return save_sheet(path, f"{name[0].upper()}{name[1:]}: the first trials, first noise, none chosen", lines,
                      **QUALITY)


def _first(trials: Trials, number: int, arm: Arm) -> Image.Image:
    given = trial(number, arm.prompt)
    return tensor_picture(trials.pictures(dataclasses.replace(given, seeds=given.seeds[:1]), arm)[0])
