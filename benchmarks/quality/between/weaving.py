"""Strips of one arm with the embedded model: frames as pictures, and how even they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from benchmarks.quality.between.arms import FRAMES, Arm
from benchmarks.quality.between.pairs import Pair
from embedded.checkpoint import LatentDiffusion
from embedded.generate import Request
from embedded.host import EmbeddedModel
from embedded.samplers import sample
from embedded.unet_calls import GuidedModel
from lib_indetail.ask.settings import Settings
from lib_indetail.inversion.inverter import ddim_nodes
from lib_indetail.methods.interpolation import Between, Interpolation, Phases
from lib_indetail.noise.window import position
from lib_indetail.pictures.convert import tensor_picture
from lib_indetail.run.generation import Generation
from lib_indetail.strip.coefficients import quantiles
from lib_indetail.strip.neighbours import apart, block_means, evenness

STEPS, SCALE = 20, 5.0
ALWAYS = 2.0
"""A position that no evaluation reaches."""


class Weaver:
    """Makes strips of `steps` DDIM steps, all frames of one in a batch."""

    def __init__(self, model: LatentDiffusion, steps: int = STEPS):
        self.model, self._steps = model, steps

    def strip(self, pair: Pair, arm: Arm, ts: Sequence[float] = tuple(quantiles(FRAMES))) -> np.ndarray:
        """Frames at `ts`, ascending from 0 to 1: [n, H, W, 3] of 0..255."""
        pictures = self.model.decode(self.latents(pair, arm, ts))
        return np.stack([np.asarray(tensor_picture(each)) for each in pictures])

    @torch.no_grad()
    def latents(self, pair: Pair, arm: Arm, ts: Sequence[float]) -> torch.Tensor:
        """[n, 4, h, w]"""
        last, first_seed, last_seed = len(ts) - 1, pair.seeds[0], pair.seeds[arm.own_seeds]
        texts = self.model.text([pair.first] * last + [pair.last])
        empty = self.model.text([""]).expand(len(ts), -1, -1)
        request = Request(pair.first, [first_seed] * last + [last_seed], steps=self._steps)
        method = self.method(arm, [Between(0, last, t) for t in ts])
        with Generation(EmbeddedModel(self.model), [], Settings(), method=method) as generation:
            return sample(GuidedModel(self.model, texts, empty, SCALE, generation), request, generation.started)

    def method(self, arm: Arm, strip: Sequence[Between]) -> Interpolation:
        """How the images of a strip are made, the ends among them."""
        if arm.texts == "blended":
            until = self.after(arm.share)
            return Interpolation(strip, Phases(arm.variant, until))
        turns = [self.after(1 - each.t) if arm.texts == "switched" else ALWAYS * (each.t <= 0.5) for each in strip]
        return InTurn(strip, turns)

    def after(self, share: float) -> float:
        """The position between the last step of the first `share` of them and the next step."""
        nodes, done = ddim_nodes(self._steps)[::-1], round(share * self._steps)
        if done in (0, self._steps):
            return ALWAYS if done else 0.0
        return (position(nodes[done - 1]) + position(nodes[done])) / 2


class InTurn(Interpolation):
    """No attention is changed and no text blended: each image has the first end's text before the position `turns` of
    its own, and the last end's from there on."""

    def __init__(self, strip: Sequence[Between], turns: Sequence[float]):
        super().__init__(strip, Phases("none"))
        self._turns = turns

    def rewritten(self, u, cond, uncond, text_of):
        rows = [each.first if u < turn else each.last for each, turn in zip(self._strip, self._turns, strict=True)]
        return cond[rows], uncond


def distances(frames: np.ndarray) -> list[float]:
    """Between neighbours, of the cosine of block means."""
    return [apart(first, second) for first, second in pairwise([block_means(frame) for frame in frames])]


def figures(frames: np.ndarray) -> dict[str, float]:
    """Of a strip [n, H, W, 3]."""
    return evenness(distances(frames))._asdict()
