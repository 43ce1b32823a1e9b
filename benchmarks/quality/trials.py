"""What is generated: pictures of combinations that were never drawn in training, prompts for another shape, seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedded.pictures import SHAPES, Scene, random_scene, with_article

NOISES = 2
"""Every picture and prompt is generated from so many noises: between them is the diversity."""
HELD_OUT = 10_000
"""Trials from here on are for the final figures, those before for choosing settings."""


@dataclass(frozen=True)
class Trial:
    """A picture, a prompt for `shape`, and the seeds of the noises. Noises are the same in every arm."""

    number: int
    scene: Scene
    shape: str
    seeds: tuple[int, ...]

    @property
    def prompt(self) -> str:
        return with_article(self.shape)


def trial(number: int) -> Trial:
    rng = np.random.default_rng([79, number])
    scene = random_scene(rng, held_out=True)
    shape = str(rng.choice([shape for shape in SHAPES if shape != scene.shape]))
    return Trial(number, scene, shape, tuple(NOISES * number + each for each in range(NOISES)))


def same_thing(number: int) -> Trial:
    """The picture of a trial, with a prompt for the very shape that it shows: image variation."""
    given = trial(number)
    return Trial(number, given.scene, given.scene.shape, given.seeds)
