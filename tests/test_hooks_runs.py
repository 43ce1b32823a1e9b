"""Whole runs: windows, guidance and repetition, bit for bit."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from tests.small import Scene

TIMESTEPS = (901, 701, 501, 301, 101)  # u = .099, .299, .499, .699, .899


@pytest.fixture(scope="module")
def scene(tiny):
    return Scene(tiny)


def run(scene, settings=None):
    return scene.sample(scene.hooks(settings) if settings else None, TIMESTEPS)


def equal_steps(a, b):
    return [torch.equal(*pair) for pair in zip(a, b, strict=True)]


@pytest.mark.parametrize(("end", "same"), [(0.2, 1), (0.4, 2), (0.6, 3), (0.8, 4)])
def test_an_end_changes_nothing_before_it(scene, end, same):
    shorter, longer = run(scene, Settings(end=end)), run(scene, Settings())
    assert equal_steps(shorter, longer) == [True] * same + [False] * (5 - same)


@pytest.mark.parametrize(("start", "same"), [(0.2, 1), (0.6, 3)])
def test_nothing_happens_before_the_start(scene, start, same):
    assert equal_steps(run(scene, Settings(start=start)), run(scene)) == [True] * same + [False] * (5 - same)


@pytest.mark.parametrize("until", [0.2, 0.6])
def test_the_end_of_the_stratified_phase_changes_nothing_before_it(scene, until):
    steps = equal_steps(run(scene, Settings(stratified_until=until)), run(scene, Settings(stratified_until=1)))
    assert steps == [u < until for u in (0.099, 0.299, 0.499, 0.699, 0.899)]


def test_lambda_0_in_a_stratified_run_is_exactly_plain(scene):
    assert all(equal_steps(run(scene, Settings(lambda_image=0, stratified_until=1, guidance=0)), run(scene)))


def test_strength_0_is_exactly_plain(scene):
    assert all(equal_steps(run(scene, Settings(strength=0, guidance=0)), run(scene)))


def test_without_guidance_rows_conflicting_is_exactly_conflict_free(scene):
    alone = scene.with_scale(1.0)
    assert all(equal_steps(run(alone, Settings(guidance=0)), run(alone, Settings(guidance=1))))
    assert not torch.equal(run(alone, Settings())[-1], run(alone)[-1])


def test_with_guidance_rows_conflicting_is_another_picture(scene):
    assert float((run(scene, Settings(guidance=0))[-1] - run(scene, Settings())[-1]).abs().max()) > 1e-2


def test_the_last_run_is_bit_equal_to_the_first(scene):
    settings = Settings(guidance=0.5, stratified_until=0.5)
    first, plain = run(scene, settings), run(scene)
    run(scene, Settings(blocks="all")), run(scene, Settings(replacement_until=1))
    assert all(equal_steps(run(scene, settings), first)) and all(equal_steps(run(scene), plain))


def test_one_hook_object_may_serve_several_runs(scene):
    hooks = scene.hooks(Settings())
    first = scene.sample(hooks, TIMESTEPS)
    assert all(equal_steps(scene.sample(hooks, TIMESTEPS), first))


def test_lambda_moves_pictures_away_from_plain_step_by_step(scene):
    plain = run(scene)[-1]
    moved = [float((run(scene, Settings(lambda_image=share, stratified_until=1))[-1] - plain).norm())
             for share in (0.0, 0.05, 0.2)]
    assert moved[0] == 0 < moved[1] < moved[2]
