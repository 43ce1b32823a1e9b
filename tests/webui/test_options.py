"""Beside the host's own options: attention functions, LoRA, token merging, Hypertile."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.webui.host import FORGE, difference, paper, pixels

ON_CPU = ["sdp - scaled dot product", "sdp-no-mem - scaled dot product without memory efficient attention",
          "sub-quadratic", "V1 - original v1", "InvokeAI", "Doggettx", "None"]
SETTINGS = {**paper(20), "strength": 0.8, "blocks": "all"}


@pytest.fixture(scope="module")
def reference(running, picture):
    """A picture with all phases and with a logit bias, by one attention function."""
    if FORGE:
        pytest.skip("NOT THERE: attention is chosen at the start alone (ldm_patched/ldm/modules/attention.py)")
    running.options(cross_attention_optimization=ON_CPU[0])
    made, = running.make(indetail={"image": picture, **SETTINGS})
    running.options(cross_attention_optimization="Automatic")
    return made


@pytest.mark.parametrize("optimiser", ON_CPU)
def test_every_attention_function_gives_the_same_picture(host, picture, reference, optimiser):
    host.options(cross_attention_optimization=optimiser)
    applied = [line for line in host.tail(None).splitlines() if "attention optimization" in line][-1]
    assert f": {optimiser.split(' - ')[0]}..." in applied or (optimiser == "None" and "Disabling" in applied)
    made, = host.make(indetail={"image": picture, **SETTINGS})
    assert difference(made, reference) <= 2
    assert host.get("/probe/state")[1]["hooks"] == 0


def write_lora(folder, name: str, layer: str, width: int) -> None:
    generator = torch.Generator().manual_seed(1)
    up, down = (torch.randn(shape, generator=generator) for shape in ((width, 4), (4, width)))
    key = f"lora_unet_{layer}_attn1_to_k"
    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"{key}.lora_up.weight": up, f"{key}.lora_down.weight": down, f"{key}.alpha": torch.tensor(4.0)},
              folder / f"{name}.safetensors")


def test_a_lora_acts_on_the_image_too_and_the_inversion_is_made_anew(host, picture):
    from embedded.files import UNET

    width = UNET["model_channels"] * UNET["channel_mult"][-1]
    write_lora(host.folder / "models" / "Lora", "probe", "output_blocks_0_1_transformer_blocks_0", width)
    plain, = host.make(indetail={"image": picture, **paper(20)})
    assert host.post("/sdapi/v1/refresh-loras")[0] == 200
    host.post("/probe/forget")
    changed, = host.make(indetail={"image": picture, **paper(20)}, prompt="a star <lora:probe:1>")
    assert "inverted in" in host.get("/probe/state")[1]["notes"][0]
    assert difference(plain, changed) > 2
    host.post("/probe/forget")
    host.make(indetail={"image": picture, **paper(20)}, prompt="a star <lora:probe:0.5>")
    assert "inverted in" in host.get("/probe/state")[1]["notes"][0]
    host.post("/probe/forget")
    assert host.make(indetail={"image": picture, **paper(20)}) == [plain]


TILED = dict(hypertile_enable_unet=True, hypertile_max_tile_unet=128)


def skip_without_tiles() -> None:
    if FORGE:  # beside the script that some of its hosts have: test_beside_patches
        pytest.skip("NOT THERE: no option for Hypertile (extensions-builtin)")


@pytest.mark.parametrize("options", [dict(token_merging_ratio=0.5), TILED, dict(TILED, hypertile_swap_size_unet=4)])
def test_token_merging_and_hypertile(host, picture, options):
    if TILED.keys() <= options.keys():
        skip_without_tiles()
    without, = host.make(width=256, height=256)
    host.options(**options)
    plain, = host.make(width=256, height=256)
    assert difference(without, plain) > 2
    ours, = host.make(width=256, height=256, indetail={"image": picture, **paper(10)})
    again, = host.make(width=256, height=256, indetail={"image": picture, **paper(10)})
    assert np.abs(pixels(plain) - pixels(ours)).mean() > 2
    assert again == ours
    assert host.make(width=256, height=256) == [plain]
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_hypertile_does_not_tile_the_image_latent(host, picture):
    skip_without_tiles()
    banks = []
    for options in ({}, TILED):
        host.options(**options)
        host.post("/probe/restart")
        host.post("/probe/forget")
        host.make(width=256, height=256, indetail={"image": picture, **paper(10)})
        state = host.get("/probe/state")[1]
        banks.append(state["banks"])
    assert "still there" in state["notes"][0]
    assert len(banks[0]) == 6
    assert banks[0] == banks[1]


def test_options_are_part_of_the_key(host, picture):
    """What changes the UNet, the VAE or the text must not find the old inversion. The Forge family's patches, token
    merging among them, are in no call of ours."""
    host.make(indetail={"image": picture, **paper(10)})
    merging = [] if FORGE else [("options", dict(token_merging_ratio=0.3))]
    changes = [*merging, ("options", dict(CLIP_stop_at_last_layers=2)),
               ("options", dict(emphasis="No norm"), "a (star:1.3)"), ("fields", dict(tiling=True))]
    for kind, values, *prompt in changes:
        fields = values if kind == "fields" else {}
        text = prompt[0] if prompt else "a star"
        host.make(indetail={"image": picture, **paper(10)}, prompt=text)
        if kind == "options":
            host.options(**values)
        host.post("/probe/forget")
        host.make(indetail={"image": picture, **paper(10)}, prompt=text, **fields)
        assert "inverted in" in host.get("/probe/state")[1]["notes"][0], values
        host.options(token_merging_ratio=0, CLIP_stop_at_last_layers=1, emphasis="Original")


def test_the_log_level_is_the_persons(host, picture):
    def lines() -> list[str]:
        return [line for line in host.tail(None).splitlines() if line.startswith("InDetail ")]

    before = len(lines())
    host.make(indetail={"image": picture, **paper(10)})
    assert len(lines()) == before
    host.options(indetail_log="DEBUG")
    host.make(indetail={"image": picture, **paper(10)})
    said = lines()[before:]
    assert any(line.startswith("InDetail DEBUG: image variation, Settings(") for line in said)
    assert any(line.startswith("InDetail INFO: the image prompt's inversion was still there") for line in said)
    host.options(indetail_log="WARNING")
    assert host.ask(indetail={"image": None})[0] == 422
    assert lines()[-1] == "InDetail ERROR: InDetail is on but has no image prompt: add one, or switch it off."


def test_the_picture_folder_cannot_be_moved_by_the_api(host):
    host.post("/sdapi/v1/options", {"indetail_folder": "/"})
    assert host.get("/probe/option?name=indetail_folder")[1] == "indetail_pictures"
