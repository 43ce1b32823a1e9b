"""The evidence on strips: pairs are fixed, figures are what they are called, and the authors' order is held against
differences."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.quality.arm import Claim
from benchmarks.quality.between.adaptive import adaptive
from benchmarks.quality.between.arms import CLAIMS, OWN, PLACED, SAME, TABLES, Arm
from benchmarks.quality.between.measuring import MEASURED, measure, missing
from benchmarks.quality.between.pairs import BOTH, KINDS, PATTERN, SHAPE, pair, pictures
from benchmarks.quality.between.picture_strips import between_pictures, settings_of
from benchmarks.quality.between.report import HEADING, of_table, order, put_into, section, sheet_file, table
from benchmarks.quality.between.sheets import Line, first_pairs, save
from benchmarks.quality.between.weaving import ALWAYS, InTurn, Weaver, figures
from benchmarks.quality.measuring import known
from benchmarks.quality.report import evidence
from benchmarks.quality.trials import trial
from embedded.demo import picture_of
from embedded.generate import Request, generate, prepare
from embedded.pictures import PATTERNS, SHAPES
from lib_indetail.ask.interpolating import IMAGE_PROMPTS, MORPH
from lib_indetail.methods.interpolation import Between
from lib_indetail.noise.window import position
from lib_indetail.pictures.convert import picture_tensor, tensor_picture
from tests.paid import error

EVERY_ARM = {**SAME, **{f"{name}, own noise": arm for name, arm in OWN.items()}}


def words(prompt: str) -> tuple[set[str], set[str]]:
    """Shapes and patterns that it names."""
    named = set(prompt.split())
    return named & set(SHAPES), named & set(PATTERNS)


def test_pairs_are_fixed_and_of_all_kinds_equally():
    pairs = [pair(number) for number in range(42)]
    assert pairs == [pair(number) for number in range(42)]
    assert [sum(each.kind == kind for each in pairs) for kind in KINDS] == [14, 14, 14]
    assert len({seed for each in pairs for seed in each.seeds}) == 84
    for each in pairs:
        (first_shape, first_pattern), (last_shape, last_pattern) = words(each.first), words(each.last)
        assert len(first_shape) == len(last_shape) == 1
        assert (first_shape != last_shape) == (each.kind in (SHAPE, BOTH))
        assert (first_pattern != last_pattern) == (each.kind in (PATTERN, BOTH))
        assert len(first_pattern) == len(last_pattern) == (each.kind != SHAPE)


def test_pictures_of_patterns_are_what_their_prompts_say_and_never_drawn_in_training():
    for given in first_pairs(PATTERN):
        for prompt, scene in zip((given.first, given.last), pictures(given), strict=True):
            assert prompt.endswith(f"{scene.material.pattern} {scene.shape}") and scene.held_out
        assert pictures(given) == pictures(given)


def flat(*greys: int) -> np.ndarray:
    """Frames [n, 16, 16, 3], the left half of each of this grey and the right half black."""
    frames = np.zeros((len(greys), 16, 16, 3), np.uint8)
    for frame, grey in zip(frames, greys, strict=True):
        frame[:, :8] = grey
    return frames


def test_a_strip_that_jumps_once_is_a_sixth_of_the_way_and_not_smooth():
    """Halves of 1 / 2 and -1 / 2 against one of -1 / 2 are at right angles."""
    jumping = figures(flat(0, 0, 0, 0, 255, 255, 255))
    assert jumping == pytest.approx({"consistency": 1 / 6, "smoothness": 1 / 6, "largest": 1.0}, abs=1e-6)
    assert figures(flat(*[100] * 7)) == pytest.approx({"consistency": 0, "smoothness": 1, "largest": 0}, abs=1e-6)


def test_texts_turn_where_the_strip_is():
    weaver = Weaver(SimpleNamespace(), steps=20)
    strip, nodes = [Between(0, 2, t) for t in (0.0, 0.25, 1.0)], [951 - 50 * step for step in range(20)]
    method = weaver.method(Arm(texts="switched"), strip)
    cond = torch.arange(3.0).view(3, 1, 1)
    texts = torch.stack([method.rewritten(position(t), cond, None, None)[0].flatten() for t in nodes])
    assert isinstance(method, InTurn) and [int((row == 0).sum()) for row in texts.T] == [20, 15, 0]
    nearer = weaver.method(Arm(texts="nearer"), [Between(0, 2, t) for t in (0.0, 0.5, 1.0)])
    assert nearer.rewritten(0.3, cond, None, None)[0].flatten().tolist() == [0, 0, 2]
    assert weaver.after(0) == 0 and weaver.after(1) == ALWAYS


def test_the_ends_of_every_arm_are_the_ordinary_images_of_both_prompts(embedded):
    """And between them no two arms have the same image."""
    given, weaver, middles = pair(2), Weaver(embedded, steps=2), []
    ordinary = [generate(embedded, Request(prompt, (seed,), steps=2))[0] for prompt, seed in
                ((given.first, given.seeds[0]), *((given.last, seed) for seed in given.seeds))]
    for arm in EVERY_ARM.values():
        first, middle, last = weaver.latents(given, arm, (0.0, 0.4, 1.0))
        assert max(error(first, ordinary[0]), error(last, ordinary[1 + arm.own_seeds])) < 1e-4
        assert min(error(middle, other) for other in [*ordinary, *middles]) > 1e-2
        middles.append(middle)


@pytest.mark.parametrize("kind", [IMAGE_PROMPTS, MORPH])
def test_the_ends_between_pictures_are_those_of_either_picture(embedded, kind):
    scenes = [trial(number).scene for number in (1, 2)]
    settings = dataclasses.replace(settings_of(kind, "layout", 3), nodes=2)
    frames = between_pictures(embedded, scenes, settings, "a star", seed=4, steps=2).astype(int)
    clean = [embedded.encode(picture_tensor(picture_of(scene))) for scene in scenes]
    if kind == IMAGE_PROMPTS:
        ends = [generate(embedded, Request("a star", (4,), steps=2), prepare(embedded, each, "a star", settings))
                for each in clean]
        ends = [np.asarray(tensor_picture(embedded.decode(each)[0])).astype(int) for each in ends]
        assert max(abs(frames[place] - end).max() for place, end in zip((0, -1), ends, strict=True)) <= 1
    else:
        means = [[abs(frames[place] - np.asarray(picture_of(scene)).astype(int)).mean() for scene in scenes]
                 for place in (0, -1)]
        assert means[0][0] < 0.6 * means[0][1] and means[1][1] < 0.6 * means[1][0]
    assert min(abs(frames[1] - frames[place]).mean() for place in (0, -1)) > 1


def test_adaptive_frames_are_even_where_even_places_are_not():
    """The way is t to the fourth: at even places most of it lies in the last steps."""
    def made(ts):
        angles = [np.pi / 2 * t ** 4 for t in ts]
        frames = np.zeros((len(ts), 8, 16, 3))
        for frame, angle in zip(frames, angles, strict=True):
            frame[:, :8], frame[:, 8:] = 127.5 + 120 * np.cos(angle), 127.5 + 120 * np.sin(angle)
        return frames.round().astype(np.uint8)

    even, chosen = figures(made([n / 6 for n in range(7)])), figures(adaptive(made, 7, 14))
    assert even["smoothness"] < 0.35 and chosen["smoothness"] > 0.6
    assert np.array_equal(adaptive(made, 7, 14)[[0, -1]], made([0.0, 1.0]))


def test_measuring_goes_on_where_it_was_broken_off(tmp_path):
    strips = []
    weaver = SimpleNamespace(strip=lambda given, arm: strips.append((given, arm)) or flat(0, 100, 255))
    measure(weaver, ["own"], 2, tmp_path)
    with (tmp_path / "between.jsonl").open("a") as file:
        file.write('{"measured": "strips", "arm": "cut')
    measure(weaver, ["own"], 3, tmp_path)
    assert len(strips) == 3 * len(OWN) and len(set(strips)) == len(strips)
    assert list(missing(["own"], 3, known(tmp_path))) == []
    found = of_table(known(tmp_path), OWN)
    assert list(found) == list(OWN) and {len(each["smoothness"]) for each in found.values()} == {3}


def made_up(consistency: dict[str, float], count: int = 40) -> dict:
    """Figures by arm: these means, the same spread of the pairs in all, and a little of their own."""
    common, rng = np.random.default_rng(5).normal(0, 0.1, count), np.random.default_rng(6)
    return {name: {"consistency": value + common + rng.normal(0, 0.001, count), "smoothness": 1 - value + common,
                   "largest": common} for name, value in consistency.items()}


def test_the_order_is_agreed_with_or_contradicted_by_paired_differences():
    found = made_up({"less": 0.1, "more": 0.2, "alike": 0.2})
    said = order([Claim("consistency", "less", "more"), Claim("consistency", "more", "less"),
                  Claim("consistency", "more", "alike"), Claim("smoothness", "more", "less"),
                  Claim("smoothness", "more", "not measured")], found).splitlines()
    assert said[0] == "Lines of the authors' order that agree: 2 of 4."
    lines = said[4:]
    assert lines[0] == "| *less* is below *more* in consistency | +0.0998 [+0.0994, +0.1002] | agrees |"
    assert lines[1].startswith("| *more* is below *less* in consistency | -0.0998 [-0.1002, -0.0994] |")
    assert [line.split(" | ")[-1] for line in lines] == ["agrees |", "**contradicted** |", "**not decided** |",
                                                         "agrees |"]
    assert lines[3] == "| *less* is above *more* in smoothness | +0.1000 [+0.1000, +0.1000] | agrees |"


def test_every_arm_of_the_order_is_measured():
    assert {name for claim in CLAIMS for name in (claim.lower, claim.higher)} <= set(SAME)
    assert {name for claim in PLACED for name in (claim.lower, claim.higher)} == set(TABLES["places"])
    keys = [arm.key for arm in {**EVERY_ARM, **TABLES["places"]}.values()]
    assert len(set(keys)) == len(EVERY_ARM) + 1


def known_of(arms) -> dict:
    return {(MEASURED, arm.key, number): {"consistency": 0.1 + 0.01 * place + 0.001 * number, "smoothness": 0.5,
                                          "largest": 0.25} for place, arm in enumerate(arms.values())
            for number in range(6)}


def test_the_section_says_what_the_distance_is_above_the_table(tmp_path):
    (tmp_path / sheet_file("shapes")).touch()
    text = section(known_of(SAME), tmp_path)
    above, _, below = text.partition("\n| | ")
    assert text.startswith(f"{HEADING}\n") and "LPIPS" in above and "8 x 8 pixels" in above
    assert "embedded" in above and "real checkpoint" in above and "--tables same --pairs 6" in above
    assert "| fused outer | 0.1025 [0.1012, 0.1038] | 0.5000 [0.5000, 0.5000] | 0.2500 [0.2500, 0.2500] |" in below
    assert "| consistency, smoothness | shape to shape | pattern to pattern | both |" in below
    assert "\n| fused outer | 0.1015, 0.500 | 0.1025, 0.500 | 0.1035, 0.500 |\n" in below
    assert "Noise of its own" not in text and "Adaptive places" not in text
    assert text.count("![") == 1 and f"({tmp_path.name}/between_shapes_sheet.jpg)" in text
    assert table(of_table(known_of(OWN), OWN)).count("\n") == 1 + len(OWN)


def test_a_section_stands_in_place_of_the_older_one_and_no_report_takes_it_away(tmp_path):
    before = ("# Evidence\n\nWords.\n\n## Peers\n\nThese.\n\n## Between two\n\nOld.\n\n### More\n\nOld.\n\n"
              "## Last\n\nEnd.\n")
    text = section(known_of(SAME), tmp_path)
    put = put_into(before, text)
    assert put == before.replace("## Between two\n\nOld.\n\n### More\n\nOld.\n", text) and put_into(put, text) == put
    assert put_into("# Evidence\n\n## Peers\n\nThese.\n", text) == f"# Evidence\n\n## Peers\n\nThese.\n\n{text}"
    again = evidence({}, {}, tmp_path, put)
    assert f"\n{text}" in again and "claims of the paper" not in again


def test_sheets_are_of_the_first_pairs(tmp_path):
    assert [each.number for each in first_pairs(SHAPE)] == [0, 3, 6]
    assert [each.number for each in first_pairs(PATTERN)] == [1, 4, 7]
    path = save([Line("A title"), Line("one", flat(0, 255)), Line("other", flat(0, 100, 255))], tmp_path / "a.jpg")
    assert Image.open(path).size == (150 + 3 * 82, 22 + 2 * 82 + 2)
