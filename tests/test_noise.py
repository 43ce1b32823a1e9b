"""Noise levels: the schedule's three names for one level, k-diffusion's agreement, and what v means."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from embedded.kdiffusion import external
from lib_indetail.noise.schedule import NoiseSchedule
from tests.small import randn

INTEGERS = (0, 1, 2, 21, 500, 981, 998, 999)
FRACTIONS = (0.25, 1.5, 20.9, 333.3, 980.5, 998.75)


@pytest.fixture(scope="module", params=["CompVisDenoiser", "CompVisVDenoiser"])
def denoiser(request):
    class Inner:
        from embedded.schedule import alphas_cumprod
        alphas_cumprod = alphas_cumprod()

    return getattr(external, request.param)(Inner())


def test_integer_timesteps_have_the_models_own_abar(schedule):
    for t in INTEGERS:
        assert schedule.abar(t) == pytest.approx(float(schedule.alphas_cumprod[t]), rel=1e-9)


@pytest.mark.parametrize("t", INTEGERS + FRACTIONS)
def test_sigma_and_abar_name_the_same_level(schedule, t):
    assert schedule.scale(schedule.sigma(t)) ** 2 == pytest.approx(schedule.abar(t), rel=1e-9)
    assert 1 / (1 + schedule.sigma(t) ** 2) == pytest.approx(schedule.abar(t), rel=1e-9)


@pytest.mark.parametrize("t", INTEGERS)
def test_an_integer_timestep_survives_the_way_to_sigma_and_back(schedule, t):
    assert schedule.timestep(schedule.sigma(t)) == pytest.approx(t, abs=1e-6)


@pytest.mark.parametrize("t", FRACTIONS)
def test_a_fractional_timestep_survives_the_way_to_sigma_and_back(schedule, t):
    assert schedule.timestep(schedule.sigma(t)) == pytest.approx(t, abs=0.1 if t < 5 else 0.02)


def test_sigma_rises_with_the_timestep(schedule):
    sigmas = [schedule.sigma(t / 4) for t in range(4 * 999 + 1)]
    assert all(a < b for a, b in pairwise(sigmas))


def test_timesteps_outside_the_table_get_the_nearest_end(schedule):
    assert schedule.abar(-3) == schedule.abar(0) and schedule.abar(1200) == schedule.abar(999)
    assert [schedule.timestep(s) for s in (-1.0, 0.0, 1e-6, schedule.sigma(0) / 2)] == [0.0] * 4
    assert schedule.timestep(1000.0) == 999.0


def test_all_answers_are_python_floats(schedule):
    answers = schedule.abar(3), schedule.sigma(3.5), schedule.timestep(2.0), schedule.scale(2.0)
    assert {type(answer) for answer in answers} == {float}


def test_a_schedule_has_the_length_of_its_table():
    assert len(NoiseSchedule(torch.linspace(0.99, 0.01, 17))) == 17


def test_timesteps_agree_with_k_diffusion(schedule, denoiser):
    sigmas = torch.logspace(-1.5, 1.15, 200).clamp(schedule.sigma(0), schedule.sigma(999))
    theirs = denoiser.sigma_to_t(sigmas)
    assert max(abs(schedule.timestep(float(s)) - float(t)) for s, t in zip(sigmas, theirs, strict=True)) < 2e-3


def test_sigmas_agree_with_k_diffusion(schedule, denoiser):
    timesteps = torch.tensor([float(t) for t in INTEGERS])
    theirs = denoiser.t_to_sigma(timesteps)
    assert max(abs(schedule.sigma(t) / float(s) - 1) for t, s in zip(INTEGERS, theirs, strict=True)) < 1e-5


@pytest.mark.parametrize("t", [0, 21, 500, 999])
def test_the_noise_of_a_v_output_is_the_noise_of_its_eps(schedule, t):
    x0, eps, abar = randn(1, 4, 4, 4, seed=1), randn(1, 4, 4, 4, seed=2), schedule.abar(t)
    z = abar**0.5 * x0 + (1 - abar) ** 0.5 * eps
    v = abar**0.5 * eps - (1 - abar) ** 0.5 * x0
    assert (schedule.noise(v, z, t, "v") - eps).abs().max() < 1e-5
    assert schedule.noise(eps, z, t, "eps") is eps


def test_another_prediction_is_refused(schedule):
    with pytest.raises(ValueError, match="'eps' or 'v', not 'x0'"):
        schedule.noise(randn(1), randn(1), 500, "x0")


def test_schedules_that_answer_alike_are_identical(schedule):
    same, other = NoiseSchedule(schedule.alphas_cumprod.clone()), NoiseSchedule(schedule.alphas_cumprod * 0.999)
    assert same.identity == schedule.identity != other.identity
