"""Strips between two pictures, or from the text alone to one: their ends are the main method's."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.pictures.convert import tensor_picture
from tests.fake_host import PAPER, FakeHost
from tests.frozen.wishes import picture
from tests.paid import error
from tests.test_run_strips import plain

FIRST, SECOND = ({**PAPER, "image": picture(number, 64, 64)} for number in (0, 1))
VARIED = [{}, {"stratified_until": 0.6, "lambda_image": 0.8}, {"colour_match": 0.5, "detail": 0.5}, {"guidance": 0.5},
          {"blocks": "all", "strength": 0.6}, {"replacement_until": 0.3}, {"between": "concept"}]


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def pictures(host, kind, prompts=(FIRST, SECOND), seeds=(1,), **changes):
    own = {name: value for name, value in changes.items() if name in ("colour_match", "detail", "blocks", "strength",
                                                                      "stratified_until", "lambda_image",
                                                                      "replacement_until")}
    shared = {name: value for name, value in changes.items() if name not in own}
    wish = {"prompts": [{**each, **own} for each in prompts],
            "shared": {"interpolate": kind, "frames": 3, **shared}}
    made = host.generate(wish, seeds=seeds)
    assert made.job.refused is None, made.job.refused
    return host.owner.frames(made.job).latents


def main(host, prompt, text="a star", seeds=(1,), **changes):
    changes = {name: value for name, value in changes.items() if name != "between"}
    return host.generate({**prompt, **changes}, seeds=seeds, prompts=[text]).latents[0]


@pytest.mark.parametrize("changes", VARIED)
@pytest.mark.parametrize("prompt_b", ["", "a heart"])
def test_between_image_prompts_the_ends_are_the_main_methods(host, changes, prompt_b):
    made = pictures(host, "image prompts", seeds=(1, 2), prompt_b=prompt_b, **changes)
    for end, prompt, text in ((0, FIRST, "a star"), (-1, SECOND, prompt_b or "a star")):
        assert error(made[:, end], main(host, prompt, text, (1, 2), **changes)) < 1e-4
    assert all(error(made[:, 1], made[:, end]) > 1e-2 for end in (0, -1))


@pytest.mark.parametrize("changes", VARIED)
def test_image_strength_goes_from_the_text_alone_to_the_whole_image_prompt(host, changes):
    made = pictures(host, "image strength", [FIRST], **changes)
    assert error(made[:, 0], plain(host, "a star")) < 1e-5
    assert error(made[:, -1], main(host, FIRST, **changes)) < 1e-4
    assert all(error(made[:, 1], made[:, end]) > 1e-3 for end in (0, -1))


def test_it_comes_nearer_to_an_end_with_the_place(host):
    far = [error(pictures(host, "image prompts", frame_at=str(t))[:, 0], main(host, FIRST)) for t in (0.01, 0.1, 0.5)]
    assert far == sorted(far) and far[0] < 0.1 * far[2]


def test_the_same_image_prompt_at_both_ends_is_that_image_prompt(host):
    made = pictures(host, "image prompts", [FIRST, FIRST])
    assert error(made[:, 1], main(host, FIRST)) < 1e-4


def test_concept_reads_one_bank_between_both_where_they_are_concatenated(host):
    layout = pictures(host, "image prompts", stratified_until=0)
    concept = pictures(host, "image prompts", stratified_until=0, between="concept")
    assert error(layout[:, 1], concept[:, 1]) > 1e-3
    stratified = [pictures(host, "image prompts", stratified_until=1, between=way) for way in ("layout", "concept")]
    assert error(*stratified) < 1e-6


def test_a_morph_begins_and_ends_with_the_pictures(host):
    made = pictures(host, "morph", seeds=(1, 2))
    wish = {"prompts": [FIRST, SECOND], "shared": {"interpolate": "morph", "frames": 3}}
    shown = host.generate({**wish, "show": ["reconstruction"]}).extras
    for number, place in ((1, 0), (2, -1)):
        end = tensor_picture(host.loaded.decode(made[:1, place])[0])
        assert end.tobytes() == shown[f"Reconstruction of image prompt {number}"].tobytes()
    assert error(made[0], made[1]) < 1e-5  # it begins at the pictures' noise, not at a seed's
    between = pictures(host, "image prompts", seeds=(1, 2))
    assert error(made[:, 1], between[:, 1]) > 1e-2 and error(made[:, 0], made[:, 2]) > 1e-2


def test_the_ends_of_a_morph_begin_with_the_plain_step_of_their_pictures(host):
    """There a row's own keys and those of its picture are the same ones."""
    calls = []
    hook = host.loaded.unet.register_forward_hook(
        lambda unet, args, kwargs, output: calls.append((args, kwargs, output)), with_kwargs=True)
    pictures(host, "morph", [{**each, "inversion_text": "same as the prompt"} for each in (FIRST, SECOND)])
    hook.remove()
    (x, timesteps), given, made = next(call for call in calls if len(call[0][0]) == 6)  # cond and uncond rows of three
    with torch.no_grad():
        plain = host.loaded.unet(x, timesteps, **given)
    assert error(made[:2], plain[:2]) < 1e-5 and error(made[2], plain[2]) > 1e-3
    assert error(x[0], x[1]) > 1e-1


@pytest.mark.parametrize(("kind", "prompts", "said"), [
    ("image prompts", [FIRST], "image prompts takes two image prompts, from the first to the second; there is 1."),
    ("morph", [FIRST, SECOND, FIRST], "morph takes two image prompts, from the first to the second; there are 3."),
    ("image strength", [FIRST, SECOND], "Interpolate: image strength takes one image prompt; there are 2."),
    ("image strength", [], "Interpolate: image strength takes one image prompt; there are none."),
    ("image prompts", [FIRST, {**SECOND, "side": "negative"}], "goes between image prompts of the positive side")])
def test_a_strip_between_pictures_has_them_at_its_ends(host, kind, prompts, said):
    made = host.generate({"prompts": prompts, "shared": {"interpolate": kind}})
    assert said in str(made.job.refused) and not made.latents
