"""Everything that a prepared picture depends on, as a cache key: what differs in one entry must not be reused."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Hashable, Sequence
from pathlib import Path

import torch
from modules import devices, sd_hijack, sd_vae, shared
from PIL import Image

from lib_indetail.chain import Chain
from lib_indetail.preparation import LEVELS_AT_ONCE
from lib_indetail.settings import Settings
from lib_indetail.webui.model import HostModel, Text


def of_latent(model: HostModel, picture: Image.Image) -> Hashable:
    """The key of a picture's clean latent; `picture` is at the generation's size already."""
    pixels = hashlib.sha256(picture.tobytes()).hexdigest()
    return pixels, picture.size, *_weights(model), str(devices.dtype_vae)


def of_banks(model: HostModel, settings: Settings, latent: torch.Tensor, sigmas: Sequence[float],
             *texts: Text) -> Hashable:
    """The key of what the UNet makes of a chain's latents, read with these texts."""
    return (of_chain(model, settings, latent, texts[0], sigmas), settings.reading_blocks,
            settings.inversion_offset, *(_digests(text) for text in texts),
            shared.opts.enable_quantization, shared.opts.upcast_attn)


def of_chain(model: HostModel, settings: Settings, latent: torch.Tensor, text: Text,
             sigmas: Sequence[float] = ()) -> Hashable:
    """The key of a chain. The latent and the conditioning stand for all that made them: picture, crop, size, VAE;
    text, clip skip, emphasis, embeddings, the text encoder's LoRA, SDXL's size values. The nodes of the one-pass kinds
    are `sigmas`."""
    nodes = tuple(sigmas) if settings.inversion in LEVELS_AT_ONCE and sigmas else settings.nodes
    return (settings.inversion, nodes, _digest(latent), _digests(text),
            _digest(model.sd_model.alphas_cumprod), model.prediction, *_weights(model), *_unet_options(model))


def of_latents(chain: Chain) -> Hashable:
    """A chain by its own numbers, where what made it is not the model at hand."""
    return chain.sigmas, tuple(_digest(latent) for latent in chain.latents)


def _weights(model: HostModel) -> tuple[Hashable, ...]:
    info = model.sd_model.sd_checkpoint_info
    return (info.filename, _written(info.filename), info.sha256, model.sd_model.sd_model_hash, sd_vae.loaded_vae_file,
            sd_hijack.model_hijack.circular_enabled, str(devices.device))


def _unet_options(model: HostModel) -> tuple[Hashable, ...]:
    return (_networks(), _hypernetworks(), getattr(model.sd_model, "applied_token_merged_ratio", 0),
            sd_hijack.model_hijack.optimization_method, str(devices.dtype_unet), devices.fp8, _free_u())


def _networks() -> tuple[Hashable, ...]:
    """LoRA and its kin, as the built-in extension has loaded them."""
    loaded = getattr(sys.modules.get("networks"), "loaded_networks", [])
    return tuple((each.name, each.unet_multiplier, each.te_multiplier, each.dyn_dim) for each in loaded)


def _hypernetworks() -> tuple[Hashable, ...]:
    return tuple((each.name, *(layer.multiplier for pair in each.layers.values() for layer in pair))
                 for each in shared.loaded_hypernetworks)


def _free_u() -> str:
    """FreeU keeps its settings in a global and acts in every UNet call."""
    return repr(getattr(sys.modules.get("lib_free_u.global_state"), "instance", None))


def _written(filename: str) -> tuple[int, int]:
    """When a file was written and its size; it may have been replaced under its name."""
    state = Path(filename).stat()
    return state.st_mtime_ns, state.st_size


def _digests(text: Text) -> Hashable:
    rows = sorted(text.items()) if isinstance(text, dict) else [("", text)]
    return tuple((name, _digest(row)) for name, row in rows)


def _digest(tensor: torch.Tensor) -> str:
    """Shape, type and bits."""
    cpu = tensor.detach().cpu().contiguous()
    return f"{tuple(cpu.shape)} {cpu.dtype} " + hashlib.sha256(cpu.view(-1).view(torch.uint8).numpy()).hexdigest()
