"""Attention distillation, an anchor of the benchmark: it goes where its loss is lower, and leaves nothing behind."""

from __future__ import annotations

import dataclasses

import torch

from benchmarks.quality import distillation
from benchmarks.quality.metrics import figures
from benchmarks.quality.trials import trial
from embedded.checkpoint import load_judge
from embedded.demo import picture_of
from embedded.generate import Request
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.pictures.convert import picture_tensor
from tests.small import randn

T = 300


def test_a_step_goes_nearer_to_what_the_picture_s_keys_give(embedded):
    layers = list(self_attention_layers(embedded.unet).values())[-distillation.LAYERS:]
    z, picture, empty = randn(2, 4, 16, 16, seed=1), randn(1, 4, 16, 16, seed=2), embedded.text([""]).detach()

    @torch.no_grad()
    def loss(latents):
        ours, theirs = (distillation._heads(embedded, layers, each, T, empty) for each in (latents, picture))
        return float(sum(distillation._distance(layer, ours[layer], theirs[layer]) for layer in layers))

    assert loss(distillation._nearer(embedded, layers, z, picture, T)) < 0.9 * loss(z)
    assert loss(picture) < 1e-4
    assert not any(getattr(layer, name)._forward_hooks for layer in layers for name in ("to_q", "to_k", "to_v"))


def test_results_have_the_picture_s_colours(embedded):
    given, judge = trial(1), load_judge()
    given = dataclasses.replace(given, seeds=given.seeds[:1])
    clean = embedded.encode(picture_tensor(picture_of(given.scene)))
    request = Request(given.prompt, given.seeds, steps=8)
    made = distillation.distilled(embedded, request, clean)
    assert not made.requires_grad
    assert figures(judge, embedded.decode(made), given)["colours"] > 0.9
