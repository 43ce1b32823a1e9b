"""Whatever rows the host sends through the UNet, and in whatever calls: the picture feeds the cond rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.webui.host import difference, paper, pixels

LONG = ", ".join(["very detailed"] * 45)
ONE = paper(20)


def changed(host, picture, **fields) -> list[float]:
    plain = host.make(**fields)
    ours = host.make(indetail={"image": picture, **ONE}, **fields)
    assert host.get("/probe/state")[1]["hooks"] == 0
    return [float(np.abs(pixels(a) - pixels(b)).mean()) for a, b in zip(plain, ours, strict=True)]


def test_a_batch_of_four_is_four_single_pictures(host, picture):
    together = host.make(batch_size=4, indetail={"image": picture})
    for i, png in enumerate(together):
        single, = host.make(seed=7 + i, indetail={"image": picture})
        assert difference(png, single) <= 1


def test_batch_count_gives_the_same_as_batch_size(host, picture):
    sized = host.make(batch_size=2, indetail={"image": picture})
    counted = host.make(n_iter=2, indetail={"image": picture})
    assert [difference(a, b) <= 1 for a, b in zip(sized, counted, strict=True)] == [True, True]


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("prompts", [("a star", ""), ("a star AND a heart :0.4", ""), (LONG, ""), ("a star", LONG),
                                     (f"a star AND {LONG}", "red")])
def test_every_pattern_of_prompts(host, picture, batch, prompts):
    fields = dict(prompt=prompts[0], negative_prompt=prompts[1], batch_size=batch)
    together = host.make(indetail={"image": picture, **ONE}, **fields)
    if not host.lacks("batch_cond_uncond"):
        host.options(batch_cond_uncond=False)
        split = host.make(indetail={"image": picture, **ONE}, **fields)
        assert [difference(a, b) <= 2 for a, b in zip(together, split, strict=True)] == [True] * len(together)
    assert min(changed(host, picture, **fields)) > 2


@pytest.mark.parametrize("fields", [dict(sampler_name="Euler a"), dict(sampler_name="DPM++ SDE"), dict(n_iter=2),
                                    dict(sampler_name="DDIM"), dict(prompt="a star AND a heart :0.4")])
def test_images_beyond_the_batch_are_sampled_and_not_shown(host, picture, fields):
    fields = dict(batch_size=2, indetail={"image": picture, **ONE}) | fields
    plain = host.make(**fields)
    host.post("/probe/hidden", {"images": 2})
    wider = host.make(**fields)
    rows = set(host.get("/probe/state")[1]["calls"][-4:])
    host.post("/probe/reset")
    assert len(wider) == len(plain) and max(rows) >= 8 and rows != {4}
    assert max(difference(a, b) for a, b in zip(plain, wider, strict=True)) <= 2


@pytest.mark.parametrize("options", [dict(pad_cond_uncond=True), dict(pad_cond_uncond_v0=True),
                                     dict(skip_early_cond=0.3), dict(skip_early_cond=0), dict(s_min_uncond_all=True)])
def test_options_that_change_the_rows(host, picture, options):
    host.options(**options)
    assert min(changed(host, picture, prompt=LONG, s_min_uncond=4 if "s_min_uncond_all" in options else 0)) > 2


def test_negative_guidance_minimum_sigma(host, picture):
    """Of a generation, or of the host's settings where it knows no other."""
    fields = {"s_min_uncond": 4.0, "override_settings": {"s_min_uncond": 4.0} if host.is_forge else {}}
    assert min(changed(host, picture, batch_size=2, **fields)) > 2
    assert 2 in host.get("/probe/state")[1]["calls"]


def test_cfg_one(host, picture):
    assert min(changed(host, picture, cfg_scale=1)) > 2


def test_conflicting_guidance_reads_a_second_bank(host, picture):
    free, = host.make(indetail={"image": picture, **ONE})
    host.post("/probe/forget")
    conflicting, = host.make(indetail={"image": picture, **ONE, "guidance": 0})
    state = host.get("/probe/state")[1]
    assert len(state["records"]) == 2 * len(state["levels"])
    assert np.abs(pixels(free) - pixels(conflicting)).mean() > 0.5


def test_differing_prompts_are_inverted_once_with_the_first(host, picture):
    host.make(indetail={"image": picture, **ONE}, batch_size=2, prompt="a star")
    host.post("/probe/forget")
    host.post("/probe/prompts", {"prompts": ["a star", "a heart"]})
    made = host.make(indetail={"image": picture, **ONE}, batch_size=2)
    note, = host.get("/probe/state")[1]["notes"]
    assert "still there" in note
    assert difference(*made) > 20


@pytest.mark.parametrize("text", ["a star AND a heart", "[a star:a heart:0.5]"])
def test_the_inversion_text_is_the_first_part_at_the_first_step(host, picture, text):
    host.make(indetail={"image": picture}, prompt="a star")
    host.post("/probe/forget")
    host.make(indetail={"image": picture}, prompt=text)
    note, = host.get("/probe/state")[1]["notes"]
    assert "still there" in note


@pytest.mark.parametrize("prompt", ["a star", "a star AND a heart"])
def test_somebody_elses_extra_pass_reads_the_picture_where_its_text_says_so(host, picture, prompt):
    if host.is_forge:
        pytest.skip("NOT THERE: nobody is told of denoised rows (modules/sd_samplers_cfg_denoiser.py)")
    host.post("/probe/extra")
    host.make(indetail={"image": picture, **ONE}, prompt=prompt, negative_prompt="red", batch_size=2)
    extras = host.get("/probe/state")[1]["extras"]
    assert len(extras) == 12
    assert max(extras) < 1e-3


def test_hooks_that_count_on_a_generations_rows_do_not_meet_the_image_row(host, picture):
    expected, = host.make(indetail={"image": picture, **ONE})
    host.post("/probe/reset")
    host.post("/probe/foreign-hooks")
    made, = host.make(indetail={"image": picture, **ONE})
    assert difference(made, expected) <= 1
