"""From a person's picture to a chain, through the caches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from modules import devices
from PIL import Image

from lib_indetail.bank import BankMemory
from lib_indetail.cache import Cache
from lib_indetail.chain import Chain
from lib_indetail.inversion import Inverter
from lib_indetail.layers import self_attention_layers
from lib_indetail.passes import image_passes
from lib_indetail.picture import picture_tensor, placed
from lib_indetail.plans import IMAGE
from lib_indetail.preparation import prepare_chain
from lib_indetail.recording import RecordPass, listened
from lib_indetail.settings import Settings
from lib_indetail.store import ChainStore
from lib_indetail.webui import fingerprint
from lib_indetail.webui.guards import undisturbed, untiled
from lib_indetail.webui.model import HostModel, Text
from lib_indetail.webui.progress import interrupted, inversion_progress

CROP_WARNING = 0.1


@dataclass(frozen=True)
class Wish:
    """What to invert, for one pass: the prompt of its first picture, its size, its steps and its noise levels."""

    picture: Image.Image
    settings: Settings
    prompt: str
    width: int
    height: int
    steps: int
    hires_steps: int | None = None
    sigmas: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Reading:
    """How a model reads an image latent: passes that record its banks, and what is remembered of them."""

    passes: Mapping[str, RecordPass]
    memory: BankMemory


@dataclass(frozen=True, eq=False)
class Prepared:
    """An inverted picture, as `wish` has it. `content` says which latent cells are no padding (None: all); `clean` is
    its latent before any noise; `note` says what it took."""

    chain: Chain
    reading: Reading
    content: torch.Tensor | None
    clean: torch.Tensor
    text: Text
    wish: Wish
    note: str


class Preparer:
    """Inverts pictures, and remembers clean latents, chains and banks; chains also on disk."""

    def __init__(self, latents: Cache, chains: Cache, banks: Cache, store: ChainStore):
        self._latents, self._chains, self._banks, self._store = latents, chains, banks, store

    @torch.no_grad()
    def prepare(self, model: HostModel, wish: Wish) -> Prepared:
        """Raises Interrupted if the person stops it; nothing of a stopped inversion is kept."""
        settings = wish.settings
        fitted = placed(wish.picture, wish.width, wish.height, settings.resize)
        latent = self.clean_latent(model, fitted.picture)
        with_text = self._text(model, settings.text_for(wish.prompt), wish)
        reading = self._reading(model, wish, latent, with_text)
        chain, note = self._chain(model, wish, latent, with_text, reading.memory)
        return Prepared(chain, reading, fitted.content(), latent, with_text, wish, note + crop_warning(fitted.lost))

    @torch.no_grad()
    def reading_on(self, model: HostModel, prepared: Prepared) -> Reading:
        """How a model that takes over within a pass (a refiner) reads the same chain: with its own text."""
        text = self._text(model, prepared.wish.settings.text_for(prepared.wish.prompt), prepared.wish)
        return self._reading(model, prepared.wish, prepared.clean, text, prepared.chain)

    def _text(self, model: HostModel, text: str, wish: Wish) -> Text:
        return model.text(text, wish.width, wish.height, wish.steps, wish.hires_steps)

    def _reading(self, model: HostModel, wish: Wish, latent: torch.Tensor, text: Text,
                 of_another: Chain | None = None) -> Reading:
        """`of_another` is the chain if another model has made it."""
        without_text = self._text(model, "", wish) if wish.settings.guidance < 1 else text
        passes = image_passes(wish.settings, model.record_pass(text, latent), model.record_pass(without_text, latent))
        key = fingerprint.of_banks(model, wish.settings, latent, wish.sigmas, text, without_text)
        return Reading(passes, BankMemory(self._banks, (key, of_another and fingerprint.of_latents(of_another))))

    def clean_latent(self, model: HostModel, picture: Image.Image) -> torch.Tensor:
        key = fingerprint.of_latent(model, picture)
        latent = self._latents.get(key)
        if latent is None:
            with untiled(model.sd_model.first_stage_model):
                latent = model.encode(picture_tensor(picture)).cpu()
            self._latents.put(key, latent, latent.numel() * latent.element_size())
        return latent.to(devices.device)

    def _chain(self, model: HostModel, wish: Wish, latent: torch.Tensor, text: Text,
               memory: BankMemory) -> tuple[Chain, str]:
        settings = wish.settings
        key = fingerprint.of_chain(model, settings, latent, text, wish.sigmas)
        chain = self._chains.get(key)
        if chain is not None:
            return chain.to(devices.device), "the picture's inversion was still there"
        chain = self._store.get(key)
        if chain is not None:
            self._chains.put(key, chain, chain.bytes)
            return chain.to(devices.device), "the picture's inversion was still there, on disk"
        begun = time.monotonic()
        layers = self_attention_layers(model.unet, settings.blocks)
        with inversion_progress() as report, undisturbed(model.unet), listened(layers, memory, IMAGE) as seen:
            inverter = Inverter(model.schedule, model.prediction, report, interrupted)
            chain = prepare_chain(settings, inverter, model.inversion_model(text, latent), latent, wish.sigmas, seen)
        self._chains.put(key, chain.to("cpu"), chain.bytes)
        self._store.put(key, chain)
        return chain, f"the picture was inverted in {time.monotonic() - begun:.1f} s"


def crop_warning(lost: float) -> str:
    """What to say of a crop that cuts off this share of the picture; nothing if it is little."""
    return f"; cropping it to shape cuts off {lost:.0%} of it" if lost > CROP_WARNING else ""
