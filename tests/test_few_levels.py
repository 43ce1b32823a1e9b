"""A few recorded levels serve all that are sampled: which are chosen, which is read, and what that saves."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from embedded.schedule import alphas_cumprod
from lib_indetail.ask.settings import Settings
from lib_indetail.bank.levels import Levels, chosen
from lib_indetail.errors import BadSetting
from lib_indetail.noise.schedule import NoiseSchedule
from lib_indetail.noise.window import position
from tests.fake_host import PAPER, FakeHost
from tests.frozen.wishes import picture

SCHEDULE = NoiseSchedule(alphas_cumprod())
WISH = {"image": picture(0, 64, 64), **PAPER}
NODES = list(range(950, 0, -100))  # ten steps
HIRES = [{"title": "first pass", "nodes": NODES},
         {"title": "second pass", "from_noise": False, "nodes": [401, 301, 201, 101]}]


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def distance(a, b):
    return float((a - b).abs().max())


def positions(levels, first=1000.0):
    return [1 - SCHEDULE.timestep(level) / first for level in levels.recorded]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10])
def test_so_many_levels_fall_from_the_beginning_on(count):
    levels = chosen(count, SCHEDULE, 1000.0, [0.0, 0.2, 1.0]).recorded
    assert len(levels) == count and list(levels) == sorted(set(levels), reverse=True)
    assert levels[0] == pytest.approx(SCHEDULE.sigma(999), rel=1e-6)


@pytest.mark.parametrize("bounds", [[0.0, 0.2, 1.0], [0.3, 0.8], [0.0, 0.05, 0.1, 0.4], [0.5, 0.6, 1.0]])
@pytest.mark.parametrize("count", [3, 5, 7])
def test_window_and_phases_have_theirs(bounds, count):
    found = positions(chosen(count, SCHEDULE, 1000.0, bounds))
    assert min(found) >= bounds[0] - 2e-3 and max(found) <= bounds[-1]
    for start, end in pairwise(bounds):
        assert any(start - 2e-3 <= u < end for u in found), (start, end, found)


def test_a_later_beginning_has_levels_of_its_own():
    levels = chosen(4, SCHEDULE, 500.0, [0.0, 0.2, 1.0])
    assert levels.recorded[0] == pytest.approx(SCHEDULE.sigma(500))
    assert min(positions(levels, 500.0)) >= -1e-9


def test_the_nearest_in_log_sigma_is_read():
    levels = Levels((16.0, 4.0, 1.0))
    assert [levels.read_at(sigma) for sigma in (40, 8.1, 7.9, 2.1, 1.9, 0.01)] == [16, 16, 4, 4, 1, 1]
    assert levels.needed([15, 0.9]) == [16, 1] and levels.below(4.0) == 1.0 and levels.below(1.0) is None


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "few", "", "101"])
def test_levels_are_all_or_a_whole_number(value):
    with pytest.raises(BadSetting, match=r"^Levels must be all, or a whole number from 1 to 100"):
        Settings(levels=value)
    assert [Settings(levels=each).level_count for each in (7, "7", "all")] == [7, 7, None]


@pytest.mark.parametrize("inversion", ["DDIM", "one pass", "parallel"])
def test_few_levels_are_recorded_and_every_step_reads(host, inversion):
    steps = {"nodes": NODES}
    made = host.generate({**WISH, "levels": 3, "inversion": inversion}, passes=[steps])
    assert host.owner.counts()["levels"] == 3
    assert host.loaded.recorded == [] and len(host.loaded.called) == len(NODES)
    plain, whole = (host.generate(*wish, passes=[steps]) for wish in ((), ({**WISH, "inversion": inversion},)))
    assert min(distance(a, b) for a, b in zip(made.passes[0].predictions, plain.passes[0].predictions,
                                              strict=True)) > 1e-3
    assert distance(made.latents[0], whole.latents[0]) < distance(plain.latents[0], whole.latents[0])


@pytest.mark.parametrize(("inversion", "rows"), [("one pass", [1] * 9), ("parallel", [1, 3, 1])])
def test_inverting_over_few_levels_records_them_in_one_call_more(host, inversion, rows):
    """One pass goes over one level between each two, parallel over none."""
    host.generate({**WISH, "levels": 4, "inversion": inversion}, passes=[{"nodes": NODES}])
    assert host.loaded.own == rows and host.owner.counts()["levels"] == 4


def test_other_numbers_of_steps_find_the_same_levels(host):
    host.generate({**WISH, "levels": 4}, passes=[{"nodes": NODES}])
    calls = len(host.loaded.own)
    host.generate({**WISH, "levels": 4}, passes=[{"nodes": list(range(980, 0, -50))}])
    assert len(host.loaded.own) == calls and host.owner.counts()["levels"] == 4


@pytest.mark.parametrize(("inversion", "count"), [("DDIM", 10), ("one pass", 5), ("parallel", 10)])
def test_where_few_would_take_as_many_calls_the_levels_are_those_of_the_steps(host, inversion, count):
    few, whole = ({**WISH, "inversion": inversion, "levels": each} for each in (count, "all"))
    made = [host.generate(wish, passes=[{"nodes": NODES}]).latents[0] for wish in (few, whole)]
    assert torch.equal(*made) and host.owner.counts() == {**host.owner.counts(), "levels": 10, "inversions": 1}


def test_without_room_each_level_is_recorded_once_a_generation(host):
    host.options["indetail_bank_mb"] = 0
    made = host.generate({**WISH, "levels": 3}, passes=[{"nodes": NODES}])
    assert len(host.loaded.recorded) == 3
    host.options.clear()
    assert distance(made.latents[0], host.generate({**WISH, "levels": 3}, passes=[{"nodes": NODES}]).latents[0]) < 1e-4


def test_a_second_pass_has_its_own(host):
    host.generate({**WISH, "levels": 2}, passes=HIRES[:1])
    first = host.owner.counts()["levels"]
    host.generate({**WISH, "levels": 2}, passes=HIRES)
    assert first == 2 and host.owner.counts()["levels"] > first


@pytest.mark.parametrize("start", [0.15, 0.35, 0.62])
def test_the_window_is_that_of_the_levels_that_are_sampled(host, start):
    made, plain = (host.generate(*given, passes=[{"nodes": NODES}]).passes[0].predictions
                   for given in (({**WISH, "levels": 2, "adain": 0, "start": start},), ()))
    first = next(n for n, t in enumerate(NODES) if position(t, 1000.0) >= start)
    assert [torch.equal(a, b) for a, b in zip(made[:first + 1], plain[:first + 1], strict=True)] == \
        [True] * first + [False]


def test_a_schedule_goes_over_the_levels_that_are_sampled(host):
    """0 up to the middle between two that read the same recorded level."""
    levels = chosen(2, SCHEDULE, 1000.0, [0.0, 0.2, 1.0])
    read = [levels.read_at(SCHEDULE.sigma(t)) for t in NODES]
    number = next(n for n in range(3, len(NODES)) if read[n] == read[n - 1])
    here, before = (position(NODES[n], 1000.0) for n in (number, number - 1))
    wish = {**WISH, "levels": 2, "adain": 0, "strength_schedule": f"0:0, {before + 0.01}:0, {here - 0.01}:1"}
    made, plain = (host.generate(*given, passes=[{"nodes": NODES}]).passes[0].predictions for given in ((wish,), ()))
    assert [torch.equal(a, b) for a, b in zip(made[:number + 1], plain[:number + 1], strict=True)] == \
        [True] * number + [False]


def test_second_passes_of_other_numbers_of_steps_share_theirs(host):
    host.generate({**WISH, "levels": 2}, passes=HIRES)
    calls = len(host.loaded.own)
    host.generate({**WISH, "levels": 2}, passes=[HIRES[0], {**HIRES[1], "nodes": [390, 260, 130]}])
    assert len(host.loaded.own) == calls and host.owner.counts()["levels"] == 4


def test_the_infotext_names_them(host):
    assert host.generate({**WISH, "levels": 5}).job.lines["InDetail levels"] == "5"
    assert "InDetail levels" not in host.generate({**WISH, "levels": Settings().levels}).job.lines
