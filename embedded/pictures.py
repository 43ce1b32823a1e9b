"""Patterned shapes on a plain background: the pictures the embedded model is trained and measured on.

The caption names the shape, never the colours, and the pattern only now and then. Text can therefore ask
for *what*; only an image prompt can say *which details*.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

SIZE = 128
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross",
          "ring", "diamond", "crescent", "arrow", "drop", "flower")
PATTERNS = ("striped", "barred", "diagonal", "dotted", "checked", "wavy",
            "gridded", "speckled", "shaded", "ringed", "latticed", "split")
TEMPLATES = ("{}", "{}", "{}", "a picture of {}", "a photo of {}", "a drawing of {}")

EMPTY_SHARE = 0.12
PATTERN_SHARE = 0.12
PAIR_SHARE = 0.3
_HUES = 12
_OVERSAMPLING = 3

Colour = tuple[float, float, float]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Material:
    """What an image prompt should carry over: a pattern in two colours, laid out from the shape's centre.

    `scale` is its period in pixels, `seed` places the blots of "speckled".
    """

    pattern: str
    base: Colour
    ink: Colour
    scale: float
    seed: int

    @property
    def hue_bin(self) -> int:
        return int(colorsys.rgb_to_hsv(*self.base)[0] * _HUES) % _HUES


@dataclass(frozen=True)
class Item:
    """One shape in the picture: centre and radius in pixels, angle in radians."""

    shape: str
    centre: tuple[float, float]
    radius: float
    angle: float


@dataclass(frozen=True)
class Scene:
    """A picture: one material, one or two shapes made of it, a plain background, and its caption."""

    items: tuple[Item, ...]
    material: Material
    background: Colour
    caption: str

    @property
    def shape(self) -> str:
        return self.items[0].shape

    @property
    def held_out(self) -> bool:
        return any(is_held_out(item.shape, self.material.pattern, self.material.hue_bin) for item in self.items)


def is_held_out(shape: str, pattern: str, hue_bin: int) -> bool:
    """Whether this shape x pattern x colour combination (one in ten) is never drawn in training."""
    return (7 * SHAPES.index(shape) + PATTERNS.index(pattern) + 3 * hue_bin) % 10 == 0


def _regular(corners: int, radius: float = 1.0, turn: float = 0.0) -> Points:
    angles = (turn - math.pi / 2 + 2 * math.pi * i / corners for i in range(corners))
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


def _circle(radius: float = 1.0, centre: tuple[float, float] = (0.0, 0.0)) -> Points:
    return [(x + centre[0], y + centre[1]) for x, y in _regular(64, radius)]


def _polar(radius_of) -> Points:
    angles = [2 * math.pi * i / 120 for i in range(120)]
    return [(radius_of(a) * math.cos(a), radius_of(a) * math.sin(a)) for a in angles]


def _heart() -> Points:
    turns = [2 * math.pi * i / 90 for i in range(90)]
    return [(16 * math.sin(t) ** 3 / 16.5,
             -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16.0 - 0.1)
            for t in turns]


def _star() -> Points:
    outer, inner = _regular(5, 1.15), _regular(5, 0.53, math.pi / 5)
    return [point for pair in zip(outer, inner, strict=True) for point in pair]


def _cross(arm: float = 0.42) -> Points:
    a = arm
    return [(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a)]


def _drop() -> Points:
    turns = [2 * math.pi * i / 90 for i in range(90)]
    return [(0.95 * math.sin(t) * math.sin(t / 2) ** 1.3, -1.1 * math.cos(t)) for t in turns]


_ARROW = [(-1.05, -0.36), (0.05, -0.36), (0.05, -0.95), (1.1, 0.0), (0.05, 0.95), (0.05, 0.36), (-1.05, 0.36)]
_SQUARE = [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]
_DIAMOND = [(0, -1.15), (0.95, 0), (0, 1.15), (-0.95, 0)]

# shape -> (outline, hole or None), in units of the radius, y down
_OUTLINES: dict[str, tuple[Points, Points | None]] = {
    "circle": (_circle(), None),
    "square": (_SQUARE, None),
    "triangle": ([(x, y + 0.2) for x, y in _regular(3, 1.2)], None),
    "star": (_star(), None),
    "heart": (_heart(), None),
    "cross": (_cross(), None),
    "ring": (_circle(1.05), _circle(0.46)),
    "diamond": (_DIAMOND, None),
    "crescent": (_circle(1.05), _circle(0.8, (0.55, -0.14))),
    "arrow": (_ARROW, None),
    "drop": (_drop(), None),
    "flower": (_polar(lambda a: 0.8 + 0.32 * math.cos(5 * a + math.pi / 2)), None),
}


def shape_mask(item: Item, size: int = SIZE) -> np.ndarray:
    """Coverage of the shape, [size, size] float in 0..1, anti-aliased."""
    canvas = Image.new("L", (size * _OVERSAMPLING,) * 2)
    draw = ImageDraw.Draw(canvas)
    cos, sin = math.cos(item.angle), math.sin(item.angle)
    for points, ink in zip(_OUTLINES[item.shape], (255, 0), strict=False):
        if points:
            draw.polygon([((item.centre[0] + item.radius * (x * cos - y * sin)) * _OVERSAMPLING,
                           (item.centre[1] + item.radius * (x * sin + y * cos)) * _OVERSAMPLING)
                          for x, y in points], fill=ink)
    return np.asarray(canvas.reduce(_OVERSAMPLING), np.float32) / 255


def _soft(signed_pixels: np.ndarray) -> np.ndarray:
    return np.clip(signed_pixels + 0.5, 0, 1)


def _band(u: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Bands of period 1 in `u` that cover `share` of it; distance from the band's edge, in periods."""
    return share / 2 - np.abs(u - np.round(u))


def pattern_ink(material: Material, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """How much of the ink colour lies at pixel offsets x, y from the shape's centre, 0..1."""
    s = material.scale
    u, v = x / s, y / s
    match material.pattern:
        case "striped":
            return _soft(_band(v) * s)
        case "barred":
            return _soft(_band(u) * s)
        case "diagonal":
            return _soft(_band((u + v) / math.sqrt(2)) * s)
        case "dotted":
            return _soft((0.32 - np.hypot(u - np.round(u), v - np.round(v))) * s)
        case "checked":
            return _soft(np.minimum(np.abs(_band(u / 1.3)), np.abs(_band(v / 1.3)))
                         * np.sign(_band(u / 1.3) * _band(v / 1.3)) * s * 1.3)
        case "wavy":
            return _soft(_band(v * 0.9 + 0.28 * np.sin(2 * math.pi * u * 0.7)) * s)
        case "gridded":
            return _soft(np.maximum(_band(u, 0.24), _band(v, 0.24)) * s)
        case "speckled":
            return _speckle(material, x, y)
        case "shaded":
            return np.clip(0.5 + y / (1.8 * radius), 0, 1)
        case "ringed":
            return _soft(_band(np.hypot(x, y) / s) * s)
        case "latticed":
            return _soft(np.maximum(_band((u + v) / 1.8, 0.26), _band((u - v) / 1.8, 0.26)) * s * 1.3)
        case "split":
            return _soft(x)
    raise ValueError(f"no such pattern: {material.pattern}")


def _speckle(material: Material, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(material.seed)
    blots = rng.uniform(-64, 64, (150, 2))
    sizes = rng.uniform(1.6, 3.6, 150)
    ink = np.zeros_like(x)
    for (bx, by), blot in zip(blots, sizes, strict=False):
        rows = np.abs(y[:, 0] - by) < blot + 1
        columns = np.abs(x[0] - bx) < blot + 1
        window = np.ix_(rows, columns)
        ink[window] = np.maximum(ink[window], _soft(blot - np.hypot(x[window] - bx, y[window] - by)))
    return ink


def draw(scene: Scene, size: int = SIZE) -> np.ndarray:
    """The picture, [size, size, 3] uint8."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) + 0.5
    picture = np.broadcast_to(np.asarray(scene.background, np.float32), (size, size, 3)).copy()
    base, ink = (np.asarray(c, np.float32) for c in (scene.material.base, scene.material.ink))
    for item in scene.items:
        amount = pattern_ink(scene.material, columns - item.centre[0], rows - item.centre[1], item.radius)[..., None]
        inside = shape_mask(item, size)[..., None]
        picture = picture * (1 - inside) + inside * (base * (1 - amount) + ink * amount)
    return np.round(picture * 255).astype(np.uint8)


def edge_map(scene: Scene, size: int = SIZE) -> np.ndarray:
    """White outline of the shapes on black, [size, size, 3] uint8: the ControlNet's hint."""
    inside = np.max([shape_mask(item, size) for item in scene.items], axis=0)
    slope = np.hypot(*np.gradient(inside))
    return np.repeat((np.clip(slope * 3, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def random_scene(rng: np.random.Generator, *, shape: str | None = None, pattern: str | None = None,
                 pair_share: float = 0.0, held_out: bool = False) -> Scene:
    """A random picture on the wanted side of the hold-out rule, optionally with shape and pattern given."""
    while True:
        scene = _any_scene(rng, shape, pattern, rng.random() < pair_share)
        if scene.held_out == held_out:
            return scene


def training_scenes(seed: int, count: int) -> Iterator[Scene]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield random_scene(rng, pair_share=PAIR_SHARE)


def with_shape(scene: Scene, shape: str) -> Scene:
    """The same material and place, another shape: what a perfect cross-prompt answer could look like."""
    return replace(scene, items=(replace(scene.items[0], shape=shape),), caption=with_article(shape))


def _any_scene(rng: np.random.Generator, shape: str | None, pattern: str | None, pair: bool) -> Scene:
    shapes = [shape or str(rng.choice(SHAPES))] + ([str(rng.choice(SHAPES))] if pair else [])
    pattern = pattern or str(rng.choice(PATTERNS))
    base, ink, background = _colours(rng)
    material = Material(pattern, base, ink, float(rng.uniform(23, 27)), int(rng.integers(2**31)))
    items = tuple(Item(s, *place, float(rng.uniform(-0.15, 0.15)))
                  for s, place in zip(shapes, _places(rng, pair), strict=False))
    return Scene(items, material, background, _caption(rng, shapes, pattern))


def _places(rng: np.random.Generator, pair: bool) -> list[tuple[tuple[float, float], float]]:
    if not pair:
        return [((64 + float(rng.uniform(-5, 5)), 64 + float(rng.uniform(-5, 5))), float(rng.uniform(43, 52)))]
    turn = rng.uniform(0, math.pi)
    reach = np.array([math.cos(turn), math.sin(turn)]) * 31 / max(abs(math.cos(turn)), abs(math.sin(turn)))
    return [((float(64 + side * reach[0] + rng.uniform(-2, 2)), float(64 + side * reach[1] + rng.uniform(-2, 2))),
             float(rng.uniform(23, 28))) for side in (-1, 1)]


def _colours(rng: np.random.Generator) -> tuple[Colour, Colour, Colour]:
    while True:
        base, ink, background = (_colour(rng) for _ in range(3))
        gaps = [math.dist(base, ink), math.dist(base, background), math.dist(ink, background)]
        if gaps[0] > 0.55 and min(gaps[1:]) > 0.4:
            return base, ink, background


def _colour(rng: np.random.Generator) -> Colour:
    hue, kind = rng.random(), rng.random()
    if kind < 0.12:
        return colorsys.hsv_to_rgb(hue, rng.uniform(0, 0.15), rng.uniform(0.85, 1))
    if kind < 0.22:
        return colorsys.hsv_to_rgb(hue, rng.uniform(0, 0.5), rng.uniform(0.05, 0.25))
    return colorsys.hsv_to_rgb(hue, rng.uniform(0.5, 1), rng.uniform(0.5, 1))


def _caption(rng: np.random.Generator, shapes: list[str], pattern: str) -> str:
    chance = rng.random()
    if chance < EMPTY_SHARE:
        return ""
    adjective = f"{pattern} " if chance < EMPTY_SHARE + PATTERN_SHARE else ""
    return str(rng.choice(TEMPLATES)).format(" and ".join(with_article(adjective + s) for s in shapes))


def with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
