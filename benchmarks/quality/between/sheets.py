"""Sheets of strips: a row for each arm, a column for each frame, of the first pairs of a kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.quality.between.arms import DENOISING, FRAMES, INNER, OUTER, OWN, PURE_INNER, PURE_OUTER, SAME, TEXT
from benchmarks.quality.between.pairs import PATTERN, SHAPE, Pair, pair, pictures
from benchmarks.quality.between.picture_strips import between_pictures, settings_of
from benchmarks.quality.between.report import sheet_file
from benchmarks.quality.between.weaving import SCALE, Weaver
from benchmarks.quality.trials import HELD_OUT, trial
from embedded.demo import picture_of
from embedded.pictures import SIZE, Scene, with_article
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
BLANK = np.full((SIZE, SIZE, 3), 255, np.uint8)


@dataclass(frozen=True)
class Line:
    """A title, or a label with pictures [n, H, W, 3] of 0..255."""

    label: str
    pictures: Sequence[np.ndarray] = ()


def draw_sheets(weaver: Weaver, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    lines = {"shapes": _shapes(weaver), "patterns": _patterns(weaver), "pictures": _pictures(weaver)}
    return [save(list(each), folder / sheet_file(name)) for name, each in lines.items()]


def first_pairs(kind: str) -> list[Pair]:
    """None chosen."""
    return list(islice((each for each in map(pair, count()) if each.kind == kind), STRIPS))


def _shapes(weaver: Weaver) -> Iterator[Line]:
    for given in first_pairs(SHAPE):
        yield Line(f'"{given.first}" to "{given.last}", the same noise at both ends')
        for name in ROWS:
            yield Line(name, weaver.strip(given, SAME[name]))


def _patterns(weaver: Weaver) -> Iterator[Line]:
    """By prompts in one way, and between pictures of what the prompts say."""
    for given in first_pairs(PATTERN):
        scenes, prompt = pictures(given), with_article(given.first.split()[-1])
        yield Line(f'"{given.first}" to "{given.last}", by prompts and by pictures')
        for label, arm in (("same noise", SAME[OUTER]), ("own noises", OWN[OUTER])):
            yield Line(f"prompts, {label}", [BLANK, *weaver.strip(given, arm)])
        yield from _between(weaver, scenes, prompt, given.seeds[0])


def _pictures(weaver: Weaver) -> Iterator[Line]:
    for number in range(HELD_OUT, HELD_OUT + 2 * STRIPS, 2):
        first, last = trial(number), trial(number + 1)
        yield Line(f'Two pictures; image prompts with "{first.prompt}", a morph with no prompt')
        yield from _between(weaver, (first.scene, last.scene), first.prompt, first.seeds[0])


def _between(weaver: Weaver, scenes: tuple[Scene, Scene], prompt: str, seed: int) -> Iterator[Line]:
    """The pictures stand at both sides of the frames."""
    first, last = (np.asarray(picture_of(scene)) for scene in scenes)
    for label, (kind, between) in WAYS.items():
        text, scale = ("", MORPH_SCALE) if kind == MORPH else (prompt, SCALE)
        frames = between_pictures(weaver.model, scenes, settings_of(kind, between, FRAMES), text, scale, seed)
        yield Line(label, [first, *frames, last])


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
