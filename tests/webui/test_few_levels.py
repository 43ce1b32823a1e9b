"""Three levels that serve all: what the default takes, who finds them again, and what is said of their room before."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from tests.webui.host import difference, paper, pixels
from tests.webui.test_bank import records
from tests.webui.test_effect import SAMPLERS

STEPS = 12
CALLS = 7  # two for each of three levels, and one for the first noise
HIRES = dict(enable_hr=True, hr_scale=1.5, hr_upscaler="Latent", denoising_strength=0.8)


def own_calls(host) -> int:
    """Calls of one row since the last look, that are not the host's."""
    count = host.get("/probe/state")[1]["own_calls"]
    host.post("/probe/forget")
    return count


def held(host) -> tuple[int, int]:
    counts = host.get("/indetail/cache")[1]
    return counts["levels"], counts["bank_bytes"]


def test_the_first_image_takes_seven_calls_and_a_second_one_none(host, picture):
    made, = host.make(indetail={"image": picture}, steps=STEPS)
    assert (own_calls(host), held(host)[0]) == (CALLS, 3)
    assert host.make(indetail={"image": picture}, steps=STEPS) == [made]
    assert own_calls(host) == 0
    assert difference(made, host.make(steps=STEPS)[0]) > 20


@pytest.mark.parametrize("steps", [8, 20, 40])
def test_the_calls_do_not_grow_with_steps(host, picture, steps):
    host.make(indetail={"image": picture}, steps=steps)
    assert (own_calls(host), held(host)[0]) == (CALLS, 3)


@pytest.mark.parametrize("kind", ["DDIM", "refined", "re-noise", "parallel"])
def test_other_kinds_record_as_few(host, picture, kind):
    host.make(indetail={"image": picture, "inversion": kind}, steps=STEPS)
    assert held(host)[0] == 3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_reads_those_that_another_one_has_recorded(host, picture, sampler):
    host.make(indetail={"image": picture}, steps=STEPS)
    host.post("/probe/forget")
    plain, ours = (host.make(**({"indetail": {"image": picture}} if on else {}), steps=STEPS + 3, sampler_name=sampler)
                   for on in (False, True))
    assert np.abs(pixels(plain[0]) - pixels(ours[0])).mean() > 3
    assert (own_calls(host), held(host)[0]) == (0, 3)


def test_each_pass_of_a_hires_fix_has_its_own(host, picture):
    host.make(indetail={"image": picture}, steps=STEPS, **HIRES)
    assert (own_calls(host), held(host)[0]) == (2 * CALLS, 6)
    host.make(indetail={"image": picture}, steps=STEPS + 1, **HIRES)
    assert own_calls(host) == 0


def test_what_follows_is_close_to_all_levels_by_the_same_inversion(host, picture):
    plain, few, whole = (host.make(**wish, steps=20, sampler_name="DPM++ 2M", scheduler="Karras")[0] for wish in (
        {}, {"indetail": {"image": picture, **paper(20), "levels": 3}}, {"indetail": {"image": picture, **paper(20)}}))
    off = [np.abs(pixels(each) - pixels(whole)).mean() for each in (few, plain)]
    assert off[0] < off[1] / 3


def test_without_room_a_level_is_recorded_once_in_each_image(host, picture):
    wanted, = host.make(indetail={"image": picture}, steps=STEPS)
    host.post("/probe/reset")
    host.options(indetail_bank_mb=0)
    for _ in range(2):
        assert difference(host.make(indetail={"image": picture}, steps=STEPS)[0], wanted) <= 1
        assert records(host) == 3
    assert held(host) == (0, 0)


def test_it_is_in_the_infotext_and_an_older_one_means_all(host, picture):
    answer = host.ask(indetail={"image": picture, "levels": 5}, steps=STEPS)[1]
    text = json.loads(answer["info"])["infotexts"][0]
    assert "InDetail levels: 5" in text and "InDetail inversion" not in text
    older = re.sub(r"InDetail version: [\d.]+", "InDetail version: 0.6.0", text.replace("InDetail levels: 5, ", ""))
    host.post("/probe/reset")
    wanted, = host.make(indetail={"image": picture, **paper(20)}, steps=STEPS)
    status, again = host.post("/sdapi/v1/txt2img", {"infotext": older})
    assert status == 200 and difference(base64.b64decode(again["images"][0]), wanted) == 0


@pytest.mark.parametrize("levels", ["0", "some", 2.5])
def test_what_is_no_number_of_levels_is_refused(host, picture, levels):
    status, answer = host.ask(indetail={"image": picture, "levels": levels})
    assert status == 422 and "Levels must be all, or a whole number from 1 to 100" in json.dumps(answer)


def planned(person) -> float:
    """MB that the status line says are needed."""
    return float(re.search(r"It needs ([\d.]+) MB of keys and values", person.own("plan").inner_text())[1])


@pytest.mark.parametrize("settings", [{}, {"levels": "5"}, {"levels": "all"}, {"guidance": 0.5}, {"blocks": "all"},
                                      {"end": 0.6, "levels": "all"}], ids=str)
@pytest.mark.parametrize("steps", [8, 20])
def test_the_status_line_says_before_what_is_held_after(person, host, picture, settings, steps):
    person.fill("#txt2img_steps input[type=number]", steps)
    person.enable()
    person.drop(picture)
    person.open_advanced()
    for name, value in settings.items():
        if name == "blocks":
            person.own(name).locator("label", has_text=value).last.click()
        elif name == "levels":
            person.fill("#script_txt2img_indetail_levels textarea", value)
        else:
            person.set(name, value)
    person.wait_for("plan", "kept in main memory")
    person.shot(f"room-{steps}-{'-'.join(map(str, settings.values()))}")
    person.generate()  # meanwhile the line has followed the last control; it does not change with a generation
    assert planned(person) * 2**20 == pytest.approx(held(host)[1], rel=0.1)


def test_the_status_line_says_where_there_is_no_room(person, host, picture):
    host.options(indetail_bank_mb=0)
    person.enable()
    person.drop(picture)
    person.wait_for("plan", "none are kept, each is made while sampling")
    assert person.own_errors() == []


def test_the_second_pass_is_counted_too(person, host, picture):
    person.enable()
    person.drop(picture)
    person.wait_for("plan", "kept in main memory")
    first, said = planned(person), person.own("plan").inner_text()
    person.page.locator("#txt2img_hr .label-wrap").first.click()
    person.page.wait_for_function(
        "text => document.querySelector('#script_txt2img_indetail_plan').innerText !== text", arg=said, timeout=20_000)
    told = planned(person)
    person.generate()
    assert told > 2 * first and told * 2**20 == pytest.approx(held(host)[1], rel=0.1)
