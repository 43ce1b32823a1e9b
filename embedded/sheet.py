"""Sheets of pictures with captions: rows of cells, each a picture and a line of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

CELL, CAPTION, GAP, TITLE = 160, 20, 8, 30


@dataclass(frozen=True)
class Cell:
    picture: Image.Image
    caption: str = ""


def save_sheet(path: Path, title: str, rows: list[list[Cell]], **options: int) -> Path:
    """Write the sheet as its name says, a PNG or a JPEG, with Pillow's options for it."""
    width = max(len(row) for row in rows) * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (width, TITLE + len(rows) * (CELL + CAPTION + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), title, "black", ImageFont.load_default(15))
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            left, top = GAP + x * (CELL + GAP), TITLE + GAP + y * (CELL + CAPTION + GAP)
            sheet.paste(cell.picture.resize((CELL, CELL), Image.Resampling.BICUBIC), (left, top))
            draw.text((left + 2, top + CELL + 3), _fitting(draw, cell.caption), "black", ImageFont.load_default(12))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, **options)
    return path


def _fitting(draw: ImageDraw.ImageDraw, text: str) -> str:
    font = ImageFont.load_default(12)
    while draw.textlength(text, font) > CELL and len(text) > 1:
        text = text[:-2] + "…"
    return text
