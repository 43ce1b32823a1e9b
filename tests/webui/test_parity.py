"""The authors' own case in the real host: their text rows, clean latent and noise, the host's DDIM sampler."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from embedded.files import TEXT_TOWER
from tests.official import DATA, load_case, relative_error
from tests.webui.host import paper

CASE = DATA / "case_imgvar_strat4of10.safetensors"
CALLS = 9  # the host's DDIM never calls t = 1


@pytest.fixture
def golden(running):
    """The WebUI with the golden model loaded."""
    folder = running.folder / "models" / "Stable-diffusion"
    tower = folder / "golden_tower"
    shutil.copytree(TEXT_TOWER, tower, dirs_exist_ok=True)
    config = json.loads((tower / "config.json").read_text())
    config |= {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
               "projection_dim": 32}
    (tower / "config.json").write_text(json.dumps(config))
    shutil.copy(DATA / "tiny_ldm.fp16.safetensors", folder / "golden.safetensors")
    text = (DATA / "tiny_ldm.yaml").read_text().split("FrozenCLIPEmbedder")[0] + "FrozenCLIPEmbedder\n"
    (folder / "golden.yaml").write_text(f"{text}      params: {{version: {tower}}}\n")
    running.post("/probe/reset")
    running.post("/sdapi/v1/refresh-checkpoints")
    before = running.get("/sdapi/v1/options")[1]["sd_model_checkpoint"]
    running.options(sd_model_checkpoint="golden.safetensors")
    yield running
    running.post("/probe/reset")
    running.options(sd_model_checkpoint=before)


def play(host, picture) -> list[torch.Tensor]:
    """The latents after each of the host's calls, [2, 4, 16, 16]."""
    host.post("/probe/reset")
    host.post("/probe/case", {"path": str(CASE)})
    case = load_case(CASE)
    host.make(indetail={"image": picture, **paper(10), "lambda_image": 0.5, "stratified_until": 0.4}, batch_size=2,
              steps=10, sampler_name="DDIM", cfg_scale=case.meta["guidance_scale"])
    seen = [torch.tensor(values).view(2, 4, 16, 16) for values in host.get("/probe/latents")[1]]
    return seen[1:]


def test_the_authors_case_step_by_step(golden, picture):
    expected = load_case(CASE).tensors["sampling.latents_after_step"]
    seen = play(golden, picture)
    assert len(seen) == CALLS
    errors = [relative_error(latents, expected[step, 1:].float()) for step, latents in enumerate(seen)]
    assert max(errors) <= 1e-3, errors


def test_plain_attention_in_place_of_ours_misses_it(golden, picture):
    expected = load_case(CASE).tensors["sampling.latents_after_step"]
    golden.post("/probe/plain-attention", {"on": True})
    try:
        seen = play(golden, picture)
    finally:
        golden.post("/probe/plain-attention", {"on": False})
    assert relative_error(seen[-1], expected[CALLS - 1, 1:].float()) > 1e-2
