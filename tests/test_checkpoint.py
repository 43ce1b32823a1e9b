"""The embedded files are a normal, small Stable Diffusion checkpoint and ControlNet."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from embedded.checkpoint import CHECKPOINT, CONTROL, JUDGE, load_control
from embedded.environment import ROOT
from embedded.export import export

MIB = 1024**2


pytestmark = pytest.mark.usefixtures("embedded")


@pytest.fixture(scope="module")
def weights(embedded):
    with safe_open(CHECKPOINT, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}


def test_the_files_are_small():
    assert CHECKPOINT.stat().st_size <= 36e6
    assert CONTROL.stat().st_size <= 10e6
    assert JUDGE.stat().st_size <= 1e6


def test_the_checkpoint_has_ldm_keys_in_half_precision(weights):
    prefixes = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model.")
    strangers = [key for key in weights if not key.startswith(prefixes)]
    assert strangers == ["alphas_cumprod"]
    assert {value.dtype for key, value in weights.items() if key != "alphas_cumprod"} == {torch.float16}
    assert weights["alphas_cumprod"].shape == (1000,)
    decoder = {key.split(".")[3] for key in weights if re.search(r"output_blocks\.\d+\..*attn1", key)}
    assert len({key.rpartition("attn1")[0] for key in weights if "output_blocks" in key and "attn1" in key}) == 9
    assert len(decoder) == 9


def test_no_weight_is_infinite_or_dead(weights):
    for key, value in weights.items():
        assert value.float().isfinite().all(), key
        assert value.numel() == 1 or value.float().abs().max() > 0, key


def test_the_mean_of_a_text_embedding_is_not_zero(embedded):
    means = embedded.text(["", "a star", "a dotted heart and a dotted ring"]).mean((1, 2))
    assert (means.abs() > 0.05).all(), means


def test_the_controlnet_has_the_extensions_key_layout():
    with safe_open(CONTROL, "pt") as file:
        keys = list(file.keys())
    assert all(key.startswith("control_model.") for key in keys)
    for part in ("input_hint_block.0.weight", "zero_convs.0.0.weight", "middle_block_out.0.weight",
                 "input_blocks.0.0.weight", "time_embed.0.weight"):
        assert f"control_model.{part}" in keys
    assert sum(p.numel() for p in load_control().parameters()) > 1e6


def test_export_writes_a_yaml_that_names_the_tokenizer_folder(tmp_path):
    checkpoint, config, tower, control = export(tmp_path / "models")
    params = json.loads(config.read_text())["model"]["params"]
    version = params["cond_stage_config"]["params"]["version"]
    assert Path(version) == tower and Path(version).is_absolute()
    assert {p.name for p in tower.iterdir()} >= {"vocab.json", "merges.txt", "tokenizer_config.json", "config.json"}
    assert config.stem == checkpoint.stem and checkpoint.parent == tower.parent == tmp_path / "models/Stable-diffusion"
    assert control.parent == tmp_path / "models/ControlNet" and control.exists()
    assert params["scale_factor"] == pytest.approx(0.5, abs=0.4)


def test_export_needs_nothing_but_python(tmp_path):
    """A newcomer's Python has no torch: whatever is not of the standard library is out of reach."""
    done = subprocess.run([sys.executable, "-S", "-m", "embedded", "export", str(tmp_path)], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    config = json.loads((tmp_path / "Stable-diffusion" / "indetail_embedded.yaml").read_text())
    assert config["model"]["params"]["scale_factor"] != 0.18215


def test_the_networks_are_built_where_omegaconf_is_not():
    told = "import sys; sys.modules['omegaconf'] = None; from embedded.model import build_unet; build_unet()"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
