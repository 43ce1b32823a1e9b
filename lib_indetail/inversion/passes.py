"""Plain passes of the image latent through the UNet: what records its keys and values, and what inverts it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from lib_indetail.ask.settings import Settings
from lib_indetail.bank.image_branch import RecordPass
from lib_indetail.inversion.inverter import Model
from lib_indetail.methods.plans import IMAGE, IMAGE_WITHOUT_TEXT

Run = TypeVar("Run")


def plain_pass(unet: nn.Module, context: torch.Tensor, **conditioning: torch.Tensor) -> RecordPass:
    """A pass of latent rows [n, C, H, W] at `timesteps` [n], each with the text `context` [1, tokens, D].

    It calls the UNet's own forward, past whatever a ControlNet has put on the instance. `conditioning` goes
    along as it is (SDXL: y), [1, ...] each.
    """
    def run(z: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        given = {name: for_each(value, z) for name, value in conditioning.items()}
        return type(unet).forward(unet, z, timesteps, context=for_each(context.to(z), z), **given)

    return run


def as_model(run: RecordPass) -> Model:
    """The same pass as an inversion calls it, with one timestep for all rows or one each."""
    def model(z: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
        return run(z, timesteps_of(z, t))

    return model


def timesteps_of(z: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
    """[n] for n rows."""
    return t if isinstance(t, torch.Tensor) else torch.full((len(z),), t, device=z.device)


def for_each(row: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """A row of conditioning [1, ...] for every row of z; one row as it is."""
    return row if len(row) == len(z) else row.expand(len(z), *row.shape[1:])


def image_passes(settings: Settings, with_text: Run, without_text: Run) -> dict[str, Run]:
    """The banks that a generation with these settings can read; conflict-free guidance needs the first alone."""
    passes = {IMAGE: with_text}
    if settings.guidance < 1 and settings.side == "positive":
        passes[IMAGE_WITHOUT_TEXT] = without_text
    return passes
