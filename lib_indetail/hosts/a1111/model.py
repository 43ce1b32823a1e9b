"""The checkpoint that the WebUI has loaded, as the core asks for it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Hashable, Iterator

import torch
from modules import devices, extra_networks, prompt_parser, sd_hijack, sd_samplers_common, shared
from torch import nn

from lib_indetail.bank.image_branch import RecordPass
from lib_indetail.hosts.a1111 import fingerprint
from lib_indetail.hosts.a1111.attention import WebuiAttention
from lib_indetail.hosts.a1111.conflicts import refuse
from lib_indetail.hosts.a1111.prompt_tokens import tokens
from lib_indetail.hosts.a1111.undisturbed import undisturbed, untiled
from lib_indetail.inversion.inverter import Model
from lib_indetail.inversion.passes import for_each, plain_pass, timesteps_of
from lib_indetail.noise.finite import VAE, finite
from lib_indetail.noise.schedule import NoiseSchedule
from lib_indetail.run.host import Frame, Text, Token


class HostModel:
    """Thin view of an `sd_model`; holds no tensor of its own."""

    attention = WebuiAttention()

    def __init__(self, sd_model):
        self.sd_model = sd_model

    def refuse(self) -> None:
        refuse(self.sd_model)

    @property
    def unet(self) -> nn.Module:
        return self.sd_model.model.diffusion_model

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

    @torch.no_grad()
    def encode(self, picture: torch.Tensor) -> torch.Tensor:
        """The VAE is called through `encode`, which the low-memory modes replace; the moments are read where both
        of the host's classes compute them."""
        vae = self.sd_model.first_stage_model
        moments: list[torch.Tensor] = []

        def indetail_moments(module, args, output):
            moments.append(output)

        handle = vae.quant_conv.register_forward_hook(indetail_moments)
        cuda = [devices.device] if devices.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(cuda), devices.without_autocast(), untiled(vae):
                vae.encode(picture.to(devices.device, devices.dtype_vae))
        finally:
            handle.remove()
        return finite(moments[0].chunk(2, dim=1)[0].float() * self.sd_model.scale_factor, VAE)

    @torch.no_grad()
    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return sd_samplers_common.samples_to_images_tensor(latent.to(devices.dtype_vae), 0, self.sd_model).float()

    def text(self, prompt: str, frame: Frame) -> Text:
        """Without extra networks' tags. What the host notes down about textual inversions and emphasis while encoding
        is put back."""
        prompt = first_part(prompt)
        hijack = sd_hijack.model_hijack
        noted = dict(hijack.extra_generation_params), list(hijack.comments)
        try:
            with devices.autocast():
                conditioning = prompt_parser.SdConditioning([prompt], width=frame.width, height=frame.height)
                schedule = prompt_parser.get_learned_conditioning(self.sd_model, conditioning, frame.steps,
                                                                   frame.hires_steps)[0]
        finally:
            hijack.extra_generation_params, hijack.comments = noted
        cond = schedule[0].cond
        if isinstance(cond, dict):
            return {name: value[None] for name, value in cond.items()}
        return cond[None]

    def tokens(self, prompt: str) -> list[Token]:
        return tokens(self.sd_model, first_part(prompt))

    def extra_channels(self, latent: torch.Tensor) -> torch.Tensor | None:
        """What the UNet wants beside the noisy image latent, [1, C', h, w]: of an inpainting model a mask of nothing
        and the picture's own latent, of instruct-pix2pix no picture; None for all others."""
        channels = self.unet.in_channels
        if channels == 9:
            return torch.cat([torch.zeros_like(latent[:, :1]), latent], dim=1)
        return torch.zeros_like(latent) if channels == 8 else None

    def timestep(self, sigma: float) -> float:
        """With the host's quantization a whole number."""
        if not shared.opts.enable_quantization:
            return self.schedule.timestep(sigma)
        return float((self.schedule.log_sigmas - math.log(sigma)).abs().argmin())

    def ready(self) -> contextlib.AbstractContextManager:
        return undisturbed(self.unet)

    def inside(self, text: Text, clean: torch.Tensor) -> RecordPass:
        unet, extra = self.unet, self.extra_channels(clean)
        run = (plain_pass(unet, text["crossattn"], y=text["vector"]) if isinstance(text, dict)
               else plain_pass(unet, text))

        def record(z: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
            fed = z if extra is None else torch.cat([z, extra.to(z)], dim=1)
            with undisturbed(unet):
                return run(fed, timesteps)

        return record

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
        return fingerprint.of_weights(self.sd_model), str(devices.dtype_vae)

    def makes_noise(self) -> Hashable:
        return fingerprint.of_weights(self.sd_model), fingerprint.of_unet(self.sd_model)

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


def first_part(prompt: str) -> str:
    """The first AND part of a prompt, without extra networks' tags."""
    bare, _ = extra_networks.parse_prompt(prompt)
    indexes, parts, _ = prompt_parser.get_multicond_prompt_list([bare])
    return parts[indexes[0][0][0]]
