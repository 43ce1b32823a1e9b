"""Everything that a prepared image prompt depends on, as cache keys: what differs in one entry must not be reused."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence

import torch
from PIL import Image

from lib_indetail.ask.settings import Settings
from lib_indetail.inversion.kinds import LEVELS_AT_ONCE
from lib_indetail.noise.chain import Chain
from lib_indetail.run.host import Model, Text


def of_latent(model: Model, picture: Image.Image) -> Hashable:
    """The key of a picture's clean latent; `picture` is at the generation's size already."""
    return hashlib.sha256(picture.tobytes()).hexdigest(), picture.size, model.makes_latents()


def of_chain(model: Model, settings: Settings, latent: torch.Tensor, text: Text,
             sigmas: Sequence[float] = ()) -> Hashable:
    """The key of a chain. The latent and the conditioning stand for all that made them: picture, crop, size, VAE;
    text, clip skip, emphasis, embeddings, the text encoder's LoRA, SDXL's size values. The nodes of the one-pass kinds
    are `sigmas`."""
    nodes = tuple(sigmas) if settings.inversion in LEVELS_AT_ONCE and sigmas else settings.nodes
    return (settings.inversion, nodes, digest(latent), digests(text), model.schedule.identity,
            model.prediction, model.makes_noise())


def of_banks(model: Model, settings: Settings, latent: torch.Tensor, sigmas: Sequence[float],
             *texts: Text) -> Hashable:
    """The key of what the UNet makes of a chain's latents, read with these texts."""
    return (of_chain(model, settings, latent, texts[0], sigmas), settings.reading_blocks, settings.inversion_offset,
            *(digests(text) for text in texts), model.makes_records())


def of_latents(chain: Chain) -> Hashable:
    """A chain by its own numbers, where what made it is not the model at hand."""
    return chain.sigmas, tuple(digest(latent) for latent in chain.latents)


def digests(text: Text) -> Hashable:
    rows = sorted(text.items()) if isinstance(text, Mapping) else [("", text)]
    return tuple((name, digest(row)) for name, row in rows)


def digest(tensor: torch.Tensor) -> str:
    """Shape, type and bits."""
    cpu = tensor.detach().cpu().contiguous()
    return f"{tuple(cpu.shape)} {cpu.dtype} " + hashlib.sha256(cpu.view(-1).view(torch.uint8).numpy()).hexdigest()
