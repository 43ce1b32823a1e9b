"""Two of the trends of docs/evidence.md on a few seeded trials: they hold, and with noise in place of the picture's
values neither does."""

from __future__ import annotations

import dataclasses
from statistics import mean

import pytest
import torch

from benchmarks.quality.arm import ALL, Arm
from benchmarks.quality.generating import Trials
from benchmarks.quality.trials import trial
from embedded.checkpoint import load_judge, load_model
from lib_indetail.bank.recording import Recorder

BY_ATTENTION_ALONE = {**ALL, "stratified_until": 1.0, "lambda_image": 0.67, "adain": 0.0, "nodes": 10}


def colour_error(**settings) -> float:
    """How far the colours inside the shapes are off; four pictures with two noises each."""
    trials, arm = Trials(load_model(), load_judge()), Arm({**BY_ATTENTION_ALONE, **settings}, steps=8)
    given = (trial(number) for number in range(4))
    return mean(trials.figures(dataclasses.replace(each, seeds=each.seeds[:2]), arm)["colour error"] for each in given)


def lambda_carries_colours() -> float:
    """How much nearer the picture's colours are at lambda 0.67 than at 0 (the paper's table B)."""
    return colour_error(lambda_image=0.0) - colour_error()


def conflict_costs_colours() -> float:
    """How much nearer they are where only the positive side of guidance reads the picture (table A)."""
    return colour_error(guidance=0.0) - colour_error()


TRENDS = {lambda_carries_colours: 0.3, conflict_costs_colours: 0.1}


@pytest.fixture
def noise_for_values(monkeypatch):
    """The picture's values are noise of their own mean and spread."""
    whole = Recorder.bank
    generator = torch.Generator().manual_seed(0)

    def noisy(self, *given):
        return {name: (keys, values.mean() + values.std() * torch.randn(values.shape, generator=generator))
                for name, (keys, values) in whole(self, *given).items()}

    monkeypatch.setattr(Recorder, "bank", noisy)


@pytest.mark.parametrize("trend", TRENDS, ids=lambda trend: trend.__name__)
def test_the_trend_holds(trend):
    assert trend() > TRENDS[trend]


@pytest.mark.parametrize("trend", TRENDS, ids=lambda trend: trend.__name__)
def test_it_does_not_hold_with_noise_for_the_pictures_values(trend, noise_for_values):
    assert trend() < 0.8 * TRENDS[trend]
