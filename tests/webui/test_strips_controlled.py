"""Strips beside ControlNet units, and where another model takes over."""

from __future__ import annotations

import pytest

from tests.webui.host import difference
from tests.webui.test_controlnet import MODES, units
from tests.webui.test_models import checkpoint
from tests.webui.test_strips import STRIP, made
from tests.webui.test_strips_beside import FEW, FRAMES, apart, prompts, same

UNITS = {"Balanced": units({}), **{mode: units({"control_mode": mode}) for mode in MODES[1:]}}


def check_ends_of_units(host, wish=None, **fields):
    """Both are ordinary images with the units, and nothing between them is. Behind the frames come maps."""
    frames = made(host, wish=wish, **fields)[:FRAMES]
    wanted = [host.make(**{**fields, "prompt": prompt})[0] for prompt in ("a star", "a heart")]
    without = {name: value for name, value in fields.items() if name != "alwayson_scripts"}
    assert difference(wanted[0], host.make(**without)[0]) > 2
    assert difference(frames[0], wanted[0]) <= 1 and difference(frames[-1], wanted[1]) <= 1
    assert min(difference(frame, end) for frame in frames[1:-1] for end in wanted) > 2
    assert host.get("/probe/state")[1]["hooks"] == 0


@pytest.mark.parametrize("mode", UNITS)
def test_beside_a_unit_the_ends_are_those_of_the_unit(controlled, mode):
    check_ends_of_units(controlled, **UNITS[mode])


@pytest.mark.parametrize("mode", [MODES[0], MODES[2]])
def test_beside_a_unit_hires_fix_makes_the_ends_too(controlled, mode):
    check_ends_of_units(controlled, **FEW, **UNITS[mode])


def test_beside_a_unit_the_guides_text_is_what_a_prompts_would_be(controlled):
    guided = made(controlled, wish={"guide_prompt": "a circle", "between": "texts alone"}, **UNITS["Balanced"])
    wanted, = controlled.make(prompt="a circle", **UNITS["Balanced"])[:1]
    assert same(guided[1:FRAMES - 1], [wanted] * 2) <= 1


@pytest.mark.parametrize("mode", [MODES[0], MODES[2]])
def test_beside_a_unit_the_ends_of_pictures_are_those_of_both(controlled, picture, other, mode):
    wish = {**STRIP, "interpolate": "image prompts"}
    frames = controlled.make(indetail={"prompts": prompts(picture, other), "shared": wish}, **UNITS[mode])
    for end, image, prompt in ((0, picture, "a star"), (FRAMES - 1, other, "a heart")):
        alone = controlled.make(indetail={"prompts": prompts(image)}, prompt=prompt, **UNITS[mode])[0]
        assert difference(frames[end], alone) <= 1
    assert apart(frames[:FRAMES]) > 2


@pytest.mark.parametrize("family", ["sd2-v", "sdxl", "inpainting"])
@pytest.mark.parametrize("kind", ["prompts", "image prompts"])
def test_checkpoints_of_every_family_leave_the_ends_as_they_are(controlled, picture, other, family, kind):
    fields = checkpoint(family)
    ends = [{}, {}] if kind == "prompts" else prompts(picture, other)
    wish = {**STRIP, "interpolate": kind, "frames": 3}
    frames = controlled.make(indetail={"prompts": ends if kind != "prompts" else [], "shared": wish}, **fields)
    for frame, end, prompt in zip((frames[0], frames[-1]), ends, ("a star", "a heart"), strict=True):
        wanted = {"indetail": {"prompts": [end]}} if end else {}
        assert difference(frame, controlled.make(**wanted, prompt=prompt, **fields)[0]) <= 1
    assert apart(frames) > 2


OTHER = "sd1-other.safetensors"
TAKING_OVER = {
    "a refiner": {"refiner_checkpoint": OTHER, "refiner_switch_at": 0.5, "steps": 8},
    "a refiner of SDXL": {**checkpoint("sdxl"), "refiner_checkpoint": "sdxl-refiner.safetensors",
                          "refiner_switch_at": 0.5, "steps": 8, "sampler_name": "DDIM"},
    "a refiner in both passes": {**FEW, "refiner_checkpoint": OTHER, "refiner_switch_at": 0.5},
    "a checkpoint for the second pass": {**FEW, "hr_checkpoint_name": OTHER},
    "a checkpoint for the second pass, from pixels": {**FEW, "hr_checkpoint_name": OTHER, "hr_upscaler": "Lanczos"},
}


@pytest.mark.parametrize("name", TAKING_OVER)
def test_a_model_that_takes_over_makes_the_ends_too(controlled, name):
    fields = {**checkpoint("sd1"), **TAKING_OVER[name]}
    frames = made(controlled, wish={"frames": 3}, **fields)
    assert len(frames) == 3 and apart(frames) > 2
    most = 8 if "pixels" in name else 1  # pixels are cut to whole numbers: a plain batch of three is as far off
    for end, prompt in ((0, "a star"), (-1, "a heart")):
        assert difference(frames[end], controlled.make(**{**fields, "prompt": prompt})[0]) <= most
    assert controlled.get("/probe/state")[1]["hooks"] == 0
