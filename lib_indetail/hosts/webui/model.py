"""The checkpoint that a WebUI has loaded, as far as all of them answer alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from modules import devices, extra_networks, prompt_parser, sd_hijack, sd_samplers_common, sd_unet, sd_vae
from torch import nn

from lib_indetail.bank.image_branch import RecordPass
from lib_indetail.errors import CannotAct
from lib_indetail.hosts.webui.own_attention import own_attention
from lib_indetail.hosts.webui.prompt_tokens import tokens
from lib_indetail.inversion.passes import for_each
from lib_indetail.noise.finite import VAE, finite
from lib_indetail.run.host import Frame, Text, Token
from lib_indetail.run.unet_kinds import refuse_unet


class WebuiModel:
    """Thin view of an `sd_model`; holds no tensor of its own. Subclasses say how its autoencoder and UNet are run."""

    def __init__(self, sd_model):
        self.sd_model = sd_model

    @property
    def unet(self) -> nn.Module | None:
        return getattr(getattr(self.sd_model, "model", None), "diffusion_model", None)

    def refuse(self) -> None:
        """Raises CannotAct if the model or what stands in its UNet's place cannot be used."""
        refuse_unet(self.unet)
        if getattr(self.sd_model, "depth_model", None) is not None:
            raise CannotAct("a depth model wants a depth map of the image prompt")
        if sd_unet.current_unet is not None:
            raise CannotAct("another UNet is chosen in Settings (SD Unet)")

    @torch.no_grad()
    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """The moments are read where the host's autoencoders compute them."""
        moments: list[torch.Tensor] = []

        def indetail_moments(module, args, output):
            moments.append(output)

        handle = self.sd_model.first_stage_model.quant_conv.register_forward_hook(indetail_moments)
        cuda = [devices.device] if devices.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(cuda):
                self.run_encoder(pictures)
        finally:
            handle.remove()
        return finite(self.scaled(moments[0].chunk(2, dim=1)[0].float()), VAE)

    def run_encoder(self, pictures: torch.Tensor) -> None:
        """The host's own encoding, of which nothing is taken but what it computes on its way."""
        raise NotImplementedError

    def scaled(self, mean: torch.Tensor) -> torch.Tensor:
        """The latent of an autoencoder's mean."""
        raise NotImplementedError

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return sd_samplers_common.samples_to_images_tensor(latents.to(devices.dtype_vae), 0, self.sd_model).float()

    def text(self, prompt: str, frame: Frame) -> Text:
        """Without extra networks' tags."""
        cond = self._encoded(prompt_parser.get_learned_conditioning, first_part(prompt), frame)[0][0].cond
        if isinstance(cond, dict):
            return {name: value[None] for name, value in cond.items()}
        return cond[None]

    def whole_text(self, prompt: str, frame: Frame) -> prompt_parser.MulticondLearnedConditioning:
        """As a sampler is handed it, for all steps, without extra networks' tags."""
        bare, _ = extra_networks.parse_prompt(prompt)
        return self._encoded(prompt_parser.get_multicond_learned_conditioning, bare, frame)

    def _encoded(self, encode: Callable, prompt: str, frame: Frame) -> Any:
        """What the host notes down about textual inversions and emphasis meanwhile is put back."""
        hijack = sd_hijack.model_hijack
        noted = dict(hijack.extra_generation_params), list(hijack.comments)
        try:
            with devices.autocast():
                conditioning = prompt_parser.SdConditioning([prompt], width=frame.width, height=frame.height)
                return encode(self.sd_model, conditioning, frame.steps, frame.hires_steps)
        finally:
            hijack.extra_generation_params, hijack.comments = noted

    def tokens(self, prompt: str) -> list[Token]:
        return tokens(self.sd_model, first_part(prompt))

    def alone(self) -> contextlib.AbstractContextManager:
        """Around calls of the UNet of our own: without what others have put on its layers."""
        return own_attention(self.unet)

    def ready(self) -> contextlib.AbstractContextManager:
        """See `run.host.Model.ready`."""
        return self.alone()

    def inside(self, text: Text, clean: torch.Tensor) -> RecordPass:
        """Past all that stands on the UNet itself, as its own class has it."""
        run = self.fed(partial(type(self.unet).forward, self.unet), text, clean)

        def record(z: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
            with self.alone():
                return run(z, timesteps)

        return record

    def fed(self, unet: Callable[..., torch.Tensor], text: Text, clean: torch.Tensor) -> RecordPass:
        """Calls of `unet` with all that it wants beside the latents: further channels, a text, SDXL's vector."""
        extra = self.extra_channels(clean)
        given = {"context": text["crossattn"], "y": text["vector"]} if isinstance(text, dict) else {"context": text}

        def run(z: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
            z = z.to(self.precision(z))
            rows = {name: for_each(row.to(z), z) for name, row in given.items()}
            full = z if extra is None else torch.cat([z, for_each(extra.to(z), z)], dim=1)
            return unet(full, timesteps, **rows, **self.besides)

        return run

    @property
    def besides(self) -> Mapping[str, Any]:
        """What every call of the UNet brings along."""
        return {}

    def precision(self, z: torch.Tensor) -> torch.dtype:
        """In which the UNet takes latents in a call of its own."""
        return z.dtype

    def extra_channels(self, latent: torch.Tensor) -> torch.Tensor | None:
        """What the UNet wants beside the noisy image latent, [1, C', h, w]: of an inpainting model a mask of nothing
        and the picture's own latent, of instruct-pix2pix no picture; None for all others."""
        channels = self.unet.in_channels
        if channels == 9:
            return torch.cat([torch.zeros_like(latent[:, :1]), latent], dim=1)
        return torch.zeros_like(latent) if channels == 8 else None


def of_weights(sd_model) -> tuple:
    """What a latent and a UNet's answer depend on, as a part of a cache key. Raises CannotAct where the checkpoint's
    file is gone."""
    info = sd_model.sd_checkpoint_info
    return (info.filename, _written(info.filename), info.sha256, sd_model.sd_model_hash, sd_vae.loaded_vae_file,
            getattr(sd_model, "tiling_enabled", sd_hijack.model_hijack.circular_enabled), str(devices.device))


def _written(filename: str) -> tuple[int, int]:
    """When a file was written and its size; it may have been replaced under its name."""
    try:
        state = Path(filename).stat()
    except OSError:
        raise CannotAct(f"the checkpoint's file {Path(filename).name} is not there any more") from None
    return state.st_mtime_ns, state.st_size


def first_part(prompt: str) -> str:
    """The first AND part of a prompt, without extra networks' tags."""
    bare, _ = extra_networks.parse_prompt(prompt)
    indexes, parts, _ = prompt_parser.get_multicond_prompt_list([bare])
    return parts[indexes[0][0][0]]
