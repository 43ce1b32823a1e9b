"""The accordion in a real browser: what a person sees and clicks. Needs Playwright and an installed Chromium."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lib_indetail.ask.settings import Settings
from tests.webui.person import Person


def test_the_accordion_is_closed_and_off_in_both_tabs(browser, host):
    for tab in ("txt2img", "img2img"):
        person = Person(browser, host, tab=tab)
        assert person.own("enabled").count() == 1
        assert not person.own("image").is_visible()
        assert person.own_errors() == []
        person.page.close()


def test_a_picture_goes_in_and_its_details_come_out(person, picture):
    person.enable()
    person.wait_for("plan", "Drop in an image prompt")
    person.shot("empty")
    person.drop(picture)
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_plan').innerText"
                                  ".includes('will be inverted at 128x128')", timeout=20_000)
    person.generate()
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_last').innerText"
                                  ".includes('inverted in')", timeout=20_000)
    assert person.page.locator("#txt2img_gallery img").count() >= 1
    person.shot("generated")
    person.generate()
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_last').innerText"
                                  ".includes('still there')", timeout=20_000)
    assert person.own_errors() == []


def test_two_browser_tabs_share_nothing(browser, host, picture, person):
    other = Person(browser, host)
    person.enable()
    person.drop(picture)
    person.generate()
    assert not other.own("image").is_visible()
    other.generate()
    assert other.own("last").locator("p").count() == 0
    assert person.own("last").locator("p").count() == 1
    other.page.close()


def test_without_a_picture_the_page_says_what_to_do(person):
    person.enable()
    person.generate()
    assert "has no image prompt" in person.log()
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_last').innerText"
                                  ".includes('has no image prompt')", timeout=20_000)


def test_a_task_sets_and_greys_what_it_fixes(person, picture):
    person.enable()
    number = person.own("stratified_until").locator("input[type=number]")
    assert number.is_enabled() and float(number.input_value()) == 0.2
    person.own("task").locator("label", has_text="structure-guided").click()
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_stratified_until "
                                  "input[type=number]').disabled", timeout=20_000)
    assert float(number.input_value()) == 0.5
    person.drop(picture)
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_plan').innerText"
                                  ".includes('CFG scale 5')", timeout=20_000)
    person.shot("task")
    person.own("task").locator("label", has_text="image variation").click()
    person.page.wait_for_function("() => !document.querySelector('#script_txt2img_indetail_stratified_until "
                                  "input[type=number]').disabled", timeout=20_000)


def test_the_preview_shows_a_reconstruction_and_its_error(person, picture):
    person.enable()
    person.drop(picture)
    person.open_advanced()
    person.own("preview").click()
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_plan').innerText"
                                  ".includes('dB')", timeout=60_000)
    assert person.own("reconstruction").locator("img").count() == 1
    person.shot("preview")


def test_what_is_kept_is_said_and_can_be_forgotten(person, picture):
    person.enable()
    person.drop(picture)
    person.open_advanced()
    person.wait_for("kept", "Nothing is kept of earlier image prompts.")
    person.generate()
    person.wait_for("kept", "noise levels with keys and values: 4")
    person.shot("kept")
    person.own("forget").click()
    person.wait_for("kept", "Nothing is kept of earlier image prompts.")
    person.generate("a heart")
    person.wait_for("kept", "inversions: 1")


def test_a_result_can_be_sent_to_indetail(person):
    person.generate()
    person.page.locator("#txt2img_send_to_indetail").click()
    person.own("image").locator("img").wait_for(timeout=20_000)
    assert person.page.locator("#script_txt2img_indetail_enabled-visible-checkbox").is_checked()
    person.shot("sent")


@pytest.mark.parametrize("width", [1280, 1920])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_the_page(browser, host, picture, width, theme):
    person = Person(browser, host, width, theme)
    person.enable()
    person.drop(picture)
    person.page.wait_for_timeout(500)
    box = person.own("enabled").bounding_box()
    column = person.page.locator("#txt2img_settings").bounding_box()
    assert box["width"] <= column["width"] + 1
    person.shot(f"page-{width}-{theme}")
    person.page.close()


GIVE = """([event, selector, colour]) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 32;
    const context = canvas.getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, 32, 32);
    canvas.toBlob(blob => {
        const held = new DataTransfer();
        held.items.add(new File([blob], "picture.webp", {type: "image/webp"}));
        const init = {bubbles: true, composed: true, cancelable: true, clipboardData: held, dataTransfer: held};
        const made = event === "paste" ? new ClipboardEvent(event, init) : new DragEvent(event, init);
        document.querySelector(selector).dispatchEvent(made);
    }, "image/webp");
}"""
COLOUR = """([selector, colour]) => {
    const image = document.querySelector(selector);
    if (!image || !image.complete || !image.naturalWidth) return false;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 1, 1);
    const seen = context.getImageData(0, 0, 1, 1).data;
    return colour.every((value, i) => Math.abs(value - seen[i]) < 30);
}"""


@pytest.mark.parametrize(("event", "selector"), [("paste", "body"), ("drop", "#script_txt2img_indetail_image .wrap"),
                                                 ("drop", "#script_txt2img_indetail_image img")])
def test_a_picture_pasted_or_dropped_in_takes_the_place_of_the_one_before(person, picture, event, selector):
    person.enable()
    person.page.wait_for_timeout(300)
    if selector.endswith("img"):
        person.drop(picture)
    for colour, seen in (("rgb(250, 20, 20)", [250, 20, 20]), ("rgb(20, 20, 250)", [20, 20, 250])):
        target = selector if person.page.locator(selector).count() else "#script_txt2img_indetail_image img"
        person.page.evaluate(GIVE, [event, target, colour])
        for place in ("#script_txt2img_indetail_image img", ".indetail-thumbnail"):
            person.page.wait_for_function(COLOUR, arg=[place, seen], timeout=20_000)
    assert person.own_errors() == []


def controls(host) -> dict:
    """The page's components by their id."""
    return {part["props"].get("elem_id"): part["props"] for part in host.get("/config")[1]["components"]}


def test_a_persons_own_defaults_are_honoured(host):
    file = host.folder / "ui-config.json"
    before = json.loads(file.read_text())
    name, = [name for name in before if name.endswith("indetail.py/txt2img/Lambda/value")]
    assert controls(host)["script_txt2img_indetail_lambda_image"]["value"] == before[name] == 0.5
    try:
        file.write_text(json.dumps({**before, name: 0.35}))
        host.reload()
        assert controls(host)["script_txt2img_indetail_lambda_image"]["value"] == 0.35
        assert controls(host)["script_img2img_indetail_lambda_image"]["value"] == 0.5
    finally:
        file.write_text(json.dumps(before))
        host.reload()


def test_the_page_starts_with_the_chosen_task_and_keeps_a_persons_other_defaults(browser, host):
    before = (host.folder / "ui-config.json").read_text()
    host.options(indetail_task="structure-guided")
    try:
        host.reload()
        somebody = Person(browser, host)
        somebody.enable()
        assert somebody.chosen("task") == "structure-guided"
        assert somebody.number("stratified_until").input_value() == "0.5"
        assert somebody.number("stratified_until").is_disabled()
        somebody.page.close()
    finally:
        host.options(indetail_task="image variation")
        host.reload()
    assert controls(host)["script_txt2img_indetail_stratified_until"]["value"] == 0.2
    assert (host.folder / "ui-config.json").read_text() == before


def test_every_setting_has_one_control(person):
    """A host gives an HTML block's id to two nested elements, but to no control."""
    names = [*(setting.name for setting in dataclasses.fields(Settings)), "image", "task"]
    counts = person.page.evaluate("""names => names.map(name => document.querySelectorAll(
        `#script_txt2img_indetail_${name}`).length)""", names)
    assert dict(zip(names, counts, strict=True)) == dict.fromkeys(names, 1)


def test_a_strip_is_made_in_its_tab(person):
    """With adaptive places, which are a word in a text field; behind the frames comes the sheet."""
    person.enable()
    person.page.locator("#script_txt2img_indetail_tabs .tab-nav button", has_text="Interpolate").first.click()
    person.own("interpolate").locator("label", has_text="prompts").first.click()
    for name, text in (("prompt_b", "a heart"), ("places", "adaptive")):
        person.fill(f"#script_txt2img_indetail_{name} textarea", text)
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_strip').innerText"
                                  ".includes('A strip of 5 images')", timeout=20_000)
    person.generate()
    person.page.wait_for_function("() => document.querySelectorAll('#txt2img_gallery .thumbnail-item').length >= 7",
                                  timeout=20_000)
    person.shot("strip")
    assert person.own_errors() == []
