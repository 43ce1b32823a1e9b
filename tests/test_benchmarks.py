"""The benchmark times the work it says: rows through the UNet, and pictures that agree with each other."""

from __future__ import annotations

import pytest
import torch

from benchmarks import thousand
from benchmarks.__main__ import arms, measure, targets
from benchmarks.bounds import bounds
from benchmarks.results import written
from benchmarks.work import Work
from embedded.model import build_unet
from tests.small import SMALL, draw_weights

STEPS, NODES = 8, 4
DEFAULT = 7  # calls: two for each of three levels, and one for the first noise


@pytest.fixture(scope="module", params=[1, 2])
def work(request):
    return Work(draw_weights(build_unet(**SMALL)), request.param, 8, STEPS, NODES)


def test_every_arm_sends_its_number_of_rows_through_the_unet(work):
    _, rows, _ = measure(work, 2, list(arms(work)))
    plain = STEPS * 2 * work.batch
    assert rows == {"plain": plain, "default": plain + DEFAULT, "warm": plain, "no bank": plain + 3,
                    "cold, DDIM": plain + STEPS + NODES,
                    "cold, refined": plain + STEPS + 3 * NODES, "cold, re-noise": plain + STEPS,
                    "cold, one pass": plain + STEPS + 1, "cold, parallel": plain + STEPS + 1}


def test_the_arms_with_one_chain_make_one_picture(work):
    work.prepare()
    made = {name: call() for name, call in arms(work).items()}
    assert torch.equal(made["warm"], made["no bank"])
    assert (made["warm"] - made["default"]).abs().max() < 1e-4
    for name in ("plain", "cold, DDIM", "cold, one pass", "cold, parallel", "cold, re-noise"):
        assert (made[name] - made["warm"]).abs().max() > 1e-3


def test_bounds_are_in_plain_steps(work):
    measured = bounds(work)
    assert set(measured) == {"cs", "c1", "r", "a", "h"}
    assert all(value > 0 for value in (measured["cs"], measured["c1"], measured["r"]))


def test_steps_are_compared_in_turn(work):
    work.prepare()
    before, timed = len(work.calls), []
    ratios = work.in_turn(lambda call: timed.append(call()) or float(len(timed)))
    assert len(ratios) == STEPS and len(work.calls) == before + 2 * STEPS
    assert ratios == [pytest.approx((2 * n + 2) / (2 * n + 1) if n % 2 == 0 else (2 * n + 1) / (2 * n + 2))
                      for n in range(STEPS)]
    assert all((timed[2 * n] - timed[2 * n + 1]).abs().max() > 1e-6 for n in range(STEPS))


def test_targets_are_those_that_were_set():
    b = {"c1": 0.6, "r": 0.4, "a": 0.02}
    assert targets(1, b)["warm"] == pytest.approx(1.04)
    assert targets(1, b)["default"] == 1.25 and targets(4, b)["default"] == 1.08
    assert targets(1, b)["no bank"] == pytest.approx(1.7) and targets(4, b)["no bank"] == 1.45
    assert targets(1, b)["cold, DDIM"] == pytest.approx(2.12) and targets(4, b)["cold, DDIM"] == 1.6


def test_a_section_takes_the_place_of_its_older_one():
    results = "# Results\n\nIntroduction.\n"
    for text in ("## a\n\nold\n", "## b\n\nother\n", "## a\n\nnew\n"):
        results = written(results, text)
    assert results == "# Results\n\nIntroduction.\n\n## b\n\nother\n\n## a\n\nnew\n"


def test_many_pictures_stay_within_small_caches_and_come_out_right(embedded, tmp_path):
    seen = thousand.run(embedded, tmp_path, 30)
    assert all(0 < seen.most[name] <= budget for name, budget in thousand.BUDGETS.items())
    assert min(seen.found.values()) > 0, seen.found
    assert (seen.again, seen.worst) == (10, 0.0)
    assert seen.files * 4096 < thousand.BUDGETS["disk"]
