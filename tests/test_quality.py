"""The quality benchmark: exact figures, peers' rules, what is compared, and going on where it was broken off."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmarks.quality import measuring
from benchmarks.quality.arm import ALL, Arm, Claim, Part
from benchmarks.quality.arms import PARTS
from benchmarks.quality.bootstrap import Mean, difference, mean
from benchmarks.quality.metrics import diversity
from benchmarks.quality.peers import RULES, Ruled, reference_only, renoised_anew, rival, style_aligned
from benchmarks.quality.report import by_arm, claims, dominating, evidence, front, table, verdict
from benchmarks.quality.trials import HELD_OUT, trial
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site
from lib_indetail.inversion.inverter import Inverter
from tests.attention_functions import FUNCTIONS
from tests.small import Scene, randn
from tests.test_algebra import Case

COND, UNCOND = Row("cond"), Row("uncond")


def test_a_trials_picture_was_never_drawn_in_training_and_its_prompt_is_for_another_shape():
    for number in (*range(20), *range(HELD_OUT, HELD_OUT + 20)):
        given = trial(number)
        assert given == trial(number) and given.scene.held_out and given.shape != given.scene.shape
        alone = trial(number, "none")
        assert (alone.shape, alone.prompt, alone.seeds) == (given.scene.shape, "", given.seeds)
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
    plan = Ruled(rule).plan(u, row, Site("attn1"))
    return case.output if plan is None else case.evaluate(plan)


def test_the_peers_rules_are_explicit_softmaxes():
    case = Case(FUNCTIONS[0])
    own = case.own

    def together(bank, bias=0.0):
        keys, values = (torch.cat([a, b.expand(2, -1, -1)], 1) for a, b in zip(own, case.banks[bank], strict=True))
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


def test_the_peers_reference_has_another_noise_at_every_step(tiny):
    schedule = Scene(tiny).model.schedule
    clean, sigmas = randn(1, 4, 8, 8, seed=3), [schedule.sigma(t) for t in (0, 1, 251, 501)]
    chain = renoised_anew(Inverter(schedule), clean, sigmas, 5)
    noises = []
    for sigma in chain.sigmas[1:]:
        noises.append((chain.at(sigma) - clean) / sigma)
    assert chain.sigmas == tuple(sigmas) and all(abs(float(noise.std()) - 1) < 0.15 for noise in noises)
    assert min(float((a - b).abs().mean()) for a, b in pairwise(noises)) > 0.5
    assert (chain.shown(schedule)(sigmas[0]) - clean).abs().max() < 1e-6


def test_every_arm_has_settings_that_can_be_and_every_claim_arms():
    for name, part in PARTS.items():
        assert len(part.arms) >= 2, name
        for arm in part.arms.values():
            assert arm.rule is None or arm.rule in RULES
            assert arm.settings is None or arm.resolved
        assert {arm for claim in part.claims for arm in (claim.lower, claim.higher)} <= set(part.arms)
        assert part.reference is None or part.reference in part.arms


def test_arms_that_differ_in_nothing_are_one_whatever_they_are_called():
    assert Arm({"lambda_image": 0.5}).key == Arm({}).key == Arm({"inversion_text": "empty"}, "image variation").key
    assert len({arm.key for arm in (Arm({}), Arm(None), Arm(ALL), Arm({}, steps=10), Arm({}, "image variation"),
                                    Arm({}, unwanted=True), Arm({}, rule="rival"), Arm({}, prompt="none"))}) == 8


def test_arms_invert_over_the_authors_nodes_unless_they_say_otherwise():
    assert {arm.resolved.nodes for arm in PARTS["peers"].arms.values() if arm.settings is not None} == {50}
    ahead = {name: arm.resolved.nodes for name, arm in PARTS["ahead"].arms.items()}
    assert ahead == {name: 50 if name == "the authors' settings" else Settings().nodes for name in ahead}


def test_diversity_is_the_mean_difference_between_noises():
    flat = torch.stack([torch.full((3, 4, 4), value) for value in (-1.0, 1.0, 0.0)])
    assert diversity(flat) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert diversity(flat[:1]) == 0


def test_the_front_holds_those_that_nothing_beats():
    points = {"a": (1.0, 0.0), "b": (0.0, 1.0), "c": (0.5, 0.5), "d": (0.4, 0.5), "e": (0.0, 0.9)}
    assert front(points) == {"a", "b", "c"}


def figures(text, image) -> dict:
    return {"text": text, "pattern": image, "colours": image, "image": image, "copied": 0.0, "diversity": 0.5}


def part_of(*scales, **changes) -> Part:
    return Part("About it.", {f"scale {scale}": Arm(scale=scale) for scale in scales}, **changes)


def known_of(part, value, trials=range(HELD_OUT, HELD_OUT + 4)) -> dict:
    return {(part.measured, arm.key, trial): value(arm, trial - trials[0])
            for arm in part.arms.values() for trial in trials}


def test_tables_compare_the_trials_that_all_arms_have():
    part = part_of(1.0, 2.0)
    known = known_of(part, lambda arm, trial: figures(1.0, 0.1 * trial + (arm.scale == 2)))
    lone = part.arms["scale 1.0"].key
    known["pictures", lone, HELD_OUT + 9] = figures(0.0, 50.0)
    known["pictures", lone, 1] = figures(0.0, 50.0)
    arms = by_arm(known, part)
    assert arms["scale 1.0"]["image"] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert "| **scale 2.0** | 1.000 ± 0.000 |" in table(arms) and "| scale 1.0 |" in table(arms)
    assert by_arm(known, part_of(1.0, 3.0)) == {}
    assert list(dominating(arms, "scale 1.0")) == ["scale 2.0"] and dominating(arms, "scale 2.0") == {}


def test_the_report_has_a_section_for_what_was_measured_alone(tmp_path):
    part = part_of(1.0, 2.0, reference="scale 1.0")
    known = known_of(part, lambda arm, trial: figures(1.0, 0.5))
    (tmp_path / "search_plot.png").touch()
    text = evidence(known, {"peers": part_of(1.0, 3.0), "search": part}, tmp_path)
    assert "## Search\n\nAbout it. 4 trials, `python -m" in text and "Peers" not in text and "real checkpoint" in text
    assert f"![search: as a plot]({tmp_path.name}/search_plot.png)" in text and "sheet.png" not in text
    assert "None is surely above *scale 1.0*" in text and "claims of the paper" not in text
    claimed = part_of(1.0, 2.0, claims=(Claim("image", "scale 1.0", "scale 2.0"),
                                        Claim("text", "scale 1.0", "scale 2.0", True)))
    text = evidence(known, {"search": claimed}, tmp_path)
    assert "Of 2 claims of the paper this model agrees with 1. The others:\n\n- **not decided**: *scale 2.0*" in text


def test_a_report_keeps_the_sections_of_what_was_not_measured_again(tmp_path):
    part = part_of(1.0, 2.0, claims=(Claim("image", "scale 1.0", "scale 2.0"),))
    known = known_of(part, lambda arm, trial: figures(1.0, arm.scale))
    parts = {"peers": part_of(1.0, 3.0), "search": part, "nodes": part_of(1.0, 4.0)}
    before = ("# Evidence\n\nOlder words.\n\n## Search\n\nOld.\n\n## Peers\n\nAs it was.\n\n"
              "- **contradicted**: *a* is above *b* in text: -1\n\n## Own\n\nNo part of that name.\n")
    text = evidence(known, parts, tmp_path, before)
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Peers", "## Search", "## Own"]
    assert text.endswith("\n## Own\n\nNo part of that name.\n")
    assert "\n## Peers\n\nAs it was.\n" in text and "Old" not in text and "About it. 4 trials" in text
    assert "Of 2 claims of the paper this model agrees with 1. The others:\n\n- **contradicted**: *a*" in text
    assert evidence(known, parts, tmp_path, text) == text


def test_claims_are_held_against_paired_differences():
    part = part_of(1.0, 2.0, 3.0)
    noise = np.random.default_rng(4).normal(0, 0.01, 40)
    known = known_of(part, lambda arm, trial: figures(1.0, (arm.scale > 1) + noise[trial] * arm.scale),
                     range(HELD_OUT, HELD_OUT + 40))
    arms = by_arm(known, part)

    def said(*claim):
        return claims([Claim("image", *claim)], arms)[0]

    assert said("scale 1.0", "scale 2.0").startswith("- agrees: *scale 2.0* is above *scale 1.0* in both of the imag")
    assert said("scale 2.0", "scale 1.0").startswith("- **contradicted**")
    assert said("scale 2.0", "scale 3.0").startswith("- **not decided**")
    assert said("scale 2.0", "scale 2.0", True).startswith("- agrees: *scale 2.0* is no lower than")
    expected = {(0, -1, 1, True): "agrees", (-0.1, -1, 1, True): "**not decided**",
                (0, -1, 1, False): "**not decided**", (-1.5, -2, -1, True): "**contradicted**",
                (1.5, 1, 2, False): "agrees"}
    assert {case: verdict(Mean(*case[:3]), case[3]) for case in expected} == expected


def test_what_costs_text_does_not_dominate():
    rng = np.random.default_rng(0)
    arms = {"base": {"image": rng.random(50), "text": np.ones(50)}}
    arms["costly"] = {"image": arms["base"]["image"] + 0.2, "text": np.zeros(50)}
    arms["free"] = {"image": arms["base"]["image"] + 0.2, "text": np.ones(50)}
    arms["hardly costly"] = {"image": arms["base"]["image"] + 0.2, "text": np.append(np.ones(49), 0.75)}
    assert list(dominating(arms, "base")) == ["free"]


@pytest.mark.parametrize(("lost", "holds"), [
    ([0.0] * 50, True), ([-1.0] + [0.0] * 49, True), ([-1.0] * 2 + [0.0] * 48, False), ([0.02] * 50, True),
    ([-0.021] * 50, False), ([-1.0] * 8 + [1.0] * 8 + [0.0] * 34, False)])
def test_a_row_holds_that_loses_little_and_surely_so(lost, holds):
    """A fiftieth in the mean, twelve hundredths at the lower end."""
    limits = {"text": (-0.02, -0.12)}
    part = Part("", {"base": Arm(), "other": Arm(ALL)}, reference="base", limits=limits)
    known = {("pictures", arm.key, HELD_OUT + number): dict.fromkeys(
        ("text", "pattern", "colours", "image", "copied", "diversity"), 0.5 + (change if name == "other" else 0))
        for name, arm in part.arms.items() for number, change in enumerate(lost)}
    said = evidence(known, {"levels": part})
    assert f"| {'yes' if holds else 'no'} |" in said.split("| holds |")[1]
    assert "at least -0.02 and -0.12 (shape of the text)" in said


def row_of(arm, trial) -> dict:
    return {"measured": "pictures", "arm": arm.key, "trial": trial, "figures": {"text": 1.0}}


def test_it_goes_on_where_it_was_broken_off(tmp_path):
    arms = list(PARTS["table A"].arms.values())
    text = "\n".join(json.dumps(row_of(arm, HELD_OUT)) for arm in arms)
    (tmp_path / "figures.jsonl").write_text(text[:-9])
    missing = measuring.missing(["table A"], 2, tmp_path)
    assert {number: [arm.key for _, arm in each] for number, each in missing.items()} == {
        HELD_OUT: [arms[-1].key], HELD_OUT + 1: [arm.key for arm in arms]}
    (tmp_path / "figures.jsonl").write_text(text)
    assert list(measuring.missing(["table A"], 2, tmp_path)) == [HELD_OUT + 1]


def test_what_parts_share_is_measured_once_and_few_trials_where_few_are_enough(tmp_path):
    both = measuring.missing(["table A", "table B", "attention"], 30, tmp_path)
    pictures = [arm.key for what, arm in both[HELD_OUT] if what == "pictures"]
    assert len(pictures) == len(set(pictures)) == 7 + 5 - 1
    watched = [number for number, each in both.items() if any(what == "shares" for what, _ in each)]
    assert len(both) == 30 and watched == list(range(HELD_OUT, HELD_OUT + 12))
    assert list(measuring.missing(["search"], 2, tmp_path)) == [0, 1]


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path):
    (tmp_path / "figures.jsonl").write_text('{"measured": "pictures", "arm"')
    with measuring.appended(tmp_path / "figures.jsonl") as file:
        file.write(json.dumps(row_of(Arm(), 1)) + "\n")
    assert list(measuring.known(tmp_path)) == [("pictures", Arm().key, 1)]
