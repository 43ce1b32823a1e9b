"""When the picture acts: positions by noise level, never by a count of calls."""

from __future__ import annotations

import pytest

from embedded.kdiffusion import sampling
from embedded.samplers import schedule_of
from lib_indetail.inversion.inverter import ddim_nodes
from lib_indetail.noise.window import Window, position

DIVISORS = [T for T in range(1, 1000) if 1000 % T == 0]


def steps_inside(window, positions):
    return [step for step, u in enumerate(positions) if u in window]


def official_positions(steps):
    return [position(t) for t in ddim_nodes(steps)[::-1]]


@pytest.mark.parametrize("T", DIVISORS)
def test_official_index_k_of_T_is_k_over_T(T):
    positions = official_positions(T)
    for k in range(T + 1):
        assert steps_inside(Window(0.0, k / T), positions) == list(range(k)), k
        assert steps_inside(Window(k / T, 1.0), positions) == list(range(k, T)), k


@pytest.mark.parametrize("T", DIVISORS)
def test_an_inclusive_last_index_b_is_b_plus_1_over_T(T):
    positions = official_positions(T)
    for last in range(T):
        assert steps_inside(Window(0.0, (last + 1) / T), positions) == list(range(last + 1)), last


def test_a_pass_from_pure_noise_runs_from_0_to_1():
    assert position(1000) == 0.0
    assert position(999) == pytest.approx(0.001)
    assert position(0) == 1.0


@pytest.mark.parametrize("first", [300.0, 621.7, 999.0])
def test_an_img2img_pass_starts_at_0_with_its_first_timestep(first):
    assert position(first, first) == 0.0
    assert position(first / 4, first) == pytest.approx(0.75)
    assert position(0.0, first) == 1.0


def test_the_start_belongs_to_a_window_and_the_end_does_not():
    window = Window(0.25, 0.5)
    assert [u in window for u in (0.2499, 0.25, 0.4999, 0.5)] == [False, True, True, False]


def test_an_end_of_1_includes_the_last_call():
    assert 1.0 in Window(0.0, 1.0)
    assert 1.0 not in Window(0.0, 0.999)


def test_an_empty_window_holds_nothing():
    assert [u for u in (0.0, 0.001, 0.5, 1.0) if u in Window(0.0, 0.0)] == []


def test_20_karras_steps_over_the_models_sigmas_until_02_are_5_steps_not_4(schedule):
    sigmas = sampling.get_sigmas_karras(20, schedule.sigma(0), schedule.sigma(999))
    positions = [position(schedule.timestep(float(s))) for s in sigmas[:-1]]
    assert steps_inside(Window(0.0, 0.2), positions) == [0, 1, 2, 3, 4]


def test_the_embedded_karras_schedule_has_5_steps_until_02(schedule):
    positions = [position(schedule.timestep(float(s))) for s in schedule_of(schedule, "karras", 20)[:-1]]
    assert steps_inside(Window(0.0, 0.2), positions) == [0, 1, 2, 3, 4]


def test_20_plain_steps_until_02_are_4_steps(schedule):
    positions = [position(schedule.timestep(float(s))) for s in schedule_of(schedule, "plain", 20)[:-1]]
    assert steps_inside(Window(0.0, 0.2), positions) == [0, 1, 2, 3]
