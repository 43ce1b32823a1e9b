"""Sheets of strips: a row for each arm, a column for each frame, of the first pairs of a kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.quality.between.arms import DENOISING, FRAMES, INNER, OUTER, PURE_INNER, PURE_OUTER, SAME, TEXT
from benchmarks.quality.between.pairs import PATTERN, SHAPE, Pair, pair
from benchmarks.quality.between.picture_strips import between_pictures, settings_of
from benchmarks.quality.between.report import sheet_file
from benchmarks.quality.between.weaving import SCALE, Weaver
from benchmarks.quality.trials import HELD_OUT, Trial, trial
from embedded.demo import picture_of
from lib_indetail.ask.interpolating import IMAGE_PROMPTS, MORPH

STRIPS = 3
CELL, GAP, LABEL, TITLE = 80, 2, 150, 22
QUALITY = {"quality": 82, "optimize": True}
"""Small files: the repository keeps them."""
ROWS = OUTER, INNER, PURE_OUTER, PURE_INNER, TEXT, DENOISING
WAYS = {"image prompts, layout": (IMAGE_PROMPTS, "layout"), "image prompts, concept": (IMAGE_PROMPTS, "concept"),
        "morph, layout": (MORPH, "layout")}
MORPH_SCALE = 1.0
"""An empty prompt and a low scale, as the documentation advises."""


@dataclass(frozen=True)
class Line:
    """A title, or a label with pictures [n, H, W, 3] of 0..255."""

    label: str
    pictures: Sequence[np.ndarray] = ()


def draw_sheets(weaver: Weaver, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    lines = {"shapes": _of_kind(weaver, SHAPE), "patterns": _of_kind(weaver, PATTERN), "pictures": _of_pictures(weaver)}
    return [save(list(each), folder / sheet_file(name)) for name, each in lines.items()]


def first_pairs(kind: str) -> list[Pair]:
    """None chosen."""
    return list(islice((each for each in map(pair, count()) if each.kind == kind), STRIPS))


def _of_kind(weaver: Weaver, kind: str) -> Iterator[Line]:
    for given in first_pairs(kind):
        yield Line(f'"{given.first}" to "{given.last}", the same noise at both ends')
        for name in ROWS:
            yield Line(name, weaver.strip(given, SAME[name]))


def _of_pictures(weaver: Weaver) -> Iterator[Line]:
    for number in range(STRIPS):
        first, last = trial(HELD_OUT + 2 * number), trial(HELD_OUT + 2 * number + 1)
        yield Line(f'Two pictures; image prompts with "{first.prompt}", a morph with no prompt')
        ends = [np.asarray(picture_of(each.scene)) for each in (first, last)]
        for label, way in WAYS.items():
            yield Line(label, [ends[0], *_between(weaver, first, last, *way), ends[1]])


def _between(weaver: Weaver, first: Trial, last: Trial, kind: str, between: str) -> np.ndarray:
    prompt, scale = ("", MORPH_SCALE) if kind == MORPH else (first.prompt, SCALE)
    return between_pictures(weaver.model, (first.scene, last.scene), settings_of(kind, between, FRAMES), prompt, scale,
                            first.seeds[0])


def save(lines: Sequence[Line], path: Path) -> Path:
    """Lines from top to bottom, as a JPEG."""
    columns = max(len(line.pictures) for line in lines)
    heights = [CELL + GAP if len(line.pictures) else TITLE for line in lines]
    sheet = Image.new("RGB", (LABEL + columns * (CELL + GAP), sum(heights) + GAP), "white")
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(12), GAP
    for line, height in zip(lines, heights, strict=True):
        draw.text((4, top + (4 if height == TITLE else CELL // 2 - 8)), line.label, "black", font)
        for column, picture in enumerate(line.pictures):
            small = Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.BICUBIC)
            sheet.paste(small, (LABEL + column * (CELL + GAP), top))
        top += height
    sheet.save(path, **QUALITY)
    return path
