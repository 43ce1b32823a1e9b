"""Tables and masks as pictures, for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

COLOURS = np.array([(13, 8, 40), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], float)
"""From 0 to 1, dark to light."""
CELL = 34, 18
MARGIN, LINE = 8, 16
INK, PAPER = (235, 235, 235), (24, 24, 27)


def colours(values: np.ndarray) -> np.ndarray:
    """Numbers in 0..1 as RGB, [..., 3] of 8 bits."""
    at = np.clip(np.nan_to_num(values), 0, 1) * (len(COLOURS) - 1)
    low = np.minimum(at.astype(int), len(COLOURS) - 2)
    part = (at - low)[..., None]
    return ((1 - part) * COLOURS[low] + part * COLOURS[low + 1]).round().astype(np.uint8)


def heat_map(values: torch.Tensor, rows: Sequence[str], columns: Sequence[str], title: str) -> Image.Image:
    """A table of numbers in 0..1 [rows, columns], each cell in its colour and with its number."""
    font = ImageFont.load_default()
    aside = max(int(font.getlength(row)) for row in rows) + 2 * MARGIN
    width = max(aside + CELL[0] * len(columns), int(font.getlength(title)) + MARGIN) + MARGIN
    top = MARGIN + 2 * LINE
    picture = Image.new("RGB", (width, top + CELL[1] * len(rows) + MARGIN), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN), title, INK, font)
    for column, label in enumerate(columns):
        draw.text((aside + CELL[0] * column + 3, MARGIN + LINE), label, INK, font)
    shown = colours(values.numpy())
    for row, label in enumerate(rows):
        y = top + CELL[1] * row
        draw.text((MARGIN, y + 3), label, INK, font)
        for column in range(len(columns)):
            x, value = aside + CELL[0] * column, float(values[row, column])
            colour = tuple(int(part) for part in shown[row, column])
            draw.rectangle((x, y, x + CELL[0] - 2, y + CELL[1] - 2), colour)
            draw.text((x + 5, y + 3), f"{value:.2f}", INK if sum(colour) < 380 else PAPER, font)
    return picture


def enlarged(mask: torch.Tensor, size: tuple[int, int]) -> Image.Image:
    """A mask of numbers in 0..1 [h, w] as a grey picture of that size, its cells as squares."""
    grey = Image.fromarray((mask.float().clamp(0, 1) * 255).round().byte().cpu().numpy())
    return grey.resize(size, Image.Resampling.NEAREST)


def layer_label(name: str) -> str:
    """output_blocks.3.1.transformer_blocks.0.attn1 -> output 3, or output 3.7 for the eighth attention of a block."""
    block, _, rest = name.partition(".")
    numbers = [part for part in rest.split(".") if part.isdigit()]
    label = block.replace("_blocks", "").replace("_block", "")
    if len(numbers) > 2 and block != "middle_block":
        return f"{label} {numbers[0]}" + (f".{numbers[-1]}" if numbers[-1] != "0" else "")
    return label + (f" {numbers[-1]}" if numbers and numbers[-1] != "0" else "")
