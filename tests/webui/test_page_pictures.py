"""Several pictures and masks in the page, as a person adds, paints, restores and removes them."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.webui.host import encoded, paper, pixels
from tests.webui.person import Person


@pytest.fixture
def adding(person, picture, other):
    """A person with a first and a second picture."""
    person.enable()
    person.drop(picture)
    person.own("more").locator(".label-wrap").first.click()
    person.drop(other, "image_2")
    return person


def stroke(person, name: str) -> None:
    """One stroke of the brush across the middle of a canvas."""
    person.own(name).scroll_into_view_if_needed()
    box = person.own(name).locator("canvas").last.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    person.page.mouse.move(*middle)
    person.page.mouse.down()
    person.page.mouse.move(middle[0] + 30, middle[1], steps=5)
    person.page.mouse.up()


def shown(person) -> str:
    return Image.open(io.BytesIO(person.result())).info["parameters"]


def test_a_picture_is_added_and_removed(adding, other):
    adding.set("weight_2", 0.5)
    adding.generate()
    assert "InDetail 2 image" in shown(adding) and "InDetail 2 weight: 0.5" in shown(adding)
    adding.wait_for("last", "image prompt 2: the image prompt was inverted")
    adding.shot("two-pictures")
    adding.own("image_2").locator("button[aria-label=Clear]").click()
    adding.generate()
    assert "InDetail 2" not in shown(adding)
    assert adding.own_errors() == []


def test_the_status_line_speaks_of_all_pictures(adding, picture):
    adding.wait_for("plan", "2 image prompts will be inverted at 128x128.")
    adding.own("image").locator("button[aria-label=Clear]").click()
    adding.wait_for("plan", "Image prompt 2 (128x128) will be inverted at 128x128.")
    adding.drop(encoded(Image.new("RGB", (128, 64), "red")))
    adding.wait_for("plan", "2 image prompts will be inverted at 128x128; cropping image prompt 1 to shape cuts off "
                            "50% of it.")
    adding.set("strength", 0)
    adding.wait_for("plan", "Image prompt 2 (128x128) will be inverted at 128x128.")
    adding.own("image_2").locator("button[aria-label=Clear]").click()
    adding.wait_for("plan", "Strength is 0")


def test_a_further_picture_has_settings_of_its_own_if_asked(adding):
    assert not adding.own("lambda_image_2").is_visible()
    adding.own("own_2").locator("input").check()
    adding.page.wait_for_selector("#script_txt2img_indetail_lambda_image_2", state="visible")
    adding.set("lambda_image_2", 0.9)
    adding.generate()
    assert "InDetail 2 lambda: 0.9" in shown(adding)
    adding.own("own_2").locator("input").uncheck()
    adding.generate()
    assert "InDetail 2 lambda" not in shown(adding)


def test_the_other_tabs_are_the_same(adding, other):
    adding.own("tabs").locator("button", has_text="Image prompt 8").click()
    adding.drop(other, "image_8")
    adding.generate()
    assert "InDetail 8 image" in shown(adding) and "InDetail 3" not in shown(adding)


def test_masks_are_painted_on_the_picture_and_on_an_empty_image(person, picture):
    person.enable()
    person.drop(picture)
    person.generate()
    before = shown(person)
    person.own("masks").locator(".label-wrap").first.click()
    for name in ("reference_mask", "output_mask"):
        person.own(f"paint_{name}").click()
        person.own(name).locator("canvas").last.wait_for(state="visible")
    person.page.wait_for_timeout(1000)
    person.generate()
    assert "mask" not in shown(person) and "mask" not in before
    for name in ("reference_mask", "output_mask"):
        stroke(person, name)
    person.shot("painted")
    person.generate()
    assert "InDetail reference mask" in shown(person) and "InDetail output mask" in shown(person)


def test_masks_of_a_further_picture_are_painted_and_cleared(adding):
    adding.own("masks_2").locator(".label-wrap").first.click()
    for name in ("reference_mask_2", "output_mask_2"):
        adding.own(f"paint_{name}").click()
        adding.own(name).locator("canvas").first.wait_for(timeout=20_000)
        adding.page.wait_for_timeout(1500)
        stroke(adding, name)
    adding.generate()
    assert "InDetail 2 reference mask" in shown(adding) and "InDetail 2 output mask" in shown(adding)
    adding.own("reference_mask_2").locator("button[aria-label=Clear]").click()
    adding.generate()
    assert "InDetail 2 reference mask" not in shown(adding) and "InDetail 2 output mask" in shown(adding)
    half = Image.new("L", (128, 128))
    half.paste(255, (0, 0, 64, 128))
    adding.drop(encoded(half), "reference_mask_2")
    adding.generate()
    assert "InDetail 2 reference mask" in shown(adding) and adding.own_errors() == []


def test_the_negative_side_greys_guidance(person, picture):
    person.enable()
    assert person.number("guidance").is_enabled()
    person.open_advanced()
    person.own("side").locator("label", has_text="negative").click()
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_guidance "
                                  "input[type=number]').disabled", timeout=20_000)
    person.own("side").locator("label", has_text="positive").click()
    person.page.wait_for_function("() => !document.querySelector('#script_txt2img_indetail_guidance "
                                  "input[type=number]').disabled", timeout=20_000)


def test_a_result_with_two_pictures_brings_back_what_it_can_and_names_the_rest(browser, host, picture, other):
    half = Image.new("L", (128, 128))
    half.paste(255, (0, 0, 64, 128))
    wish = {"image": picture, **paper(10), "output_mask": encoded(half),
            "images": [{"image": other, "weight": 0.4, "lambda_image": 0.2}]}
    host.options(indetail_keep_mb=0)
    made, = host.make(indetail=wish, steps=4, cfg_scale=7)
    one = Person(browser, host)
    one.enable()
    one.drop(picture)
    one.own("more").locator(".label-wrap").first.click()
    one.own("tabs").locator("button", has_text="Image prompt 3").click()
    one.drop(other, "image_3")
    one.send_from_png_info(made)
    one.wait_for("notice", "The image prompt 2 of these settings")
    one.wait_for("notice", "The output mask of these settings")
    one.page.wait_for_function("() => !document.querySelector('#script_txt2img_indetail_image_3 img')")
    assert one.has_picture() and one.own("own_2").locator("input").is_checked()
    one.own("tabs").locator("button", has_text="Image prompt 2").click()
    assert (one.number("weight_2").input_value(), one.number("lambda_image_2").input_value()) == ("0.4", "0.2")
    one.shot("restored-two")
    one.drop(other, "image_2")
    one.own("masks").locator(".label-wrap").first.click()
    one.drop(encoded(half), "output_mask")
    one.page.wait_for_timeout(1000)
    one.generate()
    assert (pixels(one.result()) == pixels(made)).all()
    assert one.own_errors() == []
    one.page.close()


def test_a_result_brings_back_all_pictures_and_masks_that_were_kept(browser, host, picture, other):
    half = Image.new("L", (128, 128))
    half.paste(255, (0, 0, 64, 128))
    wish = {"image": picture, **paper(10), "output_mask": encoded(half), "images": [
        {"image": other, "weight": 0.4, "lambda_image": 0.2, "reference_mask": encoded(half)}]}
    made, = host.make(indetail=wish, steps=4, cfg_scale=7)
    one = Person(browser, host)
    one.enable()
    one.drop(other)
    one.send_from_png_info(made)
    one.page.wait_for_selector("#script_txt2img_indetail_image_2 img", state="attached", timeout=30_000)
    one.page.wait_for_timeout(1000)
    assert one.own("notice").inner_text() == ""
    one.generate()
    assert "InDetail 2 reference mask" in shown(one)
    assert (pixels(one.result()) == pixels(made)).all()
    assert one.own_errors() == []
    one.page.close()


@pytest.mark.parametrize("width", [1280, 1920])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_the_page(browser, host, picture, other, width, theme):
    one = Person(browser, host, width=width, theme=theme)
    one.enable()
    one.drop(picture)
    for name in ("masks", "more", "advanced"):
        one.own(name).locator(".label-wrap").first.click()
    one.drop(other, "image_2")
    one.own("own_2").locator("input").check()
    one.page.wait_for_timeout(500)
    one.shot(f"pictures-{width}-{theme}")
    over = one.own("enabled").evaluate(
        "each => [...each.querySelectorAll('*')].filter("
        "e => e.offsetParent && !e.closest('canvas, .indetail-hidden') && e.getBoundingClientRect().right > "
        "each.getBoundingClientRect().right + 1).length")
    assert over == 0
    one.page.close()


def test_a_further_picture_that_is_none_is_named(adding):
    adding.own("image_2").locator("button[aria-label=Clear]").click()
    adding.own("image_2").locator("input[type=file]").set_input_files(
        {"name": "broken.png", "mimeType": "image/png", "buffer": base64.b64decode("aGVsbG8=")})
    adding.page.wait_for_timeout(1500)
    adding.generate()
    assert "Image prompt 2: " in adding.log()


def test_send_to_img2img_takes_all_pictures_and_masks_along(adding):
    half = Image.new("L", (128, 128))
    half.paste(255, (0, 0, 64, 128))
    adding.own("masks").locator(".label-wrap").first.click()
    adding.drop(encoded(half), "output_mask")
    adding.set("weight_2", 0.5)
    adding.generate()
    sent = shown(adding)
    adding.page.locator("#txt2img_send_to_img2img").click()
    adding.tab = "img2img"
    for name in ("image", "image_2", "output_mask"):
        adding.own(name).locator("img").first.wait_for(timeout=30_000, state="attached")
    adding.page.wait_for_timeout(1000)
    adding.generate()
    for line in ("InDetail image", "InDetail 2 image", "InDetail 2 weight", "InDetail output mask"):
        value = sent.split(f"{line}: ")[1].split(",")[0]
        assert f"{line}: {value}" in shown(adding)


def test_a_pages_arguments_are_json_and_give_the_same_picture_by_api(adding, host):
    adding.set("lambda_image", 0.7)
    adding.own("masks").locator(".label-wrap").first.click()
    adding.own("paint_reference_mask").click()
    adding.own("reference_mask").locator("canvas").last.wait_for(state="visible")
    adding.page.wait_for_timeout(1000)
    stroke(adding, "reference_mask")
    adding.fill("#txt2img_seed input", 7)
    adding.generate()
    arguments = host.get("/probe/arguments")[1]["own"]
    assert arguments[0] is True and "InDetail reference mask" in shown(adding) and "InDetail 2 image" in shown(adding)
    sampler = re.search("Sampler: ([^,]+)", shown(adding))[1]
    replayed, = host.make(indetail=arguments, steps=4, cfg_scale=7, sampler_name=sampler)
    assert np.array_equal(pixels(replayed), pixels(adding.result()))
