"""The page keeps and restores what a person has set: infotext, sending, plots, languages; and it says what is wrong."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib_indetail.pictures.convert import picture_hash
from lib_indetail.pictures.opening import decoded_picture
from tests.webui.host import pixels
from tests.webui.person import Person

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(person, picture):
    """A result made in the page with settings of a person's own, as a file."""
    person.enable()
    person.drop(picture)
    person.task("cross-prompt")
    person.set("lambda_image", 0.35)
    person.open_advanced()
    person.set("nodes", 10)
    person.own("blocks").locator("label", has_text="all").click()
    person.own("suffix").locator("textarea").fill(", sharp: very")
    person.generate()
    return person.result()


def assert_restored(person) -> None:
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_lambda_image "
                                  "input[type=number]').value === '0.35'", timeout=30_000)
    assert person.is_on()
    assert (person.chosen("task"), person.chosen("blocks"), person.chosen("inversion_text")) == (
        "cross-prompt", "all", "empty")
    assert (person.number("nodes").input_value(), person.number("stratified_until").input_value()) == ("10", "0.2")
    assert person.own("suffix").locator("textarea").input_value() == ", sharp: very"
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_inversion_text "
                                  "input').disabled", timeout=10_000)


def test_the_journey_of_a_result_through_png_info_back_to_the_controls(browser, host, person, picture, made):
    host.options(indetail_keep_mb=0)
    text = Image.open(io.BytesIO(made)).info["parameters"]
    assert "InDetail lambda: 0.35" in text and picture_hash(decoded_picture(picture)) in text
    other = Person(browser, host)
    other.send_from_png_info(made)
    assert_restored(other)
    other.wait_for("notice", "is not here any more: drop it in")
    assert not other.has_picture()
    other.shot("restored-without-picture")
    other.drop(picture)
    other.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_notice').innerText === ''")
    other.page.locator("#txt2img_generate").click()
    other.wait_for("last", "still there")
    assert (pixels(other.result()) == pixels(made)).all()
    assert other.own_errors() == []
    other.page.close()


def test_a_picture_that_is_there_already_stays_and_nothing_is_missing(person, made):
    person.set("lambda_image", 0.9)
    person.task("structure-guided")
    person.send_from_png_info(made)
    assert_restored(person)
    person.page.wait_for_timeout(500)
    assert person.has_picture()
    assert person.own("notice").inner_text() == ""


def test_another_picture_in_the_field_is_kept_and_that_is_said(browser, host, made, picture):
    host.options(indetail_keep_mb=0)
    other = Person(browser, host)
    other.enable()
    turned = io.BytesIO()
    decoded_picture(picture).transpose(Image.Transpose.ROTATE_90).save(turned, "PNG")
    other.drop(base64.b64encode(turned.getvalue()).decode())
    other.send_from_png_info(made)
    assert_restored(other)
    other.wait_for("notice", "another image prompt")
    assert other.has_picture()
    other.page.close()


def test_a_kept_picture_comes_back(browser, host, picture):
    file, = host.make(indetail={"image": picture, "lambda_image": 0.35, "nodes": 10})
    other = Person(browser, host)
    other.send_from_png_info(file)
    other.own("image").locator("img").wait_for(timeout=30_000)
    assert other.own("notice").inner_text() == ""
    other.page.locator("#txt2img_generate").click()
    other.wait_for("last", "still there")
    assert (pixels(other.result()) == pixels(file)).all()
    other.page.close()


def test_infotext_of_a_newer_version_says_what_was_not_understood(person):
    person.paste("a star\nSteps: 4, Sampler: Euler, Seed: 7, InDetail lambda: 0.35, InDetail blocks: every second, "
                 "InDetail colour: 0.5, InDetail version: 99.0.0")
    person.wait_for("notice", "InDetail 99.0.0, which is newer than this one")
    person.wait_for("notice", "InDetail colour: 0.5, InDetail blocks: every second")
    assert person.is_on()
    assert (person.number("lambda_image").input_value(), person.chosen("blocks")) == ("0.35", "decoder")


def test_infotext_of_a_plain_picture_switches_it_off_and_loses_nothing(person, picture):
    person.enable()
    person.drop(picture)
    person.set("lambda_image", 0.35)
    person.paste("a star\nSteps: 4, Sampler: Euler, Seed: 7, Size: 128x128")
    person.wait_for("plan", "Off")
    assert not person.is_on()
    person.enable()
    assert person.number("lambda_image").input_value() == "0.35"
    assert person.has_picture()


def test_own_text_comes_into_sight_with_its_text(person):
    person.paste('a star\nSteps: 4, Sampler: Euler, Seed: 7, InDetail inversion text: own text, InDetail own text: 2x3')
    field = person.own("own_text").locator("textarea")
    field.wait_for(timeout=20_000)
    assert field.input_value() == "2x3"


def test_send_to_img2img_takes_everything_along(person, made):
    person.page.locator("#txt2img_send_to_img2img").click()
    person.tab = "img2img"
    person.own("image").locator("img").wait_for(timeout=30_000)
    assert person.is_on()
    assert (person.chosen("task"), person.chosen("blocks")) == ("cross-prompt", "all")
    assert (person.number("lambda_image").input_value(), person.number("nodes").input_value()) == ("0.35", "10")
    assert person.own("suffix").locator("textarea").input_value() == ", sharp: very"


def plot(person, *axes: tuple[str, str]) -> None:
    """Fill in the X/Y/Z plot and generate."""
    person.choose("#txt2img_script_container #script_list", "X/Y/Z plot")
    for name, (label, values) in zip("xy", axes, strict=False):
        person.choose(f"#script_txt2img_xyz_plot_{name}_type", f"[InDetail] {label}")
        person.page.wait_for_timeout(700)
        person.fill_late(f"#script_txt2img_xyz_plot_{name}_values textarea", values)
    person.generate()


def test_a_plot_over_lambda_and_the_stratified_phase(person, picture):
    person.enable()
    person.drop(picture)
    plot(person, ("Lambda", "0-1 [3]"), ("Stratified until", "0.2, 1"))
    grid = pixels(person.result())
    assert grid.shape[0] > 2 * 128 and grid.shape[1] > 3 * 128
    bottom = grid[-128:, -3 * 128:]
    cells = np.split(bottom, 3, axis=1)
    assert np.abs(cells[0] - cells[2]).mean() > 3
    person.shot("plot")


def test_a_plots_errors_are_shown(person, picture):
    person.enable()
    person.drop(picture)
    plot(person, ("Lambda", "0.5, 2"))
    assert person.log().startswith("InDetail: X axis, Lambda: must be a number from 0.0 to 1.0, not 2.0.")
    person.own("image").locator("button[aria-label=Clear]").click()
    plot(person, ("Lambda", "0.2, 0.5"))
    person.wait_for("last", "has no image prompt")
    person.shot("plot-without-a-picture")


def test_a_file_that_is_no_picture_is_named_before_and_at_generation(person):
    person.enable()
    person.own("image").locator("input[type=file]").set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture at all"})
    person.wait_for("plan", "is not a picture that can be read")
    person.shot("bad-picture")
    person.generate()
    assert person.log().startswith("InDetail: The image is not a picture that can be read.")
    assert person.own("last").inner_text().strip() == ""  # it stands in the line above already


@pytest.fixture(params=["zh_CN", "ja_JP"])
def language(request, running):
    running.options(localization=request.param)
    running.reload()
    yield request.param
    running.options(localization="None")
    running.reload()


def test_the_accordion_speaks_the_persons_language(language, browser, host, picture):
    words = json.loads((ROOT / "localizations" / f"{language}.json").read_text(encoding="utf-8"))
    other = Person(browser, host)
    other.enable()
    other.wait_for("plan", words["Drop in an image prompt: new images will take over its fine details."])
    other.open_advanced()
    shown = other.own("enabled").inner_text()
    for tab in ("Interpolate", "Image prompt"):
        other.own("tabs").locator(".tab-nav button", has_text=words[tab]).first.click()
        shown += other.own("enabled").inner_text()
    for setting in host.get("/indetail/settings")[1]["settings"]:
        if setting["name"] == "own_text":
            continue
        for text in (setting["label"], *setting.get("choices", ())):
            assert words[text] in shown, text
        assert other.own(setting["name"]).get_attribute("title") == words[setting["help"]]
    other.shot(f"language-{language}")
    other.own("task").locator("input[value='structure-guided']").click()
    other.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_stratified_until "
                                 "input[type=number]').disabled", timeout=20_000)
    other.drop(picture)
    other.generate()
    assert other.own_errors() == []
    other.page.close()


def test_the_settings_page_has_our_section(person):
    person.page.locator("#tabs > .tab-nav button", has_text="Settings").click()
    person.page.locator("#settings > .tab-nav button", has_text="InDetail").click()
    shown = person.page.locator("#settings_indetail").inner_text()
    for label in ("Memory for inverted image prompts, in MB", "Task that the page starts with",
                  "Go on without InDetail", "Act in inner passes too", "Image prompt folder",
                  "Disk space for image prompts and masks", "Log level"):
        assert label in shown
    person.shot("settings")
