"""Figures of what was generated, exact on the embedded model's drawings: what it shows is known."""

from __future__ import annotations

from itertools import combinations

import torch
from torch.nn import functional

from benchmarks.quality.trials import Trial
from embedded.demo import picture_of
from embedded.judge import Judge, inside_colour, is_inside
from embedded.pictures import PATTERNS, SHAPES
from lib_indetail.pictures.convert import picture_tensor

LARGEST = 3**0.5
"""Distance of black and white, RGB in 0..1."""
CELL, PATCH, NEAR = 4, 5, 1
"""Patches are told by pixels in cells of 4 x 4; so many cells wide; one that is so many away is at the same place."""


@torch.no_grad()
def figures(judge: Judge, made: torch.Tensor, trial: Trial) -> dict[str, float]:
    """Of a trial's pictures [n, 3, H, W] in -1..1, means over its noises.

    text: how often the shape is the prompt's. pattern: how often the pattern is the picture's. colour error: distance
    of the mean colours inside the shapes, colours: 1 less its share of the largest. image: mean of pattern and colours.
    copied: how often the shape is the picture's own. diversity: mean difference between noises, 0..1. novelty: see
    there.
    """
    shapes, patterns = judge(made.clamp(-1, 1))
    drawn = picture_tensor(picture_of(trial.scene))
    colours = inside_colour(torch.cat([made, drawn]))
    error = float((colours[:-1] - colours[-1]).norm(dim=1).mean())
    pattern = _share(patterns, PATTERNS.index(trial.scene.material.pattern))
    alike = 1 - error / LARGEST
    return {"text": _share(shapes, SHAPES.index(trial.shape)), "pattern": pattern, "colours": alike,
            "image": (pattern + alike) / 2, "colour error": error,
            "copied": _share(shapes, SHAPES.index(trial.scene.shape)), "diversity": diversity(made),
            "novelty": novelty(made, drawn)}


def diversity(made: torch.Tensor) -> float:
    pairs = list(combinations(made.clamp(-1, 1), 2))
    return float(torch.stack([(a - b).abs().mean() / 2 for a, b in pairs]).mean()) if pairs else 0.0


def novelty(made: torch.Tensor, drawn: torch.Tensor) -> float:
    """Of the patches of made pictures [n, 3, H, W], but for those of background, the share whose nearest patch of the
    picture [1, 3, H, W] lies elsewhere than at their own place: 0 is a copy. 1 where there is background alone."""
    of_picture, _ = _patches(drawn.clamp(-1, 1))
    patches, inside = _patches(made.clamp(-1, 1))
    nearest = torch.cdist(patches, of_picture.expand(len(patches), -1, -1)).argmin(-1)
    width = drawn.shape[-1] // CELL - PATCH + 1
    own = torch.arange(nearest.shape[-1])
    away = torch.maximum((nearest // width - own // width).abs(), (nearest % width - own % width).abs())
    return float((away[inside] > NEAR).float().mean()) if inside.any() else 1.0


def _patches(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[n, patches, numbers], and whether the middle of each is no background [n, patches]."""
    cells, inside = (functional.avg_pool2d(each, CELL) for each in (pictures, is_inside(pictures)))
    edge = PATCH // 2
    middles = inside[..., edge:-edge, edge:-edge].flatten(1) > 0.5
    return functional.unfold(cells, PATCH).transpose(1, 2), middles


def _share(logits: torch.Tensor, wanted: int) -> float:
    return float((logits.argmax(1) == wanted).float().mean())
