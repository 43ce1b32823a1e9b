"""Strips of images between two prompts, as the host makes, saves and names them."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image

from tests.webui.host import difference, paper, pixels
from tests.webui.test_off import KINDS
from tests.webui.test_rows import LONG

STRIP = {"interpolate": "prompts", "prompt_b": "a heart", "frames": 4, "sheet": "none"}


def made(host, image=None, wish=None, **fields) -> list[bytes]:
    prompts = [{"image": image, **paper(20), "inversion_text": "empty"}] if image else []
    return host.make(indetail={"prompts": prompts, "shared": {**STRIP, **(wish or {})}}, **fields)


def infotexts(host, wish=None, **fields) -> list[str]:
    status, answer = host.ask(indetail={"shared": {**STRIP, **(wish or {})}}, **fields)
    assert status == 200, answer
    return json.loads(answer["info"])["infotexts"]


def refusal(host, wish, **fields) -> str:
    status, answer = host.ask(indetail={"shared": {**STRIP, **wish}}, **fields)
    assert status == 422, answer
    return answer["errors"]


def check_ends(host, strip, **fields):
    """Both are ordinary images, and nothing between them is."""
    prompt_b = fields.pop("prompt_b", "a heart")
    first, = host.make(**fields)
    last, = host.make(**{**fields, "prompt": prompt_b})
    assert difference(strip[0], first) <= 1 and difference(strip[-1], last) <= 1
    assert all(difference(each, end) > 20 for each in strip[1:-1] for end in (first, last))


@pytest.mark.parametrize("between", ["layout", "concept", "layout of the ends alone", "concept of the ends alone"])
def test_the_ends_are_ordinary_images(host, between):
    check_ends(host, made(host, wish={"between": between}))
    assert host.get("/probe/state")[1]["hooks"] == 0


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DDIM", "UniPC", "Heun",
                                     "LCM"])
def test_under_samplers_of_every_kind(host, sampler):
    check_ends(host, made(host, sampler_name=sampler), sampler_name=sampler)


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE", "DPM++ 2M", "DDIM"])
def test_the_other_end_may_have_a_seed_of_its_own(host, sampler):
    fields = {"sampler_name": sampler, "batch_size": 2}
    strip = made(host, wish={"seed_b": 30}, **fields)
    for number, seeds in enumerate(((7, 30), (8, 31))):
        ends = [host.make(sampler_name=sampler, prompt=prompt, seed=seed)[0]
                for prompt, seed in zip(("a star", "a heart"), seeds, strict=True)]
        own = strip[4 * number:4 * number + 4]
        assert difference(own[0], ends[0]) <= 1 and difference(own[-1], ends[1]) <= 1
        assert all(difference(each, end) > 20 for each in own[1:-1] for end in ends)
    said = infotexts(host, {"seed_b": 30}, **fields)
    assert [int(re.search(r"InDetail seed B: (\d+)", text)[1]) for text in said] == [30] * 4 + [31] * 4


def test_behind_the_frames_comes_the_strip_with_its_steps(host):
    wide = made(host, wish={"sheet": "strip"}, n_iter=2)
    assert len(wide) == 10 and infotexts(host, {"sheet": "strip"})[-1] == "InDetail: Strip 1"
    for number, strip in enumerate(wide[-2:]):
        shown = pixels(strip)
        assert shown.shape == (128, 4 * 128, 3)
        assert all((shown[:, 128 * i:128 * i + 128] == pixels(wide[4 * number + i])).all() for i in range(4))
    steps = pixels(made(host, wish={"sheet": "strip and steps"})[-1])
    assert (steps[:128] == pixels(wide[-2])).all() and len(steps) > 128


def test_an_animation_lies_where_images_are_saved(host):
    made(host, wish={"animation": "WebP", "sheet": "strip"}, save_images=True)
    files = sorted((host.folder / "outputs").rglob("*.webp"))
    with Image.open(files[-1]) as animation:
        assert animation.n_frames == 6 and animation.size == (128, 128)  # there and back again
    assert files[-1].with_suffix(".png").exists()


def test_batch_size_and_count_give_strips_of_the_next_seeds(host):
    counted = {"batch_size": 2, "n_iter": 2}
    whole = made(host, **counted)
    assert len(whole) == 16
    for number in range(4):
        alone = made(host, seed=7 + number)
        assert max(difference(*pair) for pair in zip(whole[4 * number:4 * number + 4], alone, strict=True)) <= 1
    said = infotexts(host, **counted)
    assert [int(re.search(r"Seed: (\d+)", text)[1]) for text in said] == [7] * 4 + [8] * 4 + [9] * 4 + [10] * 4
    places = [re.search(r"InDetail t: ([\d.]+)", text)[1] for text in said]
    assert places == ["0.0", "0.33333333", "0.66666667", "1.0"] * 4
    assert all("InDetail rows: 8" in text for text in said)


@pytest.mark.parametrize("number", range(4))
def test_a_frames_own_infotext_makes_it_again(host, number):
    whole, said = made(host), infotexts(host)[number]
    t = re.search(r"InDetail t: ([\d.]+)", said)[1]
    again, = made(host, wish={"frame_at": t})
    assert difference(again, whole[number]) <= 1
    assert f"InDetail t: {t}" in infotexts(host, {"frame_at": t})[0]


@pytest.mark.parametrize("options", [{"batch_cond_uncond": False}, {"pad_cond_uncond": True}])
def test_however_the_host_sends_rows(host, options):
    whole = made(host)
    host.options(**options)
    assert max(difference(*pair) for pair in zip(made(host), whole, strict=True)) <= 1


@pytest.mark.parametrize(("prompt", "prompt_b"), [
    (f"a star, {LONG}", LONG), ("a star", f"a heart, {LONG}"), (f"a star, {LONG}", "a heart")])
@pytest.mark.parametrize("between", ["layout", "concept"])
def test_texts_of_any_length_leave_the_ends_as_they_are(host, prompt, prompt_b, between):
    check_ends(host, made(host, wish={"prompt_b": prompt_b, "between": between}, prompt=prompt), prompt=prompt,
               prompt_b=prompt_b)


def test_texts_of_different_lengths_do_so_in_a_second_pass(host):
    fields = {**KINDS["hires"], "prompt": f"a star, {LONG}"}
    check_ends(host, made(host, **fields), **fields)


def test_comments_in_prompt_b_are_none_of_the_prompt(host):
    check_ends(host, made(host, wish={"prompt_b": "a heart # a circle, red"}))


def test_prompts_are_edited_and_weighed_in_prompt_b_too(host):
    edited = "[a heart:a circle:0.5]"
    check_ends(host, made(host, wish={"prompt_b": edited}), prompt_b=edited)
    weighed = "(a heart:1.4)"
    check_ends(host, made(host, wish={"prompt_b": weighed}), prompt_b=weighed)


def test_a_guide_changes_what_is_between_and_leaves_the_ends(host):
    plain = made(host)
    guided = made(host, wish={"guide_prompt": "a circle"})
    assert difference(plain[1], guided[1]) > 20 and difference(plain[0], guided[0]) <= 1


def test_beside_an_image_prompt_the_ends_are_those_of_the_image_prompt(host, picture):
    strip = made(host, picture)
    for end, prompt in ((0, "a star"), (-1, "a heart")):
        alone, = host.make(prompt=prompt, indetail={"image": picture, **paper(20), "inversion_text": "empty"})
        assert difference(strip[end], alone) <= 1
    assert difference(strip[1], made(host)[1]) > 20


@pytest.mark.parametrize(("wish", "fields", "said"), [
    ({"prompt_b": "a heart AND red"}, {}, "Prompt B must be without AND"),
    ({}, {"prompt": "a star AND red"}, "Prompt must be without AND"),
    ({"guide_prompt": "<lora:other:1> a heart"}, {}, "Guide prompt has <lora:other:1>, which the prompt itself lacks"),
    ({"frames": 2}, {}, "Frames must be a whole number from 3 to 15, not 2"),
    ({}, KINDS["img2img"], "Interpolate makes strips in txt2img alone")])
def test_what_cannot_be_is_refused_in_one_sentence(host, wish, fields, said):
    assert said in refusal(host, wish, **fields)
    assert not host.get("/probe/state")[1]["calls"]


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_hires_fix_is_made_frame_by_frame(host, picture, upscaler, image):
    fields = {**KINDS["hires"], "hr_upscaler": upscaler, "batch_size": 2}
    strip = made(host, picture if image else None, **fields)
    assert len(strip) == 8 and {pixels(each).shape for each in strip} == {(192, 192, 3)}
    one = {"image": picture, **paper(20), "inversion_text": "empty"} if image else None
    for end, prompt in ((0, "a star"), (3, "a heart")):
        alone = host.make(indetail=one, **{**fields, "prompt": prompt})
        assert max(difference(strip[4 * number + end], alone[number]) for number in range(2)) <= 1
    assert all(difference(strip[number], strip[end]) > 20 for number in (1, 2) for end in (0, 3))
    assert host.get("/probe/state")[1]["hooks"] == 0


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE", "DDIM"])
def test_hires_fix_has_the_other_ends_seed_too(host, sampler):
    fields = {**KINDS["hires"], "batch_size": 2, "sampler_name": sampler}
    strip = made(host, wish={"seed_b": 30, "frames": 3}, **fields)
    for number in range(2):
        for end, (prompt, seed) in ((0, ("a star", 7 + number)), (2, ("a heart", 30 + number))):
            alone, = host.make(**{**fields, "prompt": prompt, "seed": seed, "batch_size": 1})
            assert difference(strip[3 * number + end], alone) <= 1
        assert all(difference(strip[3 * number + 1], strip[3 * number + end]) > 20 for end in (0, 2))
    assert host.make() and host.get("/probe/state")[1]["hooks"] == 0


def test_after_strips_everything_is_as_before(host):
    before = host.make()
    made(host)
    assert host.make() == before
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_interrupted_it_is_the_hosts_interruption(host):
    host.post("/probe/then", {"after": 3, "what": "interrupted"})
    assert len(made(host)) in (1, 4)
    host.post("/probe/reset")
    assert host.make() and host.get("/probe/state")[1]["hooks"] == 0
