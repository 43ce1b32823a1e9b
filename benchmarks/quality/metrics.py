"""Figures of what was generated, exact on the embedded model's drawings: what it shows is known."""

from __future__ import annotations

from itertools import combinations

import torch

from benchmarks.quality.trials import Trial
from embedded.demo import picture_of
from embedded.judge import Judge, inside_colour
from embedded.pictures import PATTERNS, SHAPES
from lib_indetail.pictures.convert import picture_tensor

LARGEST = 3**0.5
"""Distance of black and white, RGB in 0..1."""


@torch.no_grad()
def figures(judge: Judge, made: torch.Tensor, trial: Trial) -> dict[str, float]:
    """Of a trial's pictures [n, 3, H, W] in -1..1, means over its noises.

    text: how often the shape is the prompt's. pattern: how often the pattern is the picture's. colour error: distance
    of the mean colours inside the shapes, colours: 1 less its share of the largest. image: mean of pattern and colours.
    copied: how often the shape is the picture's own. diversity: mean difference between noises, 0..1.
    """
    shapes, patterns = judge(made.clamp(-1, 1))
    drawn = picture_tensor(picture_of(trial.scene))
    colours = inside_colour(torch.cat([made, drawn]))
    error = float((colours[:-1] - colours[-1]).norm(dim=1).mean())
    pattern = _share(patterns, PATTERNS.index(trial.scene.material.pattern))
    alike = 1 - error / LARGEST
    return {"text": _share(shapes, SHAPES.index(trial.shape)), "pattern": pattern, "colours": alike,
            "image": (pattern + alike) / 2, "colour error": error,
            "copied": _share(shapes, SHAPES.index(trial.scene.shape)), "diversity": diversity(made)}


def diversity(made: torch.Tensor) -> float:
    pairs = list(combinations(made.clamp(-1, 1), 2))
    return float(torch.stack([(a - b).abs().mean() / 2 for a, b in pairs]).mean()) if pairs else 0.0


def _share(logits: torch.Tensor, wanted: int) -> float:
    return float((logits.argmax(1) == wanted).float().mean())
