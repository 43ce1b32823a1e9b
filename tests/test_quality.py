"""The quality benchmark: exact figures, peers' rules, what is compared, and going on where it was broken off."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmarks.quality import __main__ as quality
from benchmarks.quality.arms import PARTS
from benchmarks.quality.bootstrap import difference, mean
from benchmarks.quality.metrics import diversity
from benchmarks.quality.peers import PlannedBy, reference_only, renoised_anew, rival, style_aligned
from benchmarks.quality.report import by_arm, dominating, evidence, front, table
from benchmarks.quality.trials import HELD_OUT, same_thing, trial
from lib_indetail.inversion import Inverter
from lib_indetail.noise import abar_of_sigma
from lib_indetail.rows import Row
from lib_indetail.settings import Settings
from tests.attention_functions import FUNCTIONS
from tests.small import Scene, randn
from tests.test_algebra import Case

COND, UNCOND = Row("cond"), Row("uncond")


def test_a_trials_picture_was_never_drawn_in_training_and_its_prompt_is_for_another_shape():
    for number in (*range(20), *range(HELD_OUT, HELD_OUT + 20)):
        given = trial(number)
        assert given == trial(number) and given.scene.held_out and given.shape != given.scene.shape
        assert same_thing(number).shape == given.scene.shape and same_thing(number).seeds == given.seeds
    seeds = [seed for number in range(100) for seed in trial(number).seeds]
    assert len(set(seeds)) == len(seeds)


def test_means_have_intervals_that_shrink_with_more_trials():
    values = np.random.default_rng(1).normal(3, 1, 400)
    few, many = mean(values[:25]), mean(values)
    assert few.low < few.value < few.high and many.high - many.low < 0.5 * (few.high - few.low)
    assert many.value == pytest.approx(values.mean()) and abs((many.high - many.low) / 2 - 1.96 / 20) < 0.02
    assert mean([2.0, 2.0]).low == mean([2.0, 2.0]).high == 2.0
    with pytest.raises(ValueError, match="no trials"):
        mean([])


def test_a_paired_difference_is_narrower_than_the_spread_of_the_trials():
    base = np.random.default_rng(2).normal(0, 5, 100)
    gained = difference(base, base + 0.5)
    assert (gained.low, gained.high) == pytest.approx((0.5, 0.5))


def answer(case, rule, row, u=0.5):
    case.banks["image without text"] = case.banks["other"]
    plan = PlannedBy(rule)(u, row)
    return case.output if plan is None else case.evaluate(plan)


def test_the_peers_rules_are_explicit_softmaxes():
    case = Case(FUNCTIONS[0])
    own = case.own

    def together(bank, bias=0.0):
        keys, values = (torch.cat([a, b.expand(2, -1, -1)], 1) for a, b in zip(own, case.banks[bank]))
        biases = torch.cat([torch.zeros(own[0].shape[1]), torch.full((7,), bias)])
        return case.expect((1.0, keys, values, biases))

    wanted = {
        (0.5, COND): together("image"), (0.5, UNCOND): 0.5 * case.output + 0.5 * together("other"),
        (1.0, COND): together("image"), (1.0, UNCOND): case.output, (0.0, UNCOND): together("other")}
    for (fidelity, row), expected in wanted.items():
        assert (answer(case, reference_only(fidelity), row) - expected).abs().max() < 1e-5
    for row, bank in ((COND, "image"), (UNCOND, "other")):
        assert (answer(case, style_aligned(), row) - together(bank, math.log(2))).abs().max() < 1e-5
        assert (answer(case, rival(), row, 0.3) - case.expect((1.0, *case.banks[bank]))).abs().max() < 1e-5
        assert (answer(case, rival(), row, 0.4) - together(bank)).abs().max() < 1e-5
    assert PlannedBy(rival())(0.1, Row("other")) is None


def test_the_peers_reference_has_another_noise_at_every_step(tiny):
    scene, clean, nodes = Scene(tiny), randn(1, 4, 8, 8, seed=3), [1, 251, 501]
    chain = renoised_anew(Inverter(scene.model.schedule), clean, nodes, 5)
    noises = []
    for sigma in chain.sigmas[1:]:
        abar = abar_of_sigma(sigma)
        noises.append((chain.at(sigma) - abar**0.5 * clean) / (1 - abar) ** 0.5)
    assert all(abs(float(noise.std()) - 1) < 0.15 for noise in noises)
    assert min(float((a - b).abs().mean()) for a, b in pairwise(noises)) > 0.5
    assert torch.equal(chain.latents[0], clean)


def test_every_arm_has_settings_that_can_be():
    for part, arms in PARTS.items():
        assert len(arms) >= 2, part
        for arm in arms.values():
            if arm.settings is not None:
                Settings.of(arm.settings, arm.task)


def test_diversity_is_the_mean_difference_between_noises():
    flat = torch.stack([torch.full((3, 4, 4), value) for value in (-1.0, 1.0, 0.0)])
    assert diversity(flat) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert diversity(flat[:1]) == 0


def test_the_front_holds_those_that_nothing_beats():
    points = {"a": (1.0, 0.0), "b": (0.0, 1.0), "c": (0.5, 0.5), "d": (0.4, 0.5), "e": (0.0, 0.9)}
    assert front(points) == {"a", "b", "c"}


def figures(text, image) -> dict:
    return {"text": text, "pattern": image, "colours": image, "image": image, "copied": 0.0, "diversity": 0.5}


def test_tables_compare_the_trials_that_all_arms_have():
    known = {("p", arm, trial): figures(1.0, 0.1 * trial + (arm == "b")) for arm in "ab" for trial in range(4)}
    known["p", "a", 9] = figures(0.0, 50.0)
    arms = by_arm(known, "p", ["a", "b"])
    assert arms["a"]["image"] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert "| **b** | 1.000 ± 0.000 |" in table(arms) and "| a |" in table(arms)
    assert by_arm(known, "p", ["a", "none"]) == {}
    assert list(dominating(arms, "a")) == ["b"] and dominating(arms, "b") == {}


def test_the_report_has_a_section_for_what_was_measured_alone():
    known = {("search", arm, trial): figures(1.0, 0.5) for arm in "ab" for trial in range(3)}
    text = evidence(known, {"peers": ["a", "b"], "search": ["a", "b"]})
    assert "## Search\n\n3 trials." in text and "Peers" not in text and "real checkpoint" in text


def test_what_costs_text_does_not_dominate():
    rng = np.random.default_rng(0)
    arms = {"base": {"image": rng.random(50), "text": np.ones(50)}}
    arms["costly"] = {"image": arms["base"]["image"] + 0.2, "text": np.zeros(50)}
    arms["free"] = {"image": arms["base"]["image"] + 0.2, "text": np.ones(50)}
    assert list(dominating(arms, "base")) == ["free"]


def test_it_goes_on_where_it_was_broken_off(tmp_path):
    part, arms = next(iter(PARTS.items()))
    rows = [{"part": part, "arm": arm, "trial": 0, "figures": {"text": 1.0}} for arm in arms]
    text = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "figures.jsonl").write_text(text[:-9])
    assert quality.missing([part], range(2), tmp_path) == {0: [(part, list(arms)[-1])],
                                                           1: [(part, arm) for arm in arms]}
    (tmp_path / "figures.jsonl").write_text(text)
    assert list(quality.missing([part], range(2), tmp_path)) == [1]


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path):
    (tmp_path / "figures.jsonl").write_text('{"part": "p", "arm"')
    with quality.appended(tmp_path / "figures.jsonl") as file:
        file.write(json.dumps({"part": "p", "arm": "a", "trial": 1, "figures": {}}) + "\n")
    assert list(quality.known(tmp_path)) == [("p", "a", 1)]
