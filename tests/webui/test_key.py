"""Whatever a prepared picture depends on: if it changes, neither the inversion nor the bank is found."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from embedded.checkpoint import CHECKPOINT, VAE_PREFIX
from embedded.files import CONTEXT_DIM, UNET
from embedded.pictures import draw, random_scene
from lib_indetail.ask import options
from tests.webui.host import FORGE, HELPER, Host, difference, encoded, find_webui, mentions, own_copy, paper
from tests.webui.test_options import skip_without_tiles, write_lora

WIDTH = UNET["model_channels"] * UNET["channel_mult"][-1]
LORA, HYPERNETWORK = "a star <lora:key:1:1>", "a star <hypernet:key:1>"
WIDE = dict(width=192)


def drawn(seed: int) -> np.ndarray:
    return draw(random_scene(np.random.default_rng(seed), shape="circle", pattern="dotted"))


def one_pixel_off() -> str:
    changed = drawn(3).copy()
    changed[60, 60] ^= 8
    return encoded(Image.fromarray(changed))


SETTINGS = {
    "picture": {"image": one_pixel_off()}, "nodes": {"nodes": 11}, "kind of inversion": {"inversion": "refined"},
    "inversion text": {"inversion_text": "own text", "own_text": "a heart"}, "suffix": {"suffix": ", x"},
}
FIELDS = {
    "prompt": ({}, {"prompt": "a heart"}), "width": ({}, WIDE), "height": ({}, dict(height=192)),
    "LoRA": ({}, dict(prompt=LORA)), "tiling": ({}, dict(tiling=True)),
    "LoRA's text multiplier": (dict(prompt=LORA), dict(prompt="a star <lora:key:0.5:1>")),
    "LoRA's UNet multiplier": (dict(prompt=LORA), dict(prompt="a star <lora:key:1:0.5>")),
    "LoRA's rank": (dict(prompt=LORA), dict(prompt="a star <lora:key:1:1:2>")),
    "hypernetwork": ({}, dict(prompt=HYPERNETWORK)),
    "hypernetwork's multiplier": (dict(prompt=HYPERNETWORK), dict(prompt="a star <hypernet:key:0.5>")),
}
OPTIONS = {
    "clip skip": dict(CLIP_stop_at_last_layers=2), "emphasis": dict(emphasis="No norm"),
    "token merging": dict(token_merging_ratio=0.3), "VAE": dict(sd_vae="key.safetensors"),
    "checkpoint": dict(sd_model_checkpoint="key.safetensors"),
    "noise schedule": dict(sd_noise_schedule="Zero Terminal SNR"), "alphas": dict(use_downcasted_alpha_bar=True),
    "attention function": dict(cross_attention_optimization="V1 - original v1"),
}
NOTHING_THERE = ["LoRA's rank", "hypernetwork", "hypernetwork's multiplier", "alphas", "token merging"] if FORGE else []
"""The Forge family goes without the first four, and its patches, token merging among them, are in no call of ours: what
was prepared is found."""
if FORGE and not mentions("modules/processing.py", "set_sigmas"):
    NOTHING_THERE.append("noise schedule")


@pytest.fixture(scope="module")
def prepared(running):
    """A LoRA, a hypernetwork, a VAE and a checkpoint for the host to change to."""
    models = running.folder / "models"
    write_lora(models / "Lora", "key", "output_blocks_0_1_transformer_blocks_0", WIDTH)
    generator = torch.Generator().manual_seed(1)
    shapes = {"linear.0.weight": (2 * CONTEXT_DIM, CONTEXT_DIM), "linear.0.bias": (2 * CONTEXT_DIM,),
              "linear.1.weight": (CONTEXT_DIM, 2 * CONTEXT_DIM), "linear.1.bias": (CONTEXT_DIM,)}
    layer = {name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}
    for folder in (models / "hypernetworks", models / "VAE", running.folder / "embeddings"):
        folder.mkdir(exist_ok=True)
    torch.save({CONTEXT_DIM: (layer, layer), "layer_structure": [1, 2, 1], "activation_func": "linear", "name": "key"},
               models / "hypernetworks" / "key.pt", _use_new_zipfile_serialization=False)  # the host trusts no other
    weights = load_file(CHECKPOINT)
    vae = {name.removeprefix(VAE_PREFIX): 1.01 * part for name, part in weights.items() if name.startswith(VAE_PREFIX)}
    save_file(vae, models / "VAE" / "key.safetensors")
    save_file({name: 0.99 * part if name.endswith("to_k.weight") else part for name, part in weights.items()},
              models / "Stable-diffusion" / "key.safetensors")
    shutil.copy((models / "Stable-diffusion" / CHECKPOINT.name).with_suffix(".yaml"),
                models / "Stable-diffusion" / "key.yaml")
    for route in ("/sdapi/v1/refresh-loras", "/sdapi/v1/refresh-vae", "/sdapi/v1/refresh-checkpoints",
                  "/probe/hypernetworks"):
        assert running.post(route)[0] == 200
    return running


@pytest.fixture
def ready(prepared, host):
    return host


@contextlib.contextmanager
def options_of(host, **values):
    before = host.get("/sdapi/v1/options")[1]
    host.options(**values)
    try:
        yield
    finally:
        host.options(**{name: before[name] if name in before else options.OPTIONS[name].default for name in values})
        if FORGE and "sd_vae" in values:  # the Forge family keeps the weights of a VAE that is chosen no more
            host.options(sd_model_checkpoint="key.safetensors")
            host.options(sd_model_checkpoint=CHECKPOINT.name)


def prepare(host, **fields) -> tuple[bool, int]:
    """Whether the picture was inverted in a generation, and how many levels were recorded."""
    host.post("/probe/forget")
    host.make(**fields)
    state = host.get("/probe/state")[1]
    note, = state["notes"]
    return "inverted in" in note, len(state["records"])


def check(host, first: dict, second: dict, around=contextlib.nullcontext, differs: bool = True) -> None:
    """The first generation's preparation is found by itself, and not by the second."""
    assert prepare(host, **first) == (True, 6)
    assert prepare(host, **first) == (False, 0)
    with around():
        assert prepare(host, **second) == ((True, 6) if differs else (False, 0))
    assert prepare(host, **first) == (False, 0)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_part_of_the_key(ready, name):
    wish = {"image": encoded(Image.fromarray(drawn(3))), **paper(10)}
    check(ready, {"indetail": wish}, {"indetail": {**wish, **SETTINGS[name]}})


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_the_generation_is_part_of_the_key(ready, picture, name):
    first, second = ({"indetail": {"image": picture, **paper(10)}, **fields} for fields in FIELDS[name])
    check(ready, first, second, differs=name not in NOTHING_THERE)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_of_the_host_is_part_of_the_key(ready, picture, name):
    wish = {"indetail": {"image": picture, **paper(10)}, "prompt": "a (star:1.3)"}
    if FORGE and "cross_attention_optimization" in OPTIONS[name]:
        pytest.skip("NOT THERE: attention is chosen at the start alone (ldm_patched/ldm/modules/attention.py)")
    check(ready, wish, wish, lambda: options_of(ready, **OPTIONS[name]), name not in NOTHING_THERE)


def test_fp8_is_part_of_the_key(tmp_path, picture):
    """In a host of its own: one that has been through fp8 keeps rounded noise levels until it is started anew."""
    if FORGE:
        pytest.skip("NOT THERE: weights are stored in fp8 from the start or never (ldm_patched/modules/args_parser.py)")
    host = Host(find_webui(), tmp_path, {"sd-webui-indetail": own_copy(tmp_path), "test-probe": HELPER})
    try:
        host.start()
        wish = {"indetail": {"image": picture, **paper(10)}}
        assert prepare(host, **wish) == (True, 6)
        host.options(fp8_storage="Enable")
        assert prepare(host, **wish) == (True, 6)
    finally:
        host.stop()


@pytest.mark.parametrize("resize", ["stretch", "fit"])
def test_how_a_picture_is_brought_to_shape_is_part_of_the_key(ready, picture, resize):
    wish = {"image": picture, **paper(10)}
    check(ready, {"indetail": wish, **WIDE}, {"indetail": {**wish, "resize": resize}, **WIDE})


def test_a_textual_inversions_content_is_part_of_the_key(ready, picture):
    wish = {"indetail": {"image": picture, **paper(10)}, "prompt": "a star keyword"}

    @contextlib.contextmanager
    def changed():
        write(2)
        yield
        write(1)

    def write(seed: int) -> None:
        row = torch.randn(1, CONTEXT_DIM, generator=torch.Generator().manual_seed(seed))
        save_file({"emb_params": row}, ready.folder / "embeddings" / "keyword.safetensors")
        assert ready.post("/sdapi/v1/refresh-embeddings")[0] == 200

    write(1)
    check(ready, wish, wish, changed)


@pytest.mark.parametrize("option", [dict(upcast_attn=True), dict(enable_quantization=True)], ids=str)
def test_what_only_the_reading_depends_on_is_part_of_the_banks_key(ready, picture, option):
    wish = {"indetail": {"image": picture, **paper(10)}}
    assert prepare(ready, **wish) == (True, 6)
    with options_of(ready, **option):
        assert prepare(ready, **wish) == (False, 0 if FORGE else 6)  # that family knows neither option
    assert prepare(ready, **wish) == (False, 0)


def test_the_blocks_are_part_of_the_banks_key(ready, picture):
    wish = {"image": picture, **paper(10)}
    assert prepare(ready, indetail=wish) == (True, 6)
    assert prepare(ready, indetail={**wish, "blocks": "all"}) == (False, 6)


def test_hypertile_does_not_reach_the_image_latent_and_needs_no_key(ready, picture):
    skip_without_tiles()
    wish = {"indetail": {"image": picture, **paper(10)}, "width": 256, "height": 256}
    assert prepare(ready, **wish) == (True, 6)
    with options_of(ready, hypertile_enable_unet=True, hypertile_max_tile_unet=128):
        assert prepare(ready, **wish) == (False, 0)


@pytest.mark.parametrize("sizes", [dict(sdxl_crop_left=64), dict(sdxl_crop_top=64)], ids=str)
def test_sdxls_size_values_are_part_of_the_key(controlled, picture, sizes):
    wish = {"indetail": {"image": picture, **paper(10)},
            "override_settings": {"sd_model_checkpoint": "sdxl.safetensors"}}
    check(controlled, wish, wish, lambda: options_of(controlled, **sizes))


def test_a_cold_a_warm_and_a_restored_run_are_the_same_bytes_and_live_recording_one_level_off_at_most(ready, picture):
    wish = {"indetail": {"image": picture, **paper(10)}}
    cold, warm = (ready.make(**wish)[0] for _ in range(2))
    ready.post("/probe/restart")
    restored, = ready.make(**wish)
    with options_of(ready, indetail_bank_mb=0):
        live, = ready.make(**wish)
    assert warm == cold == restored
    assert difference(live, warm) <= 1
