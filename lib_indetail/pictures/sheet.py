"""A strip of images as one picture, with how far neighbours are apart; and as an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lib_indetail.pictures.heat_map import INK, LINE, MARGIN, PAPER
from lib_indetail.strip.neighbours import apart, block_means, evenness

BAR, PLOT = (188, 55, 84), 60
FRAME_MS, END_MS = 150, 600
"""How long a frame of an animation is shown, and either end."""


def side_by_side(frames: Sequence[Image.Image]) -> Image.Image:
    """All of the first one's size."""
    width, height = frames[0].size
    picture = Image.new("RGB", (width * len(frames), height))
    for number, frame in enumerate(frames):
        picture.paste(frame.convert("RGB"), (width * number, 0))
    return picture


def neighbours_apart(frames: Sequence[Image.Image]) -> list[float]:
    """Between each frame and the next."""
    features = [block_means(np.asarray(frame.convert("RGB"))) for frame in frames]
    return [apart(first, second) for first, second in pairwise(features)]


def sheet(frames: Sequence[Image.Image], ts: Sequence[float]) -> Image.Image:
    """The strip, and under it a bar for each step between two neighbours; the line below sums them up."""
    strip, distances = side_by_side(frames), neighbours_apart(frames)
    font, width = ImageFont.load_default(), frames[0].width
    picture = Image.new("RGB", (strip.width, strip.height + 2 * LINE + PLOT + 2 * MARGIN), PAPER)
    picture.paste(strip)
    draw, top = ImageDraw.Draw(picture), strip.height
    for number, t in enumerate(ts):
        draw.text((width * number + MARGIN, top + 2), f"{t:.3g}", INK, font)
    bottom, largest = top + LINE + MARGIN + PLOT, max(*distances, 1e-9)
    for number, distance in enumerate(distances, 1):
        left, right = width * number - width // 4, width * number + width // 4
        draw.rectangle((left, bottom - PLOT * distance / largest, right, bottom), BAR)
        draw.text((left + 2, bottom - LINE), f"{distance:.3f}", INK, font)
    of = evenness(distances)
    draw.text((MARGIN, bottom + 3), f"steps (1 - cos of 8 x 8 means): mean {of.consistency:.3f}, smoothness "
              f"{of.smoothness:.2f}, largest {of.largest:.3f}", INK, font)
    return picture


def animated(frames: Sequence[Image.Image], kind: str) -> bytes:
    """There and back again, as a file of "WebP" or "GIF"."""
    shown = [frame.convert("RGB") for frame in (*frames, *frames[-2:0:-1])]
    times = [END_MS if frame in (0, len(frames) - 1) else FRAME_MS for frame in range(len(shown))]
    data = io.BytesIO()
    shown[0].save(data, kind, save_all=True, append_images=shown[1:], duration=times, loop=0)
    return data.getvalue()
