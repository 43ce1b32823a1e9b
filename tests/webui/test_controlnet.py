"""Beside the real ControlNet extension: nobody meets what is not his. ControlNet's answers end with its hints."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from embedded.pictures import draw, edge_map, random_scene
from tests.webui.host import (
    FORGE,
    SEEDING,
    Host,
    difference,
    encoded,
    find_controlnet,
    find_webui,
    paper,
    pixels,
    with_controlnet,
)
from tests.webui.test_off import KINDS
from tests.webui.test_xyz import cells

STAR = random_scene(np.random.default_rng(8), shape="star", pattern="striped")
EDGES, DRAWN = encoded(Image.fromarray(edge_map(STAR))), encoded(Image.fromarray(draw(STAR)))
SOFT = encoded(Image.fromarray(edge_map(STAR)).resize((64, 64)).resize((128, 128)))
NEWER = FORGE and "Prefer Prompt" in (find_controlnet() / "lib_controlnet" / "external_code.py").read_text("utf-8")
MODES = (["Balanced", "Prefer Prompt", "Prefer ControlNet"] if NEWER else
         ["Balanced", "My prompt is more important", "ControlNet is more important"])
SETTINGS = paper(20)
HIRES = {**KINDS["hires"], "hr_second_pass_steps": 5}


def units(*each: dict) -> dict:
    default = {"enabled": True, "module": "None" if FORGE else "none", "weight": 1.0,
               "model": "control_edge_embedded", "image": EDGES,
               "resize_mode": "Crop and Resize", "control_mode": "Balanced", "pixel_perfect": False,
               "guidance_start": 0.0, "guidance_end": 1.0}
    return {"alwayson_scripts": {"controlnet": {"args": [{**default, **unit} for unit in each]}}}


REFERENCES = ["reference_only", "reference_adain", "reference_adain+attn"]
UNITS = {
    "edges": units({}), "canny": units({"module": "canny", "image": DRAWN, "threshold_a": 100, "threshold_b": 200}),
    "soft": units({"image": SOFT, "weight": 0.7, "guidance_end": 0.6}), "two": units({"weight": 0.6}, {"image": SOFT}),
    **{mode: units({"control_mode": mode}) for mode in MODES},
    "resized": units({"resize_mode": "Just Resize", "hr_option": "Low res only"}),
}


def reference(name: str) -> dict:
    """With a weight at which the Forge family's acts in layers as narrow as the tests' checkpoints'."""
    return units({"module": name, "model": "None", "image": DRAWN, "threshold_a": 0.5, "weight": 1.5 if FORGE else 1.0})


@pytest.fixture(scope="module")
def without_us(tmp_path_factory):
    """Pictures with ControlNet from a WebUI that has never heard of us."""
    if find_controlnet() is None:
        pytest.skip("NOT RUN: no ControlNet at SD_WEBUI_CONTROLNET or in the WebUI's extensions")
    host = Host(find_webui(), tmp_path_factory.mktemp("bare"), {
        **with_controlnet(), "test-seeding": SEEDING})
    try:
        host.start()
        return {name: host.make(**fields) for name, fields in UNITS.items()}
    finally:
        host.stop()


@pytest.mark.parametrize("name", UNITS)
def test_controlnets_pictures_are_the_same_bytes_without_our_effect(controlled, without_us, name):
    assert controlled.make(**UNITS[name]) == without_us[name]


@pytest.mark.parametrize("name", UNITS)
def test_units_and_picture_act_together(controlled, picture, name):
    plain, *_ = controlled.make(**UNITS[name])
    alone, *_ = controlled.make(indetail={"image": picture, **SETTINGS})
    controlled.post("/probe/restart")
    controlled.post("/probe/forget")
    both, *_ = controlled.make(indetail={"image": picture, **SETTINGS}, **UNITS[name])
    assert np.abs(pixels(plain) - pixels(both)).mean() > 3
    assert np.abs(pixels(alone) - pixels(both)).mean() > 0.5
    state = controlled.get("/probe/state")[1]
    assert max(state["records"]) < 1e-5 and state["hooks"] == 0
    assert controlled.make(**UNITS[name])[0] == plain


def test_a_plot_over_lambda_and_the_stratified_phase_beside_a_unit(controlled, picture):
    grid = cells(controlled, {"image": picture, **paper(10)}, (".Lambda", "0.2, 0.8"), (".Stratified until", "0.3, 1"),
                 **UNITS["edges"])
    wanted = [controlled.make(indetail={"image": picture, **paper(10), "lambda_image": lambda_image,
                                        "stratified_until": until}, **UNITS["edges"])[0]
              for until in (0.3, 1) for lambda_image in (0.2, 0.8)]
    cells_alone = grid[:4] if FORGE else grid  # some of its hosts put the map of the last one behind them
    assert [difference(a, b) for a, b in zip(cells_alone, wanted, strict=True)] == [0] * 4
    assert min(difference(a, b) for a, b in itertools.combinations(wanted, 2)) > 2


@pytest.mark.parametrize("name", ["edges", "canny", "two", MODES[2]])
def test_the_image_latent_does_not_meet_a_unit(controlled, picture, name):
    banks = []
    for fields in ({}, UNITS[name]):
        controlled.post("/probe/reset")
        controlled.make(indetail={"image": picture, **SETTINGS}, **fields)
        banks.append(controlled.get("/probe/state")[1]["banks"])
    assert len(banks[0]) == 6
    assert banks[0] == banks[1]


@pytest.mark.parametrize("option", ["Both", "Low res only", "High res only"])
def test_units_and_picture_through_hires_fix(controlled, picture, option):
    fields = {**HIRES, **units({"hr_option": option})}
    plain, *_ = controlled.make(**fields)
    banks = []
    for each in (HIRES, fields):
        controlled.post("/probe/reset")
        both, *_ = controlled.make(indetail={"image": picture, **SETTINGS}, **each)
        banks.append(controlled.get("/probe/state")[1]["banks"])
    assert np.abs(pixels(plain) - pixels(both)).mean() > 2
    assert len(banks[0]) == 11
    assert banks[0] == banks[1]
    assert controlled.make(**fields)[0] == plain


def test_keeping_units_from_the_negative_side_acts_as_long_as_it_says(controlled, picture):
    made = [controlled.make(indetail={"image": picture, **SETTINGS, "control_uncond_from": until}, **UNITS["edges"])[0]
            for until in (0.0, 0.3, 1.0)]
    assert min(difference(a, b) for a, b in itertools.combinations(made, 2)) > 5


@pytest.fixture
def modes(controlled):
    """Of ControlNet, where they change anything."""
    if difference(controlled.make(**UNITS[MODES[2]])[0], controlled.make(**UNITS["edges"])[0]) == 0:
        pytest.skip("NOT THERE: ControlNet's modes change nothing (ldm_patched/modules/controlnet.py)")


def test_keeping_units_from_the_negative_side_is_controlnets_own_switch(controlled, picture, modes):
    """ControlNet's mode also softens its weights: as another mode does, or not at all if they are given one by one."""
    soft = {"control_mode": MODES[1]} if FORGE else {"advanced_weighting": [1.0] * 13}
    own = {**soft, "control_mode": MODES[2]}
    made = [controlled.make(indetail={"image": picture, **SETTINGS, "control_uncond_from": until}, **units(unit))[0]
            for unit, until in ((own, 0.0), (soft, 1.0), (soft, 0.0))]
    assert difference(made[0], made[1]) == 0
    assert difference(made[0], made[2]) > 5


def test_a_unit_that_is_set_so_stays_so(controlled, picture, modes):
    always, *_ = controlled.make(indetail={"image": picture, **SETTINGS}, **units({"control_mode": MODES[2]}))
    until, *_ = controlled.make(indetail={"image": picture, **SETTINGS, "control_uncond_from": 0.3},
                             **units({"control_mode": MODES[2]}))
    assert difference(always, until) == 0


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_before_together_and_after(controlled, picture, name):
    controlled.options(sd_model_checkpoint="sd1.safetensors")
    ours = controlled.make(indetail={"image": picture, **SETTINGS})
    plain = controlled.make()
    alone = controlled.make(**reference(name))
    if FORGE and name == "reference_adain" and difference(alone[0], plain[0]) == 0:
        pytest.skip("NOT THERE: reference_adain changes nothing (ldm_patched/ldm/modules/diffusionmodules/"
                    "openaimodel.py asks for no block modifiers)")
    after = controlled.make(indetail={"image": picture, **SETTINGS})
    both = controlled.make(indetail={"image": picture, **SETTINGS}, **reference(name))
    assert difference(alone[0], plain[0]) > 5
    assert after == ours
    assert difference(both[0], alone[0]) > 5 and difference(both[0], ours[0]) > 5
    assert controlled.make(**reference(name)) == alone
    assert controlled.make() == plain
    assert controlled.get("/probe/state")[1]["hooks"] == 0


@pytest.mark.parametrize("name", REFERENCES)
def test_the_image_latent_does_not_meet_a_reference(controlled, picture, name):
    controlled.options(sd_model_checkpoint="sd1.safetensors")
    banks = []
    for fields in (reference(name), {}, reference(name), {}):
        controlled.post("/probe/restart")
        controlled.post("/probe/forget")
        controlled.make(indetail={"image": picture, **SETTINGS}, **fields)
        banks.append(controlled.get("/probe/state")[1]["banks"])
    assert banks[0] == banks[1] == banks[2] == banks[3]


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_does_not_meet_the_picture(controlled, picture, name):
    """Its passes depend on the picture for reference, the noise level and the prompt alone."""
    controlled.options(sd_model_checkpoint="sd1.safetensors")
    passes = []
    for ours in (None, {"image": picture, **SETTINGS}):
        controlled.post("/probe/forget")
        controlled.make(indetail=ours, **reference(name))
        passes.append(controlled.get("/probe/state")[1]["references"])
    assert len(passes[0]) == 6
    assert passes[0] == passes[1]


@pytest.mark.parametrize("batch", [1, 2])
def test_style_align_shares_and_reads_the_picture(controlled, picture, batch):
    if FORGE:
        pytest.skip("NOT THERE: no StyleAlign (extensions-builtin/sd_forge_controlnet)")
    controlled.options(sd_model_checkpoint="sd1.safetensors")
    ours = {"image": picture, **SETTINGS, "adain": 0}
    plain = controlled.make(batch_size=batch)
    alone = controlled.make(batch_size=batch, indetail=ours)
    controlled.post("/probe/style-align", {"on": True})
    try:
        aligned = controlled.make(batch_size=batch)
        both = controlled.make(batch_size=batch, indetail=ours)
    finally:
        controlled.post("/probe/style-align", {"on": False})
    assert difference(both[0], aligned[0]) > 10  # 15 to 25, as the random weights come out
    if batch == 1:
        assert difference(both[0], alone[0]) <= 2
    else:
        assert difference(both[0], alone[0]) > 5
    assert controlled.make(batch_size=batch) == plain
