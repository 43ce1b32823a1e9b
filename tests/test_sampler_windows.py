"""Windows for every sampler, scheduler and denoising strength: told by noise level, never by a count of calls."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from embedded.checkpoint import LatentDiffusion
from embedded.generate import Request
from embedded.model import CrossAttention
from embedded.samplers import SAMPLERS, SCHEDULERS, sample
from embedded.unet_calls import GuidedModel
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.bank.image_branch import branches
from lib_indetail.inversion.inverter import Inverter
from lib_indetail.methods.plans import IMAGE, of_one
from tests.small import Following, draw_weights, randn

STEPS = 8
WINDOWS = ((0.0, 1.0), (0.05, 0.5), (0.25, 0.75))
COMBINATIONS = [("ddim", "plain"), *((sampler, scheduler) for sampler in SAMPLERS[1:] for scheduler in SCHEDULERS)]


class Stub(nn.Module):
    """The least UNet that has a decoder self-attention."""

    def __init__(self):
        super().__init__()
        block = nn.Module()
        block.attn1 = CrossAttention(4, heads=1, dim_head=4)
        self.output_blocks = nn.ModuleList([block])

    def forward(self, x, timesteps=None, context=None, y=None):
        tokens = self.output_blocks[0].attn1(x.flatten(2).transpose(1, 2))
        return 0.3 * x + 0.1 * tokens.transpose(1, 2).reshape(x.shape)


class Watched(GuidedModel):
    """Keeps the sigma of every call."""

    def __call__(self, z, sigma, t=None):
        self.__dict__.setdefault("sigmas", []).append(sigma)
        return super().__call__(z, sigma, t)


@pytest.fixture(scope="module")
def model(schedule):
    return LatentDiffusion(draw_weights(Stub()), None, schedule, 1.0)


def recorded_and_called(model, request, window):
    """The noise levels at which something was recorded, and those of all calls."""
    chain = Inverter(model.schedule).renoise(randn(1, 4, 2, 2, seed=1), randn(1, 4, 2, 2, seed=2))
    recorded = []

    def latent_at(sigma):
        recorded.append(sigma)
        return chain.shown(model.schedule)(sigma)

    passes = {IMAGE: lambda z, timesteps: model.unet(z, timesteps)}
    text = torch.zeros(1, 1, 1)
    settings = Settings(start=window[0], end=window[1])
    with InDetailHooks(model.unet, branches(latent_at, passes), of_one(settings)) as hooks:
        guided = Watched(model, text, text, 3.0, Following(hooks, request.initial is None))
        result = sample(guided, request, lambda noise, sigma: noise)
    assert torch.isfinite(result).all()
    return recorded, guided.sigmas


def request_of(sampler, scheduler, denoising):
    initial = None if denoising is None else randn(1, 4, 2, 2, seed=3)
    return Request("", sampler=sampler, scheduler=scheduler, steps=STEPS, size=(2, 2), initial=initial,
                   denoising=denoising or 1.0)


def positions(schedule, sigmas, from_noise):
    timesteps = {sigma: schedule.timestep(sigma) for sigma in sigmas}
    first = 1000.0 if from_noise else timesteps[sigmas[0]]
    return {sigma: 1 - t / first for sigma, t in timesteps.items()}


@pytest.mark.parametrize("denoising", [None, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(("sampler", "scheduler"), COMBINATIONS)
def test_levels_are_recorded_where_the_window_says_and_nowhere_else(model, sampler, scheduler, denoising):
    for start, end in WINDOWS[1:]:
        recorded, sigmas = recorded_and_called(model, request_of(sampler, scheduler, denoising), (start, end))
        u = positions(model.schedule, sigmas, denoising is None)
        assert set(recorded) == {sigma for sigma in sigmas if start <= u[sigma] < end}


@pytest.mark.parametrize(("sampler", "scheduler"), COMBINATIONS)
def test_the_full_window_holds_every_call_from_pure_noise(model, sampler, scheduler):
    recorded, sigmas = recorded_and_called(model, request_of(sampler, scheduler, None), WINDOWS[0])
    assert set(recorded) == set(sigmas) and len(set(sigmas)) >= STEPS


def test_the_full_window_holds_every_call_of_an_img2img_pass(model):
    missed = []
    for sampler, scheduler in COMBINATIONS:
        for denoising in (0.3, 0.5, 1.0):
            recorded, sigmas = recorded_and_called(model, request_of(sampler, scheduler, denoising), WINDOWS[0])
            missed += [(sampler, scheduler, denoising)] if set(recorded) != set(sigmas) else []
    assert missed == []


def test_an_img2img_pass_may_begin_at_the_last_level(model):
    recorded_and_called(model, request_of("euler", "plain", 0.1), WINDOWS[0])
