"""What the UNet of every family is given, by the host and by us, is what the model's own code gives it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from embedded.checkpoint import load_model
from embedded.files import CHECKPOINT
from embedded.pictures import draw, random_scene
from embedded.schedule import alphas_cumprod
from tests.webui.checkpoints import PROMPT
from tests.webui.conftest import RANDOM
from tests.webui.host import find_webui
from tests.webui.test_models import EDIT, skip_where_it_does_not_run
from tests.webui.test_models import checkpoint as of_checkpoint

CLOSE = 1e-5


def apart(given: list, wanted: list) -> float:
    """The largest difference, as a share of the largest value."""
    given, wanted = torch.tensor(given), torch.tensor(wanted)
    return float((given - wanted).abs().max() / wanted.abs().max())


def timestep(sigma: float) -> float:
    """Of a model with Stable Diffusion's noise levels, between whole ones where it falls between their levels."""
    levels = (1 / alphas_cumprod().double() - 1).sqrt().log().numpy()
    return float(np.interp(np.log(sigma), levels, np.arange(1000)))


@pytest.fixture
def fed(controlled, random_checkpoints, request):
    """What the host and we gave for PROMPT, and what the text towers make of it."""
    family = request.param
    skip_where_it_does_not_run(family)
    fields = EDIT if family == "pix2pix" else {}
    controlled.post("/probe/watch")
    controlled.make(**{**of_checkpoint(family), **fields, "prompt": PROMPT, "steps": 2})
    status, seen = controlled.post("/probe/fed", {"prompt": PROMPT})
    assert status == 200, controlled.tail()
    return seen, json.loads((random_checkpoints / f"{family}.text.json").read_text())


@pytest.mark.parametrize("fed", RANDOM, indirect=True)
def test_the_unet_is_given_the_models_own_text_latent_and_timestep(fed):
    seen, wanted = fed
    host, own, sigma = seen["host"], seen["own"], seen["sigma"]
    row = min(range(len(host["context"])), key=lambda row: apart(host["context"][row], wanted["context"][0]))
    assert own.keys() == host.keys() == {"x", "timesteps", *wanted}
    for name, value in wanted.items():
        assert apart(host[name][row], value[0]) < CLOSE, name
        assert apart(own[name][0], value[0]) < CLOSE, name
    latent = torch.tensor(seen["x"][0]) / (1 + sigma ** 2) ** 0.5
    for given in (host["x"][row], own["x"][0]):
        assert apart(given[:4], latent.tolist()) < CLOSE
    assert own["timesteps"] == [host["timesteps"][row]]
    assert abs(own["timesteps"][0] - timestep(sigma)) <= 0.5


@pytest.mark.parametrize("checkpoint", [CHECKPOINT.name, *(f"{family}.safetensors" for family in RANDOM)])
def test_a_picture_is_encoded_as_the_autoencoder_says(controlled, checkpoint):
    if "pix2pix" in checkpoint and not (find_webui() / "modules" / "models").is_dir():
        pytest.skip("NOT THERE: the loader has no module named 'modules.models' (modules/models)")
    controlled.options(sd_model_checkpoint=checkpoint)
    scene = random_scene(np.random.default_rng(3), shape="circle", pattern="dotted")
    picture = torch.from_numpy(draw(scene)).permute(2, 0, 1)[None].float() / 127.5 - 1
    status, given = controlled.post("/probe/encoded", {"pictures": picture.tolist()})
    assert status == 200, controlled.tail()
    assert apart(given, load_model().encode(picture).tolist()) < CLOSE
