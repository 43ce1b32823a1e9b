"""Strips of several sampling calls: places that are found while images are made, and the bar meanwhile."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.webui.host import difference, pixels
from tests.webui.test_off import KINDS
from tests.webui.test_progress import watched
from tests.webui.test_strips import STRIP, infotexts, made, refusal

ADAPTIVE = {"places": "adaptive", "places_tried": 6}


def places(host, **fields) -> list[float]:
    return [float(re.search(r"InDetail t: ([^,\s]+)", text)[1]) for text in infotexts(host, ADAPTIVE, **fields)]


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE", "DPM++ 2M", "DDIM", "LCM"])
def test_every_image_tried_has_the_noise_of_a_frame_alone(host, sampler):
    """Pixel by pixel, since both are made in as many rows; and the ends are ordinary images."""
    strip, at = made(host, wish=ADAPTIVE, sampler_name=sampler), places(host, sampler_name=sampler)
    assert at[0] == 0 and at[-1] == 1 and at == sorted(at) and len(set(at)) == 4
    for shown, t in list(zip(strip, at, strict=True))[1:-1]:
        alone, = made(host, wish={"frame_at": repr(t)}, sampler_name=sampler)
        assert (pixels(alone) == pixels(shown)).all()
    for end, prompt in ((0, "a star"), (-1, "a heart")):
        alone, = host.make(prompt=prompt, sampler_name=sampler)
        assert difference(strip[end], alone) <= 1
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_noise_that_the_host_counts_itself_is_drawn_anew_too(host):
    host.options(randn_source="NV")
    try:
        strip, at = made(host, wish=ADAPTIVE, sampler_name="Euler a"), places(host, sampler_name="Euler a")
        alone, = made(host, wish={"frame_at": repr(at[1])}, sampler_name="Euler a")
        assert (pixels(alone) == pixels(strip[1])).all()
    finally:
        host.options(randn_source="GPU")


def test_each_strip_of_a_batch_has_places_of_its_own(host):
    both, at = made(host, wish={**ADAPTIVE, "seed_b": 30}, batch_size=2), places(host, batch_size=2)
    assert len(both) == 8 and at[:4] != at[4:]
    both = made(host, wish=ADAPTIVE, batch_size=2)
    for number in range(2):
        alone, = made(host, wish={"frame_at": repr(at[4 * number + 1])}, seed=7 + number)
        assert difference(both[4 * number + 1], alone) <= 1


def test_hires_fix_has_each_frame_at_its_own_place(host):
    fields = {**KINDS["hires"], "batch_size": 2}
    strip, at = made(host, wish=ADAPTIVE, **fields), places(host, **fields)
    assert {pixels(each).shape for each in strip} == {(192, 192, 3)}
    alone, = made(host, wish={"frame_at": repr(at[2])}, **KINDS["hires"])
    assert difference(strip[2], alone) <= 1


def test_a_picture_of_the_strip_says_its_own_places(host):
    sheets = made(host, wish={**ADAPTIVE, "sheet": "strip and steps"}, batch_size=2)[-2:]
    for sheet, own in zip(sheets, (made(host, wish=ADAPTIVE, batch_size=2)[4 * i:4 * i + 4] for i in range(2)),
                          strict=True):
        shown = pixels(sheet)
        assert all((shown[:128, 128 * i:128 * i + 128] == pixels(each)).all() for i, each in enumerate(own))


def test_an_image_tower_that_is_loaded_is_asked_and_stays_where_it_is(host):
    host.post("/probe/tower")
    made(host, wish=ADAPTIVE)
    assert host.get("/probe/state")[1]["notes"] == ["tower: [1, 3, 4, 4] torch.float16"] * 6


def test_stopped_it_keeps_the_images_that_were_tried(host):
    """In the fourth call of the sampler, which is dropped; of the five images before it four make the strip."""
    host.post("/probe/then", {"after": 3 * 4 + 1, "what": "interrupted"})
    assert len(made(host, wish=ADAPTIVE, steps=4)) == 4
    assert host.get("/probe/state")[1]["hooks"] == 0
    host.post("/probe/reset")
    assert host.make() and host.get("/probe/state")[1]["hooks"] == 0


@pytest.mark.parametrize(("wish", "fields", "said"), [
    ({}, {}, "sampling 4 frames"),
    (ADAPTIVE, {}, "sampling image 6 of 6"),
    ({}, {**KINDS["hires"], "n_iter": 2}, "sampling frame 4 of 4"),
    (ADAPTIVE, {**KINDS["hires"], "n_iter": 2, "batch_size": 2}, "sampling image 5 of 6")])
def test_the_bar_goes_forward_with_a_text(host, wish, fields, said):
    with watched(host) as seen:
        made(host, wish=wish, **{**fields, "steps": 8})
    bar = [progress for progress, _ in seen if progress > 0.01]
    assert len(bar) > 20 and bar[-1] <= 1 and all(a < b + 1e-6 for a, b in pairwise(bar))
    assert f"InDetail: {said}" in {text for _, text in seen}
    assert host.get("/sdapi/v1/progress")[1]["textinfo"] is None


def test_too_few_images_to_try_are_refused(host):
    said = refusal(host, {**ADAPTIVE, "places_tried": 3})
    assert "Images to try must be as many as there are frames (4), or more." in said
    assert STRIP["frames"] == 4 and not host.get("/probe/state")[1]["calls"]
