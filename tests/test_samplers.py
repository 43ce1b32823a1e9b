"""Every sampler on the embedded model: finite, with effect, and the image latent at the rows' own noise level."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from embedded.generate import Request, generate, prepare
from embedded.samplers import SAMPLERS
from lib_indetail.ask.settings import Settings
from lib_indetail.methods.plans import IMAGE
from tests.official import relative_error
from tests.small import as_v, randn

STEPS, SIZE = 6, (8, 8)
DETERMINISTIC = ("ddim", "euler", "heun", "dpm_2", "dpmpp_2m", "lms", "dpm_fast")


@pytest.fixture(scope="module", params=["eps", "v"])
def model(request, embedded):
    return embedded if request.param == "eps" else as_v(embedded)


@pytest.fixture(scope="module")
def image(model):
    """Structured like a picture's latent: smooth, of unit size."""
    latent = torch.nn.functional.interpolate(randn(1, 4, 4, 4, seed=11), size=SIZE, mode="bicubic")
    return prepare(model, latent, "a star", Settings(inversion="DDIM", nodes=10, levels="all"))


def request_of(sampler):
    return Request("a star", seeds=(3,), sampler=sampler, steps=STEPS, size=SIZE)


class Watch:
    """Main calls and record passes of a generation, in order."""

    def __init__(self, model, image):
        self.main, self.recorded = [], []

        def recording(z, timesteps):
            self.recorded.append((len(self.main) - 1, z.clone(), timesteps.clone()))
            return image.passes[IMAGE](z, timesteps)

        self.image = dataclasses.replace(image, passes={IMAGE: recording})
        self.handle = model.unet.register_forward_pre_hook(lambda _, args: self.main.append(args[1].clone()))


@pytest.fixture(params=SAMPLERS)
def generated(request, model, image):
    sampler = request.param
    watch = Watch(model, image)
    try:
        result = generate(model, request_of(sampler), watch.image)
    finally:
        watch.handle.remove()
    return sampler, result, watch


def sigma_of(schedule, t):
    """k-diffusion's level of a timestep: log sigma is linear between integers."""
    low = min(int(t), 998)
    sigmas = schedule.sigma(low), schedule.sigma(low + 1)
    return sigmas[0] * (sigmas[1] / sigmas[0]) ** (t - low)


def test_sampler_is_finite_has_effect_and_reads_the_latent_of_its_level(model, image, generated):
    sampler, result, watch = generated
    plain = generate(model, request_of(sampler))
    assert torch.isfinite(result).all()
    assert relative_error(result, plain) > 1e-2

    assert len(watch.recorded) >= STEPS
    for call, z, timesteps in watch.recorded:
        assert torch.equal(watch.main[call], timesteps.expand(2))
        assert relative_error(z, image.chain.shown(model.schedule)(sigma_of(model.schedule, float(timesteps)))) < 1e-4
    levels = [float(t[0]) for t in watch.main]
    changes = [i for i, t in enumerate(levels) if i == 0 or t != levels[i - 1]]
    assert set(changes) <= {call for call, _, _ in watch.recorded}


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_v_gives_the_pictures_of_eps(embedded, sampler):
    latent = randn(1, 4, *SIZE, seed=12)
    results = []
    for model in (embedded, as_v(embedded)):
        image = prepare(model, latent, "a star", Settings(nodes=4))
        results.append(generate(model, dataclasses.replace(request_of(sampler), steps=4), image))
    assert relative_error(*results) < 1e-2
