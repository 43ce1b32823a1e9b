"""Strips between texts of different lengths, of which a host gives the shorter one its last token again."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.methods.padding import counted
from tests.fake_host import FakeHost
from tests.paid import error
from tests.small import randn
from tests.test_run_strips import STRIP, second_pass, strips
from tests.test_run_strips_of_pictures import FIRST, SECOND

LENGTHS = [("a star", "a long heart"), ("a long star", "a heart"), ("a long long star", "a long heart")]


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


@pytest.mark.parametrize(("prompt", "prompt_b"), LENGTHS)
@pytest.mark.parametrize("changes", [{}, {"between": "concept", "interpolated_share": 1}, {"between": "texts alone"},
                                     {"guide_prompt": "a moon"}, {"guide_prompt": "a long, long, long moon"}])
@pytest.mark.parametrize("negative", ["", "long"])
def test_texts_of_different_lengths_leave_the_ends_as_they_are_alone(host, prompt, prompt_b, changes, negative):
    def made(*wish, text):
        return host.generate(*wish, seeds=(1, 2), prompts=[text], negatives=[negative])

    whole = host.owner.frames(made({"shared": {**STRIP, "prompt_b": prompt_b, **changes}}, text=prompt).job).latents
    for end, text in ((0, prompt), (-1, prompt_b)):
        assert error(whole[:, end], made(text=text).latents[0]) < 1e-4
    assert all(error(whole[:, number], whole[:, end]) > 1e-2 for number in (1, 2) for end in (0, -1))


@pytest.mark.parametrize(("prompt", "prompt_b"), LENGTHS)
@pytest.mark.parametrize("between", ["layout", "concept", "texts alone"])
def test_texts_of_different_lengths_bring_images_nearer_to_an_end_with_the_place(host, prompt, prompt_b, between):
    def frames(t, end):
        made = strips(host, prompts=(prompt,), prompt_b=prompt_b, between=between, places=f"0, {t}, 1")
        return error(made[:, 1], made[:, end])

    for places, end in (((0.0001, 0.01, 0.1), 0), ((0.9999, 0.99, 0.9), 2)):
        far = [frames(t, end) for t in places]
        assert far == sorted(far) and far[0] < 0.005


@pytest.mark.parametrize("kind", ["image prompts", "morph", "image strength"])
def test_between_pictures_texts_of_different_lengths_leave_the_ends_too(host, kind):
    prompts = [FIRST] if kind == "image strength" else [FIRST, SECOND]
    short, long = (host.owner.frames(host.generate(
        {"prompts": prompts, "shared": {"interpolate": kind, "frames": 3, "prompt_b": prompt_b}},
        prompts=["a star"]).job).latents for prompt_b in ("a heart", "a long heart"))
    assert error(short[:, 0], long[:, 0]) < 1e-4 and error(short[:, 1], long[:, 1]) > 1e-3


@pytest.mark.parametrize(("prompt", "prompt_b"), LENGTHS)
def test_a_second_pass_has_the_whole_text_of_an_end(host, prompt, prompt_b):
    wish = {"shared": {**STRIP, "prompt_b": prompt_b}}
    for t, text in ((0.0, prompt), (1.0, prompt_b)):
        assert error(second_pass(host, wish, t, prompt), second_pass(host, {"enabled": False}, 0, text)) < 1e-5


def test_repetitions_of_the_last_token_do_not_count():
    text, end = randn(1, 3, 4, seed=1), randn(1, 1, 4, seed=2)
    rows = torch.cat([torch.cat([text, end, end, end], 1), randn(1, 6, 4, seed=3), end.expand(-1, 6, -1)])
    assert counted(rows).tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6, [1, 0, 0, 0, 0, 0]]
