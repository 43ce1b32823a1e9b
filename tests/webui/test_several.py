"""Several pictures, masks, a negative picture and schedules in the real WebUI, by API."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.webui.host import changed, difference, encoded, paper, pixels
from tests.webui.test_controlnet import units
from tests.webui.test_off import KINDS
from tests.webui.test_rows import LONG
from tests.webui.test_xyz import cells, plot, same

WISH = paper(10)
HALF = Image.new("L", (128, 128))
HALF.paste(255, (0, 0, 64, 128))
LEFT, BLACK = encoded(HALF), encoded(Image.new("L", (128, 128)))
JOBS = {"one": {}, "three": dict(batch_size=3), "AND": dict(prompt="a star AND a heart :0.4", batch_size=3),
        "long": dict(prompt=LONG, batch_size=2), "hires": KINDS["hires"], "inpaint": KINDS["inpaint"],
        "DDIM": dict(sampler_name="DDIM", batch_size=2)}


def halves(picture, **settings) -> dict:
    """The same picture twice, at half weight each."""
    return {"image": picture, **WISH, "weight": 0.5, **settings, "images": [{"image": picture, "weight": 0.5}]}


@pytest.mark.parametrize("job", JOBS)
def test_two_copies_at_half_weight_are_one_at_full(host, picture, other, job):
    whole = host.make(indetail={"image": picture, **WISH}, **JOBS[job])
    in_halves = host.make(indetail=halves(picture), **JOBS[job])
    assert max(difference(a, b) for a, b in zip(whole, in_halves, strict=True)) <= 2
    both = host.make(indetail={"image": picture, **WISH, "images": [{"image": other}]}, **JOBS[job])
    assert min(changed(a, b) for a, b in zip(whole, both, strict=True)) > 2
    assert host.get("/probe/state")[1]["hooks"] == 0


BESIDE_UNITS = {"three": dict(batch_size=3), "hires": {**KINDS["hires"], "batch_size": 2},
                "AND with hires": {**KINDS["hires"], "prompt": "a star AND a heart :0.4"}}


@pytest.mark.parametrize("job", BESIDE_UNITS)
def test_two_copies_at_half_weight_are_one_at_full_with_controlnet_units(controlled, picture, other, job):
    fields = {**units({}, {"weight": 0.4}), **BESIDE_UNITS[job]}
    count = fields.get("batch_size", 1)
    whole = controlled.make(indetail={"image": picture, **WISH}, **fields)[:count]
    both = controlled.make(indetail=halves(picture), **fields)[:count]
    assert [difference(*pair) <= 2 for pair in zip(whole, both, strict=True)] == [True] * count
    mixed = controlled.make(indetail={"image": picture, **WISH, "images": [{"image": other}]}, **fields)[:count]
    assert min(changed(*pair) for pair in zip(whole, mixed, strict=True)) > 1
    assert controlled.get("/probe/state")[1]["hooks"] == 0


@pytest.mark.parametrize("job", ["hires", "AND with hires"])
def test_black_output_masks_are_plain_beside_controlnet_units(controlled, picture, other, job):
    fields = {**units({}), **BESIDE_UNITS[job]}
    count = fields.get("batch_size", 1)
    wish = {"image": picture, **WISH, "output_mask": BLACK, "images": [{"image": other, "output_mask": BLACK}]}
    made, plain = (controlled.make(indetail=each, **fields)[:count] for each in (wish, None))
    assert [difference(*pair) for pair in zip(plain, made, strict=True)] == [0] * count


@pytest.mark.parametrize("batch", [dict(batch_size=3), dict(n_iter=3), dict(batch_size=2, n_iter=2)], ids=str)
def test_one_per_image_and_cycled_over_a_whole_job(host, picture, other, batch):
    images = [{"image": other}]
    number = batch.get("batch_size", 1) * batch.get("n_iter", 1)
    job = dict(batch_size=number)
    plain, first, second = (host.make(indetail=wish and {"image": wish, **WISH}, **job)
                            for wish in (None, picture, other))
    for spread, wanted in (("one per image", [first, second, plain, plain]), ("cycled", [first, second] * 2)):
        made = host.make(indetail={"image": picture, **WISH, "spread": spread, "images": images}, **batch)
        assert [difference(png, of[i]) <= 1
                for i, (png, of) in enumerate(zip(made, wanted[:number], strict=True))] == [True] * number


def test_a_picture_that_no_image_of_a_batch_reads_is_not_inverted(host, picture, other):
    host.make(indetail={"image": picture, **WISH, "spread": "one per image", "images": [{"image": other}]})
    assert host.get("/probe/state")[1]["own_calls"] == 10


@pytest.mark.parametrize("job", ["three", "hires", "inpaint"])
def test_an_output_mask_puts_the_picture_where_it_is_white(host, picture, job):
    plain = host.make(**JOBS[job])
    assert [difference(*pair) for pair in zip(plain, host.make(
        indetail={"image": picture, **WISH, "output_mask": BLACK}, **JOBS[job]), strict=True)] == [0] * len(plain)
    in_part = host.make(indetail={"image": picture, **WISH, "output_mask": LEFT}, **JOBS[job])
    for png, before in zip(in_part, plain, strict=True):
        width = pixels(png).shape[1]
        inside, outside = slice(0, width // 2 - 8), slice(width // 2 + 8, None)
        assert changed(png, before, inside) > 1.2 * changed(png, before, outside)


def test_two_output_masks_share_an_image(host, picture, other):
    right = encoded(Image.eval(HALF, lambda value: 255 - value))
    apart = {"image": picture, **WISH, "output_mask": LEFT, "images": [{"image": other, "output_mask": right}]}
    made, = host.make(indetail=apart)
    alone = [host.make(indetail={"image": each, **WISH})[0] for each in (picture, other)]
    left, right = slice(0, 56), slice(72, None)
    assert changed(made, alone[0], left) < changed(made, alone[1], left)
    assert changed(made, alone[1], right) < changed(made, alone[0], right)


def test_a_reference_mask_and_transparency_are_the_same(host, picture):
    whole, = host.make(indetail={"image": picture, **WISH})
    masked, = host.make(indetail={"image": picture, **WISH, "reference_mask": LEFT})
    assert changed(whole, masked) > 2
    host.post("/probe/forget")
    see_through = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    see_through.putalpha(HALF)
    flat = Image.new("RGB", see_through.size, "white")
    flat.paste(see_through, mask=HALF)
    by_alpha, = host.make(indetail={"image": encoded(see_through), **WISH})
    by_mask, = host.make(indetail={"image": encoded(flat), "reference_mask": LEFT, **WISH})
    assert same(by_alpha, by_mask)


def test_a_negative_picture_is_inverted_with_the_negative_prompt_and_spares_the_cond_rows(host, picture):
    wish, fields = {"image": picture, **WISH, "side": "negative"}, dict(negative_prompt="ugly", batch_size=2)
    plain = host.make(cfg_scale=1, **fields)
    at_one = host.make(indetail=wish, cfg_scale=1, **fields)
    # the host adds uncond + (cond - uncond)
    assert max(difference(*pair) for pair in zip(plain, at_one, strict=True)) <= 1
    assert set(host.get("/probe/state")[1]["texts"]) == {"ugly"}
    assert min(changed(*pair) for pair in zip(host.make(**fields), host.make(indetail=wish, **fields), strict=True)) > 2
    host.make(indetail={**wish, "inversion_text": "own text", "own_text": "a dot"}, **fields)
    assert "a dot" in host.get("/probe/state")[1]["texts"]


def test_a_positive_and_a_negative_picture_act_together(host, picture, other):
    both = {"image": picture, **WISH, "images": [{"image": other, "side": "negative"}]}
    for fields in ({}, KINDS["hires"]):
        alone = host.make(indetail={"image": picture, **WISH}, **fields)
        assert changed(host.make(indetail=both, **fields)[0], alone[0]) > 2


def test_the_second_pass_has_its_own_strength_and_lambda(host, picture):
    wish, hires = {"image": picture, **WISH, "stratified_until": 1.0}, KINDS["hires"]
    both, = host.make(indetail=wish, **hires)
    first, = host.make(indetail={**wish, "passes": "first"}, **hires)
    assert difference(host.make(indetail={**wish, "hires_strength": "0"}, **hires)[0], first) <= 1
    assert difference(host.make(indetail={**wish, "hires_strength": "1", "hires_lambda": "0.5"}, **hires)[0], both) <= 1
    assert changed(host.make(indetail={**wish, "hires_lambda": "0.1"}, **hires)[0], both) > 0.5


@pytest.mark.parametrize(("settings", "equal"), [
    (dict(strength_schedule="0:1"), {}), (dict(strength_schedule="0:0"), None), (dict(strength_schedule="0.5"),
                                                                                dict(strength=0.5)),
    (dict(lambda_schedule="0.3", stratified_until=1.0), dict(lambda_image=0.3, stratified_until=1.0)),
    (dict(block_weights="0:0", adain=0.0), None), (dict(block_weights="0.5", adain=0.0), dict(strength=0.5, adain=0.0)),
    (dict(block_weights="strong"), dict(blocks="all"))], ids=str)
def test_schedules_and_block_weights_that_say_the_same_do_the_same(host, picture, settings, equal):
    wanted, = host.make(indetail=None if equal is None else {"image": picture, **WISH, **equal})
    assert difference(host.make(indetail={"image": picture, **WISH, **settings})[0], wanted) <= 1


@pytest.mark.parametrize("settings", [dict(strength_schedule="linear"), dict(inversion_offset=0.5),
                                      dict(lambda_schedule="cosine", stratified_until=1.0),
                                      dict(block_weights="detail"), dict(block_weights="style"),
                                      dict(block_weights="structure")], ids=str)
def test_schedules_block_weights_and_offset_act(host, picture, settings):
    base = {name: value for name, value in settings.items() if name == "stratified_until"}
    before = host.make(indetail={"image": picture, **WISH, **base}, batch_size=2)
    after = host.make(indetail={"image": picture, **WISH, **settings}, batch_size=2)
    assert min(changed(*pair) for pair in zip(before, after, strict=True)) > 1


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "UniPC", "DPM++ 2M"])
def test_colour_match_brings_the_colours_nearer(host, picture, sampler):
    wish = {"image": picture, **WISH, "adain": 0.0, "strength_schedule": "0:1", "stratified_until": 0.0}
    fields = dict(batch_size=3, steps=12, sampler_name=sampler)
    target = pixels(base64.b64decode(picture)).mean((0, 1))

    def off(**settings) -> float:
        made = host.make(indetail={**wish, **settings}, **fields)
        return float(np.mean([np.abs(pixels(png).mean((0, 1)) - target).mean() for png in made]))

    assert off(colour_match=1.0, colour_until=0.6) < off()


def test_inpainting_a_part_may_show_the_same_part_of_the_picture(host, picture):
    fields = {**KINDS["only masked"], "mask_blur": 0}
    decoded = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    part = encoded(decoded.crop((24, 24, 104, 104)))  # the mask, and 8 pixels around it
    by_hand, = host.make(indetail={"image": part, **WISH}, **fields)
    same_part, = host.make(indetail={"image": picture, **WISH, "inpaint_reference": "same part"}, **fields)
    whole, = host.make(indetail={"image": picture, **WISH}, **fields)
    assert same(same_part, by_hand) and changed(whole, by_hand) > 0.2


def test_a_second_run_reads_all_pictures_from_the_bank(host, picture, other):
    wish = {"image": picture, **WISH, "images": [{"image": other}, {"image": other, "side": "negative", "start": 0.3}]}
    first = host.make(indetail=wish, **KINDS["hires"])
    host.post("/probe/forget")
    assert host.make(indetail=wish, **KINDS["hires"]) == first
    state = host.get("/probe/state")[1]
    assert (state["records"], state["own_calls"]) == ([], 0)


def test_a_bank_too_small_for_two_pictures_gives_the_same(host, picture, other):
    wish = {"image": picture, **WISH, "blocks": "all", "images": [{"image": other}]}
    wanted = host.make(indetail=wish, steps=20)
    full = host.get("/indetail/cache")[1]["bank_bytes"]
    host.options(indetail_bank_mb=max(1, full // 3 // 2**20))
    for _ in range(2):
        host.post("/probe/reset")
        assert difference(host.make(indetail=wish, steps=20)[0], wanted[0]) <= 1
        assert host.get("/indetail/cache")[1]["bank_bytes"] <= max(1, full // 3 // 2**20) * 2**20


@pytest.mark.parametrize(("when", "what"), [(5, "interrupted"), (12, "interrupted"), (5, "raise"), (22, "raise")])
def test_a_run_that_ends_early_leaves_nothing(host, picture, other, when, what):
    plain = host.make()
    wish = {"image": picture, **WISH, "images": [{"image": other}]}
    wanted = host.make(indetail=wish)
    host.post("/probe/reset")
    host.post("/probe/then", {"after": when, "what": what})
    assert host.ask(indetail=wish)[0] == (500 if what == "raise" else 200)
    assert host.get("/probe/state")[1]["hooks"] == 0
    host.post("/probe/forget")
    assert host.make() == plain
    assert host.make(indetail=wish) == wanted


def test_bad_further_pictures_are_refused_before_any_call(host, picture):
    for images in ([{"image": "///"}], [{"weight": 1}], [{"image": picture, "reference_mask": BLACK}],
                   [{"image": picture, "nodes": 0}], [{"image": picture}] * 8):
        host.post("/probe/reset")
        status, answer = host.ask(indetail={"image": picture, "images": images})
        assert status == 422 and answer["errors"].endswith(".") and len(answer["errors"]) < 300, answer
        assert host.get("/probe/state")[1]["calls"] == []


def test_infotext_and_the_pictures_give_the_same_bytes(host, picture, other):
    wish = {"image": picture, **WISH, "output_mask": LEFT, "images": [
        {"image": other, "weight": 0.4, "lambda_image": 0.2}]}
    made, = host.make(indetail=wish)
    text = Image.open(io.BytesIO(made)).info["parameters"]
    assert all(f"InDetail 2 {line}" in text for line in ("image: ", "weight: 0.4", "lambda: 0.2"))
    status, answer = host.post("/sdapi/v1/txt2img", {"infotext": text, "alwayson_scripts": {"InDetail": {
        "args": [True, [{"image": picture, "output_mask": LEFT}, other]]}}})
    assert status == 200, answer
    assert same(base64.b64decode(answer["images"][0]), made)


def test_axes_of_a_further_picture(host, picture, other):
    wish = {"image": picture, **WISH, "images": [{"image": other}]}
    made = cells(host, wish, x=(".Weight of image prompt 2", "0.25, 1"), y=(".Lambda of image prompt 2", "0.2, 0.9"))
    wanted = [host.make(indetail={**wish, "images": [{"image": other, "weight": weight, "lambda_image": each}]})[0]
              for each in (0.2, 0.9) for weight in (0.25, 1)]
    assert [same(*pair) for pair in zip(made, wanted, strict=True)] == [True] * 4
    status, answer = plot(host, wish, x=(".Weight of image prompt 3", "0.5"))
    assert status == 422 and "There is no image prompt 3" in answer["errors"]
