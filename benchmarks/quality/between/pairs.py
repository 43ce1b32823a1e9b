"""Between what: pairs of prompts with the seeds of their ends, the same ones in every arm.

The prompts name a shape, or a pattern and a shape, as the training captions do. No colours are named in them, so that
no pair can be held out of training: the combinations that were held out are of shape, pattern and colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedded.pictures import PATTERNS, SHAPES, Scene, random_scene, with_article

SHAPE, PATTERN, BOTH = KINDS = "shape to shape", "pattern to pattern", "both"
"""In turn, so that pairs are of all kinds equally."""


@dataclass(frozen=True)
class Pair:
    """Two prompts, and the seed that each end has where they have seeds of their own; the first is that of both
    otherwise."""

    number: int
    kind: str
    first: str
    last: str
    seeds: tuple[int, int]


def pair(number: int) -> Pair:
    rng = np.random.default_rng([80, number])
    kind = KINDS[number % len(KINDS)]
    shapes = [str(shape) for shape in rng.choice(SHAPES, 2, replace=False)]
    patterns = [f"{pattern} " for pattern in rng.choice(PATTERNS, 2, replace=False)]
    if kind == SHAPE:
        patterns = ["", ""]
    if kind == PATTERN:
        shapes = shapes[:1] * 2
    first, last = (with_article(pattern + shape) for pattern, shape in zip(patterns, shapes, strict=True))
    return Pair(number, kind, first, last, (2 * number, 2 * number + 1))


def pictures(given: Pair) -> tuple[Scene, Scene]:
    """Of a pair that names patterns: what its prompts say, as pictures of combinations that were held out of
    training."""
    rng = np.random.default_rng([81, given.number])
    first, last = (random_scene(rng, shape=shape, pattern=pattern, held_out=True) for _, pattern, shape in
                   (prompt.split() for prompt in (given.first, given.last)))
    return first, last
