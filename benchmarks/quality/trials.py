"""What is generated: pictures of combinations that were never drawn in training, prompts for another shape, seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedded.pictures import SHAPES, Scene, random_scene, with_article

NOISES = 4
"""Every picture and prompt is generated from so many noises: between them is the diversity."""
HELD_OUT = 10_000
"""Trials from here on are for the final figures, those before for choosing settings."""


@dataclass(frozen=True)
class Trial:
    """A picture, the shape that is wanted and its prompt, and the seeds of the noises: the same ones in every arm."""

    number: int
    scene: Scene
    shape: str
    prompt: str
    seeds: tuple[int, ...]


def trial(number: int, prompt: str = "another shape") -> Trial:
    """With the prompt "none" the picture's own shape is what is wanted."""
    rng = np.random.default_rng([79, number])
    scene = random_scene(rng, held_out=True)
    other = str(rng.choice([shape for shape in SHAPES if shape != scene.shape]))
    seeds = tuple(NOISES * number + each for each in range(NOISES))
    if prompt == "none":
        return Trial(number, scene, scene.shape, "", seeds)
    return Trial(number, scene, other, with_article(other), seeds)
