"""Detail in the real WebUI: off to the bit, at work in every kind of pass, with masks and several pictures."""

from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

from tests.webui.host import changed, difference, encoded
from tests.webui.test_effect import SAMPLERS
from tests.webui.test_off import KINDS

STEPS = 8
LEFT = Image.new("L", (128, 128))
LEFT.paste(255, (0, 0, 64, 128))


def made(host, wish, **fields) -> list[bytes]:
    return host.make(indetail=wish, **{"steps": STEPS, **fields})


@pytest.mark.parametrize("kind", KINDS)
def test_none_is_as_before_and_some_changes_every_kind_of_generation(host, picture, kind):
    without, none, some = (made(host, {"image": picture, **settings}, **KINDS[kind])
                           for settings in ({}, {"detail": 0, "detail_schedule": "linear"}, {"detail": 0.6}))
    assert all(difference(*pair) == 0 for pair in zip(without, none, strict=True))
    assert max(changed(*pair) for pair in zip(without, some, strict=True)) > 0.3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_it_acts_under_every_sampler(host, picture, sampler):
    without, some = (made(host, {"image": picture, "detail": detail}, sampler_name=sampler)[0] for detail in (0, 0.6))
    assert changed(without, some) > 0.3


def test_a_batch_is_one_image_after_the_other(host, picture):
    wish = {"image": picture, "detail": 0.6}
    together = made(host, wish, batch_size=3)
    alone = [made(host, wish, seed=seed)[0] for seed in (7, 8, 9)]
    assert max(difference(*pair) for pair in zip(together, alone, strict=True)) <= 2


def test_an_output_mask_keeps_it_to_its_part(host, picture):
    """In two steps it acts in the first, and the second is all but clean: what the network makes of it is not seen."""
    few, wish = {"steps": 2, "sampler_name": "DDIM"}, {"image": picture, "output_mask": encoded(LEFT)}
    without, some = (made(host, {**wish, "detail": detail}, **few)[0] for detail in (0, 0.8))
    assert changed(without, some, slice(0, 48)) > 3 * changed(without, some, slice(80, None)) > 0
    nowhere = {**wish, "output_mask": encoded(Image.new("L", (128, 128)))}
    assert difference(made(host, {**nowhere, "detail": 0.8})[0], host.make(steps=STEPS)[0]) == 0


def test_a_reference_mask_takes_patches_from_its_part_alone(host, picture):
    wish = {"image": picture, "detail": 0.8}
    whole, part, nothing = (made(host, {**wish, **mask})[0] for mask in (
        {}, {"reference_mask": encoded(LEFT)}, {"reference_mask": encoded(Image.new("L", (128, 128), 255))}))
    assert difference(whole, nothing) == 0 and changed(whole, part) > 0.3


def test_each_of_two_pictures_has_its_own(host, picture, other):
    def both(first: float, second: float) -> bytes:
        return made(host, {"image": picture, "detail": first, "images": [{"image": other, "detail": second}]})[0]

    results = both(0.6, 0), both(0, 0.6), both(0.6, 0.6), both(0, 0)
    assert min(changed(a, b) for number, a in enumerate(results) for b in results[:number]) > 0.2


def test_the_infotext_makes_the_image_again(host, picture):
    status, answer = host.ask(indetail={"image": picture, "detail": 0.45, "detail_schedule": "0:0.2, 1:0.9"},
                              steps=STEPS)
    assert status == 200
    infotext, = json.loads(answer["info"])["infotexts"]
    assert "InDetail detail: 0.45" in infotext and 'InDetail detail schedule: "0:0.2, 1:0.9"' in infotext
    status, again = host.post("/sdapi/v1/txt2img", {"infotext": infotext})
    assert status == 200 and difference(*(base64.b64decode(each["images"][0]) for each in (answer, again))) == 0


@pytest.mark.parametrize(("wrong", "said"), [
    ({"detail": 1.5}, "Detail must be a number from 0.0 to 1.0, not 1.5."),
    ({"detail_schedule": "soon"}, "Detail schedule must be constant, linear, cosine, or points")])
def test_what_is_no_detail_is_refused_before_sampling(host, picture, wrong, said):
    status, answer = host.ask(indetail={"image": picture, **wrong})
    assert status == 422 and said in json.dumps(answer)


def test_the_page_says_what_it_costs_and_it_stands_in_the_infotext(person, host, picture):
    person.fill("#txt2img_steps input[type=number]", STEPS)
    person.enable()
    person.drop(picture)
    person.set("detail", 0.5)
    person.wait_for("plan", "Detail compares 144 patches with 144 of it at most steps.")
    person.generate()
    person.shot("detail")
    assert "InDetail detail: 0.5" in Image.open(io.BytesIO(person.result())).info["parameters"]
    assert person.own_errors() == []
