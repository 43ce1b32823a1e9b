"""Every sampler and scheduler: the picture acts, and is read at the right noise level; nothing is inverted twice."""

from __future__ import annotations

import numpy as np
import pytest

from tests.webui.host import find_webui, paper, pixels

SAMPLERS = ["DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a",
            "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DPM fast", "DPM adaptive", "Restart", "DDIM", "DDIM CFG++",
            "PLMS", "UniPC", "LCM"]
SCHEDULERS = ["Uniform", "Karras", "Exponential", "Polyexponential", "SGM Uniform", "KL Optimal", "Align Your Steps",
              "Simple", "Normal", "DDIM", "Beta"]
needs_webui = pytest.mark.skipif(find_webui() is None, reason="NOT RUN: no WebUI")


def effect(host, picture, **fields) -> float:
    """How much the picture changes, in mean grey levels."""
    plain, = host.make(**fields)
    ours, = host.make(indetail={"image": picture, **paper(20)}, **fields)
    return float(np.abs(pixels(plain) - pixels(ours)).mean())


def check_levels(state: dict) -> None:
    assert max(state["records"]) < 1e-5
    assert len(state["records"]) >= len({f"{level:.6g}" for level in state["levels"]}) > 0
    assert state["hooks"] == 0


def forget_the_bank(host) -> None:
    """Levels are recorded anew; the inversion is on disk."""
    host.post("/probe/restart")
    host.post("/probe/forget")


def schedulers(host) -> list[str]:
    """None where a sampler has its own in its name."""
    status, answer = host.get("/sdapi/v1/schedulers")
    return [each["label"] for each in answer] if status == 200 else []


def further(host) -> tuple[list[str], list[str]]:
    """Samplers and schedulers that this host has and the WebUI has not."""
    named = [each["name"] for each in host.get("/sdapi/v1/samplers")[1]], schedulers(host)
    return tuple([each for each in names if each not in known]
                 for names, known in zip(named, (SAMPLERS, ["Automatic", *SCHEDULERS]), strict=True))


def test_no_sampler_and_no_scheduler_of_the_webui_is_left_out(host):
    if not host.is_forge:
        assert further(host) == ([], [])
        assert len(host.get("/sdapi/v1/samplers")[1]) == len(SAMPLERS)
        assert len(schedulers(host)) == len(SCHEDULERS) + 1


def test_the_samplers_and_schedulers_that_only_this_host_has(host, picture):
    if not host.is_forge:
        pytest.skip("NOT THERE: the WebUI has no others (the test above)")
    samplers, others = further(host)
    samplers = [each for each in samplers if not each.endswith(" RF")]  # for flow models; NaN of all others
    of_other_sizes = [each for each in samplers if each.endswith(" Intern")]  # evaluate at half the size
    for each in of_other_sizes:
        status, answer = host.ask(indetail={"image": picture}, sampler_name=each)
        assert status == 422 and "runs the UNet on a size of its own (8x8 instead of 16x16" in answer["errors"]
    samplers = [each for each in samplers if each not in of_other_sizes]
    assert len(samplers) + len(others) > 3
    for fields in ({"sampler_name": each} for each in samplers):
        check_effect_and_levels(host, picture, fields)
    for fields in ({"scheduler": each} for each in others):
        check_effect_and_levels(host, picture, fields)


def check_effect_and_levels(host, picture, fields):
    plain, = host.make(**fields)
    forget_the_bank(host)
    ours, = host.make(indetail={"image": picture, **paper(20)}, **fields)
    assert float(np.abs(pixels(plain) - pixels(ours)).mean()) > 3, fields
    check_levels(host.get("/probe/state")[1])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler(host, picture, sampler):
    check_effect_and_levels(host, picture, {"sampler_name": sampler})


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler(host, picture, scheduler):
    if host.is_forge and scheduler not in schedulers(host):
        pytest.skip(f"NOT THERE: the scheduler {scheduler} (modules/sd_schedulers.py)")
    check_effect_and_levels(host, picture, {"sampler_name": "DPM++ 2M", "scheduler": scheduler})


@pytest.mark.parametrize("same", [dict(sampler_name="DPM++ 2M", scheduler="Karras"), dict(steps=9), dict(seed=1234),
                                  dict(cfg_scale=9), dict(batch_size=3), dict(n_iter=2), dict(negative_prompt="red")])
def test_the_inversion_is_not_made_again_for(host, picture, same):
    host.make(indetail={"image": picture}, steps=12)
    assert "inverted in" in host.get("/probe/state")[1]["notes"][0]
    host.post("/probe/forget")
    host.make(**{"indetail": {"image": picture}, "steps": 12, **same})
    state = host.get("/probe/state")[1]
    assert all("still there" in note for note in state["notes"])
    assert len(state["notes"]) == same.get("n_iter", 1)
    assert state["own_calls"] == 0


@pytest.mark.parametrize("other", [dict(prompt="a heart"), dict(width=192), dict(height=192)])
def test_the_inversion_is_made_again_for(host, picture, other):
    host.make(indetail={"image": picture})
    host.post("/probe/forget")
    host.make(indetail={"image": picture}, **other)
    assert "inverted in" in host.get("/probe/state")[1]["notes"][0]


def test_the_inversion_takes_one_call_a_node(host, picture):
    host.make(indetail={"image": picture, **paper(13)}, steps=4)
    assert host.get("/probe/state")[1]["own_calls"] == 13


def test_a_second_run_gives_the_same_bytes(host, picture):
    first = host.make(indetail={"image": picture})
    assert host.make(indetail={"image": picture}) == first


@pytest.mark.parametrize("resize", ["crop", "stretch", "fit"])
def test_every_resize_mode_acts_on_another_shape(host, picture, resize):
    plain, = host.make(width=192)
    ours, = host.make(width=192, indetail={"image": picture, "resize": resize, **paper(20)})
    assert np.abs(pixels(plain) - pixels(ours)).mean() > 3
    note = host.get("/probe/state")[1]["notes"][0]
    assert ("cuts off 33%" in note) == (resize == "crop")


def test_ddim_with_one_step_makes_no_call_and_is_no_error(host, picture):
    host.make(indetail={"image": picture}, sampler_name="DDIM", steps=1)
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_image_to_image_and_masks(host, picture):
    from tests.webui.test_off import KINDS

    for kind in ("img2img", "inpaint", "only masked", "hires"):
        assert effect(host, picture, **KINDS[kind]) > 0.5, kind
        forget_the_bank(host)
        host.make(indetail={"image": picture, **paper(20)}, **KINDS[kind])
        check_levels(host.get("/probe/state")[1])
