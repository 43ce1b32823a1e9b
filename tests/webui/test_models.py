"""Second passes, refiners, model switches, and every UNet family, on small random checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.webui.host import FORGE, HELPER, Host, difference, encoded, find_webui, mentions, own_copy, paper, pixels
from tests.webui.test_off import KINDS, MASK, START

SETTINGS = paper(10)
HIRES = {**KINDS["hires"], "hr_second_pass_steps": 5}
FIRST, SECOND = 6, 5  # evaluations of Euler in each pass


def checkpoint(name: str) -> dict:
    return {"override_settings": {"sd_model_checkpoint": f"{name}.safetensors"}}


def state(host) -> dict:
    return host.get("/probe/state")[1]


@pytest.mark.parametrize(("passes", "records", "inversions"), [("both", FIRST + SECOND, 2), ("first", FIRST, 1),
                                                               ("second", SECOND, 1)])
def test_hires_fix_acts_in_the_passes_that_were_chosen(host, picture, passes, records, inversions):
    plain, = host.make(**HIRES)
    ours, = host.make(indetail={"image": picture, **SETTINGS, "passes": passes}, **HIRES)
    seen = state(host)
    assert pixels(ours).shape == (192, 192, 3)
    assert np.abs(pixels(plain) - pixels(ours)).mean() > 2
    assert (len(seen["records"]), len(seen["notes"]), seen["hooks"]) == (records, inversions, 0)
    assert max(seen["records"]) < 1e-5
    left_out = [comment for comment in seen["comments"] if "left out of the" in comment]
    assert len(left_out) == (0 if passes == "both" else 1)


def test_the_choice_of_passes_is_for_hires_fix_alone(host, picture):
    both, = host.make(indetail={"image": picture, **SETTINGS})
    second, = host.make(indetail={"image": picture, **SETTINGS, "passes": "second"})
    assert difference(both, second) == 0


def test_adain_acts_in_the_first_pass_alone(host, picture):
    made = {(passes, adain): host.make(indetail={"image": picture, **SETTINGS, "passes": passes, "adain": adain},
                                       **HIRES)[0] for passes in ("first", "second") for adain in (0, 1)}
    assert difference(made["second", 0], made["second", 1]) == 0
    assert difference(made["first", 0], made["first", 1]) > 20


def test_each_pass_is_inverted_with_its_own_prompt(host, picture):
    host.make(indetail={"image": picture, **SETTINGS}, **HIRES, prompt="a star", hr_prompt="a heart")
    assert state(host)["texts"] == ["a star", "a heart"]


def test_the_second_pass_with_another_checkpoint(controlled, picture):
    fields = {**HIRES, "hr_checkpoint_name": "sd1-other.safetensors", **checkpoint("sd1")}
    plain = controlled.make(**fields)
    ours = controlled.make(indetail={"image": picture, **SETTINGS}, **fields)
    seen = state(controlled)
    assert difference(plain[0], ours[0]) > 5
    assert (len(seen["records"]), len(seen["notes"]), seen["hooks"]) == (FIRST + SECOND, 2, 0)
    assert controlled.make(**fields) == plain


@pytest.mark.parametrize(("base", "refiner"), [("sd1", "sd1-other"), ("sdxl", "sdxl-refiner")])
@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_a_refiner_reads_the_picture_too(controlled, picture, base, refiner, sampler):
    fields = {**checkpoint(base), "refiner_checkpoint": f"{refiner}.safetensors", "refiner_switch_at": 0.5,
              "sampler_name": sampler, "steps": 8}
    plain = controlled.make(**fields)
    controlled.post("/probe/reset")
    ours = controlled.make(indetail={"image": picture, **SETTINGS}, **fields)
    seen = state(controlled)
    assert difference(plain[0], ours[0]) > 5
    assert (len(seen["notes"]), seen["texts"], seen["hooks"]) == (1, ["a star"] * 2, 0)
    assert len(seen["records"]) == len(set(seen["levels"])) >= 7
    assert controlled.make(**fields) == plain
    controlled.make(**checkpoint(refiner))
    assert state(controlled)["hooks"] == 0


@pytest.mark.parametrize(("base", "refiner"), [("sd1", "sd1-other"), ("sdxl", "sdxl-refiner")])
def test_a_refiner_reads_several_pictures(controlled, picture, base, refiner):
    fields = {**checkpoint(base), "refiner_checkpoint": f"{refiner}.safetensors", "refiner_switch_at": 0.5, "steps": 8}
    whole = controlled.make(indetail={"image": picture, **SETTINGS}, **fields)
    halves = {"image": picture, **SETTINGS, "weight": 0.5, "images": [{"image": picture, "weight": 0.5}]}
    assert difference(controlled.make(indetail=halves, **fields)[0], whole[0]) <= 2
    assert difference(controlled.make(indetail={**halves, "images": []}, **fields)[0], whole[0]) > 5


def test_another_model_inverts_anew_and_the_first_one_finds_its_inversion(controlled, picture):
    for name, expected in (("sd1", "inverted in"), ("sd1-other", "inverted in"), ("sd1", "still there")):
        controlled.post("/probe/forget")
        controlled.make(indetail={"image": picture, **SETTINGS}, **checkpoint(name))
        assert expected in state(controlled)["notes"][0], name


LAYERS = {"sd1": 9, "sd2-v": 9, "inpainting": 9, "pix2pix": 9, "sdxl": 36, "sdxl-refiner": 24}
EDIT = {"mode": "img2img", "init_images": [START], "denoising_strength": 1.0, "image_cfg_scale": 1.5}


def skip_where_it_does_not_run(family: str) -> None:
    if family == "pix2pix" and FORGE:
        pytest.skip("NOT THERE: the picture to edit never reaches the UNet (modules/processing.py)")


@pytest.mark.parametrize("family", LAYERS)
@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_every_family(controlled, picture, family, sampler):
    skip_where_it_does_not_run(family)
    fields = {**checkpoint(family), "sampler_name": sampler, "batch_size": 2, **(EDIT if family == "pix2pix" else {})}
    plain = controlled.make(**fields)
    ours = controlled.make(indetail={"image": picture, **SETTINGS}, **fields)
    seen = state(controlled)
    assert difference(plain[0], ours[0]) > 5 and difference(plain[1], ours[1]) > 5
    assert (seen["layers"], seen["hooks"]) == (LAYERS[family], 0)
    assert max(seen["records"]) < 1e-5 and len(seen["records"]) == len(set(seen["levels"]))
    assert controlled.make(**fields) == plain


def test_an_inpainting_models_image_row_has_no_mask_and_its_own_latent(controlled, picture):
    masked = {**KINDS["inpaint"], "init_images": [START], "mask": encoded(MASK), **checkpoint("inpainting")}
    plain, = controlled.make(**masked)
    ours, = controlled.make(indetail={"image": picture, **SETTINGS}, **masked)
    assert difference(plain, ours) > 5
    off = state(controlled)["off_clean"]
    assert len(off) == 2 * SETTINGS["nodes"]
    assert max(off) == 0


def test_instruct_pix2pix_is_inverted_without_a_picture_to_edit(controlled, picture):
    skip_where_it_does_not_run("pix2pix")
    controlled.make(indetail={"image": picture, **SETTINGS}, **EDIT, **checkpoint("pix2pix"))
    off = state(controlled)["off_clean"]
    assert len(off) == 2 * SETTINGS["nodes"]
    assert max(off) == 0


@pytest.mark.parametrize("options", [{"upcast_attn": True}, {"sd_noise_schedule": "Zero Terminal SNR"},
                                     {"use_downcasted_alpha_bar": True}])
@pytest.mark.parametrize("family", ["sd2-v", "sd1"])
def test_options_of_attention_and_of_the_noise_schedule(controlled, picture, family, options):
    before, = controlled.make(**checkpoint(family))
    controlled.make(indetail={"image": picture, **SETTINGS}, **checkpoint(family))
    controlled.options(**options)
    controlled.post("/probe/forget")
    plain, = controlled.make(**checkpoint(family))
    if FORGE and difference(before, plain) == 0:
        pytest.skip(f"NOT THERE: {next(iter(options))} changes no image (modules/shared_options.py)")
    ours, = controlled.make(indetail={"image": picture, **SETTINGS}, **checkpoint(family))
    seen = state(controlled)
    assert np.abs(pixels(plain) - pixels(ours)).max() > 5
    assert max(seen["records"]) < 1e-5
    if "upcast_attn" not in options and (not FORGE or mentions("modules/processing.py", "set_sigmas")):
        assert "inverted in" in seen["notes"][0]


@pytest.mark.parametrize("flag", ["--medvram", "--lowvram"])
def test_low_memory_modes_give_the_same_picture(tmp_path_factory, host, picture, flag):
    """On a CPU these modes move nothing, but their hooks are in place."""
    if FORGE and not mentions("modules/cmd_args.py", flag):
        pytest.skip(f"NOT THERE: {flag} (modules/cmd_args.py)")
    expected, = host.make(indetail={"image": picture, **SETTINGS})
    low = Host(find_webui(), tmp_path_factory.mktemp("low"), {
        "sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension")), "test-probe": HELPER}, flags=(flag,))
    try:
        low.start()
        made, = low.make(indetail={"image": picture, **SETTINGS})
        assert difference(made, expected) <= 1
        assert state(low)["hooks"] == 0
    finally:
        low.stop()


def test_two_pictures_of_the_plain_model_differ(controlled):
    """What the thresholds above are to be compared with."""
    first, second = (controlled.make(seed=seed, **checkpoint("sd1"))[0] for seed in (7, 8))
    assert Image.fromarray(pixels(first).astype(np.uint8)).size == (128, 128)
    assert difference(first, second) > 20
