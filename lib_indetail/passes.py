"""Plain passes of the image latent through the UNet: what records its keys and values, and what inverts it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from lib_indetail.inversion import Model
from lib_indetail.plans import IMAGE, IMAGE_WITHOUT_TEXT
from lib_indetail.recording import RecordPass
from lib_indetail.settings import Settings


def plain_pass(unet: nn.Module, context: torch.Tensor, **conditioning: torch.Tensor) -> RecordPass:
    """A pass of one latent row [1, C, H, W] at `timesteps` [1] with the text rows `context` [1, tokens, D].

    It calls the UNet's own forward, past whatever a ControlNet has put on the instance. `conditioning` goes
    along as it is (SDXL: y).
    """
    def run(z: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return type(unet).forward(unet, z, timesteps, context=context.to(z), **conditioning)

    return run


def as_model(run: RecordPass) -> Model:
    """The same pass with one timestep as a number, as an inversion calls it."""
    def model(z: torch.Tensor, t: float) -> torch.Tensor:
        return run(z, torch.full((len(z),), t, device=z.device))

    return model


def image_passes(settings: Settings, with_text: RecordPass, without_text: RecordPass) -> Mapping[str, RecordPass]:
    """The banks that a generation with these settings can read; conflict-free guidance needs the first alone."""
    passes = {IMAGE: with_text}
    if settings.guidance < 1:
        passes[IMAGE_WITHOUT_TEXT] = without_text
    return passes
