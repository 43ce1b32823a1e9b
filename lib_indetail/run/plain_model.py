"""A UNet with its schedule, in no host: what its own calls are, and text rows for the taking."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Sequence

import torch
from torch import nn

from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.bank.image_branch import RecordPass
from lib_indetail.inversion.inverter import Model as Noise
from lib_indetail.inversion.passes import as_model, plain_pass
from lib_indetail.noise.schedule import Schedule
from lib_indetail.run.host import Frame, Text, Token


class PlainModel:
    """See `host.Model`. Subclasses add an autoencoder and a text tower."""

    attention = HostAttention()

    def __init__(self, unet: nn.Module, schedule: Schedule, prediction: str = "eps"):
        self.unet, self.schedule, self.prediction = unet, schedule, prediction

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.unet.parameters()).dtype

    def refuse(self) -> None:
        """Nothing is refused."""

    def timestep(self, sigma: float) -> float:
        return self.schedule.timestep(sigma)

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("there is no autoencoder.")

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("there is no autoencoder.")

    def text(self, prompt: str, frame: Frame) -> Text:
        raise NotImplementedError("there is no text tower.")

    def tokens(self, prompt: str) -> Sequence[Token]:
        raise NotImplementedError("there is no text tower.")

    def ready(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    def inside(self, text: Text, clean: torch.Tensor) -> RecordPass:
        return plain_pass(self.unet, text)

    def outside(self, text: Text, clean: torch.Tensor) -> Noise:
        return as_model(self.inside(text, clean))

    def makes_latents(self) -> Hashable:
        return id(self.unet)

    def makes_noise(self) -> Hashable:
        return id(self.unet)

    def makes_records(self) -> Hashable:
        return ()
