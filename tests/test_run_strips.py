"""A strip of images in one sampling call: its ends are what they would be alone, and how rows are sent does not
matter."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.errors import BadSetting
from lib_indetail.methods.interpolation import Phases
from lib_indetail.noise.slerp import slerp
from lib_indetail.run.strips import Strips
from tests.fake_host import PAPER, FakeHost, FakeModel, FakePass
from tests.frozen.wishes import picture
from tests.paid import error
from tests.small import randn

STRIP = {"interpolate": "prompts", "prompt_b": "a heart", "frames": 4}


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def strips(host, image=None, seeds=(1,), prompts=("a star",), **changes):
    """[strips, frames, C, h, w]"""
    prompt = {"image": image, **PAPER} if image else {}
    made = host.generate({"prompts": [prompt], "shared": {**STRIP, **changes}}, seeds=seeds, prompts=prompts)
    frames = host.owner.frames(made.job)
    assert torch.equal(frames.latents[:, 0], made.latents[0]) and frames.latents.shape[1] == len(frames.ts[0])
    return frames.latents


def plain(host, prompt, seeds=(1,), image=None):
    wish = [{"image": image, **PAPER}] if image else []
    return host.generate(*wish, seeds=seeds, prompts=[prompt]).latents[0]


@pytest.mark.parametrize("changes", [{}, {"between": "concept"}, {"between": "layout of the ends alone"},
                                     {"guide_prompt": "a moon"}, {"frames": 3}, {"interpolated_share": 1}])
def test_ends_are_what_they_would_be_alone_and_between_they_are_not(host, changes):
    made = strips(host, seeds=(1, 2), **changes)
    for end, prompt in ((0, "a star"), (-1, "a heart")):
        assert error(made[:, end], plain(host, prompt, (1, 2))) < 1e-5
    assert all(error(made[:, number], made[:, end]) > 1e-2 for number in range(1, made.shape[1] - 1) for end in (0, -1))


def test_rows_of_the_negative_prompt_are_what_they_are_without_attention_between(host):
    """In the first evaluation, which has the same latents either way."""
    answers = []
    for between in ("texts alone", "layout", "concept"):
        host.rows_answered = []
        strips(host, between=between)
        answers.append(host.rows_answered[0].chunk(2))
    for cond, uncond in answers[1:]:
        assert error(uncond, answers[0][1]) < 1e-6
        assert error(cond[2:], answers[0][0][2:]) > 1e-3


def test_texts_alone_is_no_step_of_interpolation(host):
    assert error(strips(host, between="texts alone"), strips(host, interpolated_share=0)) < 1e-6
    assert error(strips(host, between="texts alone")[:, 1], strips(host)[:, 1]) > 1e-2


def test_the_steps_after_the_share_may_have_a_way_of_their_own(host):
    whole = strips(host, interpolated_share=1, between="concept")
    assert torch.equal(strips(host, interpolated_share=0, between_after="concept"), whole)
    assert torch.equal(strips(host, interpolated_share=0.5, between="concept", between_after="concept"), whole)
    changed = strips(host, interpolated_share=0.5, between="layout", between_after="concept")
    assert error(changed[:, 1], whole[:, 1]) > 1e-2


def test_a_share_of_the_steps_is_counted_in_steps(host):
    """Of four steps the same two at a half and a little more, three at three quarters."""
    half, more, three = (strips(host, interpolated_share=share)[:, 1] for share in (0.5, 0.55, 0.75))
    assert torch.equal(half, more) and error(half, three) > 1e-3


@pytest.mark.parametrize("ways", [{"rows_a_call": 1}, {"rows_a_call": 3}, {"tells": True},
                                  {"rows_a_call": 2, "tells": True}])
def test_however_rows_are_sent(host, ways):
    whole = strips(host, seeds=(1, 2))
    for name, value in ways.items():
        setattr(host, name, value)
    assert error(strips(host, seeds=(1, 2)), whole) < 1e-4


def test_each_image_of_a_batch_has_a_strip_of_its_own(host):
    both = strips(host, seeds=(1, 2))
    for number, seed in enumerate((1, 2)):
        assert error(both[number:number + 1], strips(host, seeds=(seed,))) < 1e-4


def test_the_other_end_may_have_a_seed_of_its_own(host):
    both = strips(host, seeds=(1, 2), seed_b=5)
    assert error(both[:, 0], plain(host, "a star", (1, 2))) < 1e-5
    assert error(both[:, -1], plain(host, "a heart", (5, 6))) < 1e-5  # the next strip has the next one
    same = strips(host, seeds=(1,), seed_b=1)
    assert error(same, strips(host)) < 1e-5 and error(both[:1, 1], same[:, 1]) > 1e-2
    job = host.generate({"shared": {**STRIP, "seed_b": 5}}, seeds=(1, 2)).job
    host.owner.frames(job)
    assert job.lines["InDetail seed B"] == [5] * 4 + [6] * 4


def test_noise_of_steps_lies_between_that_of_the_ends():
    method = Strips(Settings(**STRIP), range(1)).method(Phases(), None, [], [])
    noise = torch.stack([randn(4, 8, 8, seed=number) for number in range(4)])
    made = method.spread(noise)
    assert torch.equal(made[:2], noise[:2])
    assert error(made[2], slerp(noise[0], noise[1], 1 / 3)) < 1e-6 and made[2].std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("t", ["0", "0.3333333333333333", "1"])
def test_one_frame_alone_is_that_of_the_strip(host, t):
    whole = strips(host, seeds=(1, 2))
    assert error(strips(host, seeds=(1, 2), frame_at=t)[:, 0], whole[:, round(3 * float(t))]) < 1e-4


def test_places_are_where_they_are_wanted(host):
    made = host.generate({"shared": {**STRIP, "places": "0, 0.25, 1"}})
    frames = host.owner.frames(made.job)
    assert frames.ts == [[0, 0.25, 1]] and frames.rows == 3
    assert host.owner.frames(made.job) is None
    beta = host.generate({"shared": {**STRIP, "places": "beta", "places_alpha": 3}})
    assert host.owner.frames(beta.job).ts[0] == pytest.approx([0, 0.40913, 0.59087, 1], abs=1e-4)


def test_the_infotext_says_of_each_frame_where_it_is(host):
    made = host.generate({"shared": STRIP}, seeds=(1, 2))
    assert made.job.lines["InDetail frames"] == 4 and "InDetail t" not in made.job.lines
    host.owner.frames(made.job)
    assert made.job.lines["InDetail t"] == [0, 0.33333333, 0.66666667, 1] * 2
    assert made.job.lines["InDetail rows"] == [8] * 8


@pytest.mark.parametrize("changes", [{}, {"between": "concept"}, {"between": "layout of the ends alone"}])
def test_with_an_image_prompt_the_ends_are_those_of_the_image_prompt(host, changes):
    image = picture(0, 64, 64)
    made = strips(host, image, seeds=(1, 2), inversion_text="empty", **changes)
    for end, prompt in ((0, "a star"), (-1, "a heart")):
        alone = host.generate({"image": image, **PAPER, "inversion_text": "empty"}, seeds=(1, 2), prompts=[prompt])
        assert error(made[:, end], alone.latents[0]) < 1e-4
    without = strips(host, seeds=(1, 2), **changes)
    assert error(made[:, 1], without[:, 1]) > 1e-2
    assert all(error(made[:, 1], made[:, end]) > 1e-2 for end in (0, -1))


def test_an_image_prompt_for_one_image_of_a_batch_is_for_its_whole_strip(host):
    image, other = picture(0, 64, 64), picture(1, 64, 64)
    wish = {"prompts": [{"image": image, **PAPER}, {"image": other, **PAPER}],
            "shared": {**STRIP, "spread": "one per image", "inversion_text": "empty"}}
    both = host.owner.frames(host.generate(wish, seeds=(1, 2), prompts=["a star"]).job).latents
    for number, (seed, each) in enumerate(((1, image), (2, other))):
        alone = strips(host, each, seeds=(seed,), inversion_text="empty")
        assert error(both[number:number + 1], alone) < 1e-3


def test_nothing_is_left_behind(host):
    before = plain(host, "a star")
    strips(host)
    assert torch.equal(plain(host, "a star"), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks
                   for name, module in host.loaded.unet.named_modules() if name)


@pytest.mark.parametrize(("changes", "said"), [
    ({"frames": 2}, "Frames must be a whole number from 3 to 15, not 2."),
    ({"frames": 16}, "Frames must be a whole number from 3 to 15, not 16."),
    ({"frame_at": "1.5"}, "One frame at must be 0 to 1, or nothing, not '1.5'."),
    ({"frame_at": "half"}, "One frame at must be 0 to 1, or nothing, not 'half'."),
    ({"places": "0, 0.5"}, "Places must be even, beta, adaptive, or 3 to 15 rising places"),
    ({"places": "0, 0.5, 0.4, 1"}, "Places must be even, beta, adaptive, or 3 to 15 rising places"),
    ({"places": "0, x, 1"}, "Places must be even, beta, adaptive, or places from 0 to 1, not ' x'."),
    ({"between": "concept of the ends alone", "interpolated_share": 1, "guide_prompt": "a moon"},
     "Guide prompt has no effect where images between read concept of the ends alone in all steps"),
    ({"interpolate": "video"}, "Interpolate must be one of off, prompts, image prompts")])
def test_what_cannot_be_is_said_before_anything_is_sampled(host, changes, said):
    made = host.generate({"shared": {**STRIP, **changes}})
    assert said in str(made.job.refused) and not made.latents


@pytest.mark.parametrize(("changes", "passes", "said"), [
    ({"prompt_b": "a AND b"}, {}, "Prompt B must be without AND"),
    ({"guide_prompt": "a AND b"}, {}, "Guide prompt must be without AND"),
    ({}, {"from_noise": False}, "Interpolate makes strips in txt2img alone.")])
def test_what_a_pass_cannot_have_is_refused_before_it_is_sampled(host, changes, passes, said):
    with pytest.raises(BadSetting, match=said):
        host.generate({"shared": {**STRIP, **changes}}, passes=[passes])
    assert not host.rows_answered


SECOND_PASS = {"title": "second pass", "from_noise": False, "nodes": [501, 251, 1]}


def second_pass(host, wish, t, prompt, seeds=(1,)):
    """What the strips of a wish have in a second pass at a place, of latents that are the same for all."""
    made = host.generate(wish, seeds=seeds, passes=[{"title": "first pass"}], prompts=[prompt])
    if "shared" in wish:
        host.owner.at_places(made.job, 1, [t] * len(seeds))
    this = FakePass(host, **SECOND_PASS, prompts=[prompt], batch=range(len(seeds)))
    host.owner.arm(made.job, (wish,))
    x, run = torch.cat([randn(1, 4, 8, 8, seed=9 + seed) for seed in seeds]), made.job.run
    with torch.no_grad():
        return run(this, x, this.sample) if run else this.sample(x)


@pytest.mark.parametrize("image", [None, picture(0, 64, 64)])
def test_a_second_pass_has_each_frame_at_its_own_text(host, image):
    own = {"image": image, **PAPER, "inversion_text": "empty"} if image else None
    wish = {"prompts": [own] if own else [], "shared": STRIP}
    ends = [second_pass(host, own or {"enabled": False}, 0, prompt, (1, 2)) for prompt in ("a star", "a heart")]
    first, between, last = (second_pass(host, wish, t, "a star", (1, 2)) for t in (0.0, 0.5, 1.0))
    assert error(first, ends[0]) < 1e-4 and error(last, ends[1]) < 1e-4
    assert all(error(between, end) > 1e-3 for end in ends)
    guided = second_pass(host, {**wish, "shared": {**STRIP, "guide_prompt": "a heart"}}, 0.5, "a star", (1, 2))
    assert error(guided, ends[1]) < 1e-4


def test_noise_of_a_second_pass_lies_between_the_seeds_of_both_ends(host):
    for wish, way in ((STRIP, None), ({**STRIP, "seed_b": 5}, ([5, 6], [0.25, 0.25]))):
        made = host.generate({"shared": wish}, seeds=(1, 2), passes=[{"title": "first pass"}])
        host.owner.at_places(made.job, 1, [0.25, 0.25])
        again = host.generate({"shared": wish}, seeds=(1, 2), passes=[{"title": "first pass"}, SECOND_PASS])
        this = FakePass(host, **SECOND_PASS, batch=range(2))
        host.owner.arm(made.job, ({"shared": wish},))
        with torch.no_grad():
            made.job.run(this, torch.cat([randn(1, 4, 8, 8, seed=seed) for seed in (1, 2)]), this.sample)
        assert this.way == way
        assert again.passes[1].way == (way and ([5, 6], [0, 0]))  # the host's own, of the first frames


def test_a_second_pass_between_image_prompts_has_either_at_its_end(host):
    prompts = [{**PAPER, "image": picture(number, 64, 64), "inversion_text": "empty"} for number in (0, 1)]
    wish = {"prompts": prompts, "shared": {"interpolate": "image prompts", "frames": 3}}
    ends = [second_pass(host, prompt, 0, "a star") for prompt in prompts]
    first, between, last = (second_pass(host, wish, t, "a star") for t in (0.0, 0.5, 1.0))
    assert error(first, ends[0]) < 1e-4 and error(last, ends[1]) < 1e-4
    assert all(error(between, end) > 1e-3 for end in ends)


def test_switched_off_it_asks_for_an_image_prompt_as_before(host):
    refused = host.generate({"shared": {**STRIP, "interpolate": "off"}}).job.refused
    assert "InDetail is on but has no image prompt" in str(refused)


def test_pixels_for_a_second_pass_are_made_while_the_first_models_are_at_hand(host):
    other = FakeModel("second")
    other.decode = None  # may not be asked
    made = host.generate({"shared": STRIP}, seeds=(1, 2), passes=[{"title": "first pass"}])
    host.at_work = other
    frames = host.owner.frames(made.job)
    assert torch.equal(frames.pixels[1, 2], host.loaded.decode(frames.latents[1, 2:3])[0])
    assert host.owner.frames(host.generate({"shared": STRIP}).job).pixels is None
