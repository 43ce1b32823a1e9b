"""Reads and writes the embedded checkpoint: normal Stable Diffusion files, fp16 safetensors in LDM key layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from embedded.control import ControlNet
from embedded.files import CHECKPOINT, CONTROL, JUDGE, WEIGHTS, stored_scale
from embedded.judge import Judge
from embedded.model import AutoencoderKL, build_unet
from embedded.schedule import alphas_cumprod
from embedded.text import TextEncoder
from lib_indetail.noise.schedule import NoiseSchedule

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."


@dataclass(eq=False)
class LatentDiffusion:
    """A checkpoint in use. `prediction` is "eps" or "v"; latents are scaled by `scale` (posterior mean x scale)."""

    unet: nn.Module
    vae: AutoencoderKL
    schedule: NoiseSchedule
    scale: float
    text: TextEncoder | None = None
    prediction: str = "eps"

    @torch.no_grad()
    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [n, 3, H, W] in -1..1 -> clean latents [n, 4, H/8, W/8], the posterior's mean."""
        return self.vae.encode(pictures).mode() * self.scale

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.vae.decode(latents / self.scale)


def save_all(unet: nn.Module, text: TextEncoder, vae: AutoencoderKL, control: ControlNet, judge: Judge,
             scale: float) -> None:
    """Write the three files of the embedded model. The latent scale travels in the checkpoint's metadata."""
    WEIGHTS.mkdir(exist_ok=True)
    save_weights(weights_of(unet, text, vae), CHECKPOINT, {"scale_factor": repr(scale)})
    save_weights(control_weights(control), CONTROL)
    save_weights(halved(judge), JUDGE)


def weights_of(unet: nn.Module, text: TextEncoder, vae: AutoencoderKL) -> dict[str, torch.Tensor]:
    """As a Stable Diffusion checkpoint names them, in half precision."""
    parts = {UNET_PREFIX: unet, VAE_PREFIX: vae, TEXT_PREFIX: text.transformer}
    weights = {prefix + _with_text_model(prefix, key): value
               for prefix, module in parts.items() for key, value in module.state_dict().items()}
    weights = {key: value.half() for key, value in weights.items() if value.is_floating_point()}
    return {**weights, "alphas_cumprod": alphas_cumprod()}


def control_weights(control: ControlNet) -> dict[str, torch.Tensor]:
    """As the ControlNet extension names them."""
    return {f"control_model.{key}": value for key, value in halved(control).items()}


def halved(module: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.half() for key, value in module.state_dict().items()}


def load_model(path: Path = CHECKPOINT, *, scale: float | None = None, with_text: bool = True,
               unet: dict | None = None, vae: dict | None = None) -> LatentDiffusion:
    """Load an LDM checkpoint into fp32. `unet` and `vae` are changes to the embedded model's sizes."""
    weights = load_file(path)
    built = build_unet(**(unet or {})), AutoencoderKL(**(vae or {}))
    for module, prefix in zip(built, (UNET_PREFIX, VAE_PREFIX), strict=False):
        module.load_state_dict(_under(weights, prefix))
    text = None
    if with_text:
        text = TextEncoder()
        _load_text(text.transformer, _under(weights, TEXT_PREFIX))
    schedule = NoiseSchedule(weights["alphas_cumprod"].float())
    scale = scale if scale is not None else stored_scale(path)
    return LatentDiffusion(*(m.eval().requires_grad_(False) for m in built), schedule, scale,
                           text.eval().requires_grad_(False) if text else None)


def load_control(path: Path = CONTROL, **changes) -> ControlNet:
    control = ControlNet(**changes)
    control.load_state_dict(_under(load_file(path), "control_model."))
    return control.eval().requires_grad_(False)


def load_judge(path: Path = JUDGE) -> Judge:
    judge = Judge()
    judge.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    return judge.eval().requires_grad_(False)


def _under(weights: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key[len(prefix):]: value.float() for key, value in weights.items() if key.startswith(prefix)}


def _with_text_model(prefix: str, key: str) -> str:
    """Newer transformers name the text model's weights without their `text_model.` prefix; files keep it."""
    return key if prefix != TEXT_PREFIX or key.startswith("text_model.") else f"text_model.{key}"


def _load_text(transformer: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    prefixed = any(key.startswith("text_model.") for key in transformer.state_dict())
    wanted = weights if prefixed else {key.removeprefix("text_model."): value for key, value in weights.items()}
    missing, _ = transformer.load_state_dict(wanted, strict=False)
    lacking = [key for key in missing if not key.endswith("position_ids")]
    if lacking:
        raise ValueError(f"the checkpoint lacks text weights: {', '.join(lacking[:3])}.")


def save_weights(weights: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    save_file({key: value.cpu().contiguous() for key, value in weights.items()}, path, metadata)
