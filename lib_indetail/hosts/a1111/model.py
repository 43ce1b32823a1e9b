"""The checkpoint that the WebUI has loaded, as the core asks for it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Hashable, Iterator

import torch
from modules import devices, shared
from torch import nn

from lib_indetail.errors import CannotAct
from lib_indetail.hosts.a1111 import fingerprint
from lib_indetail.hosts.a1111.attention import WebuiAttention
from lib_indetail.hosts.a1111.undisturbed import undisturbed, untiled
from lib_indetail.hosts.webui.model import WebuiModel, of_weights
from lib_indetail.inversion.inverter import Model
from lib_indetail.inversion.passes import for_each, timesteps_of
from lib_indetail.noise.schedule import NoiseSchedule
from lib_indetail.run.host import Text

_KNOWN = (("crossattn", 4), ("hybrid", 9), ("hybrid", 8))
"""How a UNet takes its conditions, and its input channels: text alone, inpainting, instruct-pix2pix."""


class HostModel(WebuiModel):
    attention = WebuiAttention()

    def refuse(self) -> None:
        super().refuse()
        key, channels = getattr(self.sd_model.model, "conditioning_key", None), self.unet.in_channels
        if (key, channels) not in _KNOWN and not getattr(self.sd_model, "is_sdxl_inpaint", False):
            raise CannotAct(f"it does not know this model's extra inputs ({key}, {channels} channels)")

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise levels in force, after the host's own overrides of alphas_cumprod."""
        return NoiseSchedule(self.sd_model.alphas_cumprod)

    @property
    def prediction(self) -> str:
        return "v" if self.sd_model.parameterization == "v" else "eps"

    @property
    def device(self) -> torch.device:
        return devices.device

    @property
    def dtype(self) -> torch.dtype:
        return devices.dtype_unet

    def run_encoder(self, pictures: torch.Tensor) -> None:
        """Through the VAE's `encode`, which the low-memory modes replace."""
        vae = self.sd_model.first_stage_model
        with devices.without_autocast(), untiled(vae):
            vae.encode(pictures.to(devices.device, devices.dtype_vae))

    def scaled(self, mean: torch.Tensor) -> torch.Tensor:
        return mean * self.sd_model.scale_factor

    def timestep(self, sigma: float) -> float:
        """With the host's quantization a whole number."""
        if not shared.opts.enable_quantization:
            return self.schedule.timestep(sigma)
        return float((self.schedule.log_sigmas - math.log(sigma)).abs().argmin())

    def alone(self) -> contextlib.AbstractContextManager:
        return undisturbed(self.unet)

    def outside(self, text: Text, clean: torch.Tensor) -> Model:
        """Through the host's own `apply_model`, past a ControlNet."""
        extra = self.extra_channels(clean)

        def model(z: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
            if isinstance(text, dict):
                cond = {name: for_each(row, z) for name, row in text.items()}
            else:
                cond = {"c_crossattn": [for_each(text, z)]}
            if extra is not None:
                cond["c_concat"] = [for_each(extra.to(z), z)]
            with own_forward(self.unet):
                return self.sd_model.apply_model(z, timesteps_of(z, t), cond).float()

        return model

    def makes_latents(self) -> Hashable:
        return of_weights(self.sd_model), str(devices.dtype_vae)

    def makes_noise(self) -> Hashable:
        return of_weights(self.sd_model), fingerprint.of_unet(self.sd_model)

    def makes_records(self) -> Hashable:
        return shared.opts.enable_quantization, shared.opts.upcast_attn


@contextlib.contextmanager
def own_forward(unet: nn.Module) -> Iterator[None]:
    """The UNet with its class's forward, whatever another extension has put on the instance."""
    replaced = vars(unet).pop("forward", None)
    try:
        yield
    finally:
        if replaced is not None:
            unet.forward = replaced
