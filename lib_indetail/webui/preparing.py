"""From a person's picture to a chain, through the caches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from modules import devices
from PIL import Image

from lib_indetail.ahead import banks_read, record_ahead, rows_at_once
from lib_indetail.bank import BankMemory
from lib_indetail.branches import RecordPass
from lib_indetail.cache import Cache
from lib_indetail.chain import Chain
from lib_indetail.image_prompt import ImagePrompt
from lib_indetail.inversion import Inverter, Model
from lib_indetail.layers import self_attention_layers
from lib_indetail.noise import NoiseSchedule
from lib_indetail.passes import image_passes
from lib_indetail.picture import picture_tensor
from lib_indetail.placing import Part, Placed, cell_means, part_of, placed, reading_mask
from lib_indetail.plans import IMAGE, planner
from lib_indetail.preparation import prepare_chain
from lib_indetail.recording import listened
from lib_indetail.request import of_picture
from lib_indetail.settings import Settings
from lib_indetail.several import Acting, latent_at_of
from lib_indetail.store import ChainStore
from lib_indetail.webui import fingerprint
from lib_indetail.webui.guards import undisturbed, untiled
from lib_indetail.webui.memory import free_memory
from lib_indetail.webui.model import HostModel, Text
from lib_indetail.webui.progress import interrupted, inversion_progress, tell
from lib_indetail.window import FULL_NOISE, position

CROP_WARNING = 0.1


@dataclass(frozen=True)
class Wish:
    """What to invert, for one pass: an image prompt (its settings as the pass has them), and the part of it that is
    shown; the text of the pass's first image on its side, size, steps and noise levels; `own` are those of the levels
    at which the checkpoint at hand is sampled. `images` of the batch read it; `output_part` is the part of the output
    mask that the pass makes."""

    image: ImagePrompt
    prompt: str
    width: int
    height: int
    steps: int
    hires_steps: int | None = None
    sigmas: tuple[float, ...] = ()
    own: tuple[float, ...] = ()
    from_noise: bool = True
    part: Part | None = None
    output_part: Part | None = None
    images: frozenset[int] | None = None

    @property
    def settings(self) -> Settings:
        return self.image.settings

    def fitted(self, picture: Image.Image) -> Placed:
        """The picture, or a mask of it, at the size of the pass."""
        return placed(part_of(picture, self.part), self.width, self.height, self.settings.resize)

    @property
    def put(self) -> torch.Tensor | None:
        """The output mask, by latent cell."""
        if self.image.put is None:
            return None
        size = self.width, self.height
        return cell_means(part_of(self.image.put, self.output_part).resize(size, Image.Resampling.BILINEAR))

    def levels(self, schedule: NoiseSchedule) -> list[tuple[float, float]]:
        """The own noise levels and their positions in the pass."""
        first = FULL_NOISE if self.from_noise or not self.sigmas else schedule.timestep(self.sigmas[0])
        return [(sigma, position(schedule.timestep(sigma), first)) for sigma in self.own]


@dataclass(frozen=True, eq=False)
class Reading:
    """How a model reads an image latent: passes that record its banks within its own calls (`passes`) and outside of
    them (`models`), and what is remembered of them."""

    passes: Mapping[str, RecordPass]
    models: Mapping[str, Model]
    memory: BankMemory


@dataclass(frozen=True, eq=False)
class Prepared:
    """An inverted picture, as `wish` has it. `acting` is what it is in the pass; `note` says what it took."""

    acting: Acting
    reading: Reading
    text: Text
    wish: Wish
    note: str


class Preparer:
    """Inverts pictures, and remembers clean latents, chains and banks; chains also on disk."""

    def __init__(self, latents: Cache, chains: Cache, banks: Cache, store: ChainStore):
        self._latents, self._chains, self._banks, self._store = latents, chains, banks, store

    def prepare_all(self, model: HostModel, wishes: Sequence[Wish]) -> list[Prepared]:
        """One after the other; what one of them keeps is not dropped for the next. Raises Interrupted, and what
        `prepare` does, with the number of the picture if there are several."""
        run: set[Hashable] = set()
        prepared = []
        for wish in wishes:
            with of_picture(wish.image.number) if len(wishes) > 1 else contextlib.nullcontext():
                prepared.append(self.prepare(model, wish, run, len(wishes) > 1))
        return prepared

    @torch.no_grad()
    def prepare(self, model: HostModel, wish: Wish, run: set[Hashable] | None = None,
                one_of_several: bool = False) -> Prepared:
        """`run` has the keys of the generation's banks. Raises Interrupted if the person stops it, BadPicture where
        nothing of it is left to read, CannotAct for NaN; nothing of an unfinished inversion is kept."""
        settings, number = wish.settings, wish.image.number
        name = f"image prompt {number}" if one_of_several else "the image prompt"
        fitted = wish.fitted(wish.image.picture)
        take = reading_mask(fitted, wish.image.take and wish.fitted(wish.image.take))
        tell(f"encoding {name}")
        latent = self.clean_latent(model, fitted.picture)
        with_text = self._text(model, settings.text_for(wish.prompt), wish)
        reading = self._reading(model, wish, latent, with_text, set() if run is None else run)
        chain, inverted = self._chain(model, wish, latent, with_text, reading, name)
        read = self._record_ahead(model, wish, chain, reading, name)
        acting = Acting(number, settings, chain, latent, take, wish.put, wish.images)
        return Prepared(acting, reading, with_text, wish, inverted + read + crop_warning(fitted.lost))

    @torch.no_grad()
    def reading_on(self, model: HostModel, prepared: Prepared) -> Reading:
        """How a model that takes over within a pass (a refiner) reads the same chain: with its own text."""
        text = self._text(model, prepared.wish.settings.text_for(prepared.wish.prompt), prepared.wish)
        return self._reading(model, prepared.wish, prepared.acting.clean, text, prepared.reading.memory.run,
                             prepared.acting.chain)

    def _text(self, model: HostModel, text: str, wish: Wish) -> Text:
        return model.text(text, wish.width, wish.height, wish.steps, wish.hires_steps)

    def _reading(self, model: HostModel, wish: Wish, latent: torch.Tensor, text: Text, run: set[Hashable],
                 of_another: Chain | None = None) -> Reading:
        """`of_another` is the chain if another model has made it."""
        without_text = self._text(model, "", wish) if wish.settings.guidance < 1 else text
        texts = text, without_text
        passes = image_passes(wish.settings, *(model.record_pass(each, latent) for each in texts))
        models = image_passes(wish.settings, *(model.inversion_model(each, latent) for each in texts))
        key = fingerprint.of_banks(model, wish.settings, latent, wish.sigmas, *texts)
        return Reading(passes, models,
                       BankMemory(self._banks, (key, of_another and fingerprint.of_latents(of_another)), run))

    def clean_latent(self, model: HostModel, picture: Image.Image) -> torch.Tensor:
        key = fingerprint.of_latent(model, picture)
        latent = self._latents.get(key)
        if latent is None:
            with untiled(model.sd_model.first_stage_model):
                latent = model.encode(picture_tensor(picture)).cpu()
            self._latents.put(key, latent, latent.numel() * latent.element_size())
        return latent.to(devices.device)

    def _chain(self, model: HostModel, wish: Wish, latent: torch.Tensor, text: Text,
               reading: Reading, name: str) -> tuple[Chain, str]:
        """And what it took."""
        settings = wish.settings
        key = fingerprint.of_chain(model, settings, latent, text, wish.sigmas)
        chain = self._chains.get(key)
        if chain is not None:
            return chain.to(devices.device), "the image prompt's inversion was still there"
        chain = self._store.get(key)
        if chain is not None:
            self._chains.put(key, chain, chain.bytes)
            return chain.to(devices.device), "the image prompt's inversion was still there, on disk"
        begun = time.monotonic()
        layers = self_attention_layers(model.unet, settings.reading_blocks)
        with inversion_progress(f"inverting {name}") as report, undisturbed(model.unet), \
                listened(layers, reading.memory, IMAGE) as seen:
            inverter = Inverter(model.schedule, model.prediction, report, interrupted, model.timestep)
            is_record = not settings.inversion_offset and reading.memory.missing(IMAGE, wish.sigmas)
            kept = seen if is_record else None
            chain = prepare_chain(settings, inverter, reading.models[IMAGE], latent, wish.sigmas, kept)
        self._chains.put(key, chain.to("cpu"), chain.bytes)
        self._store.put(key, chain)
        return chain, f"the image prompt was inverted in {time.monotonic() - begun:.1f} s"

    def _record_ahead(self, model: HostModel, wish: Wish, chain: Chain, reading: Reading, name: str) -> str:
        """What the pass will read of the chain and nobody has recorded, as far as there is room to keep it; and what it
        took."""
        wanted = banks_read(planner(wish.settings), wish.levels(model.schedule))

        def absent() -> int:
            return sum(len(reading.memory.absent(bank, sigmas)) for bank, sigmas in wanted.items())

        before, begun = absent(), time.monotonic()
        if any(reading.memory.missing(bank, sigmas) for bank, sigmas in wanted.items()):
            self._record(model, wish, chain, reading, name, wanted)
        left, took = absent(), time.monotonic() - begun
        return (f", and read at {before - left} noise levels in {took:.1f} s" if left < before else "") + (
            f"; there is no room for {left} noise levels, which are read while sampling" if left else "")

    def _record(self, model: HostModel, wish: Wish, chain: Chain, reading: Reading, name: str,
                wanted: Mapping[str, list[float]]) -> None:
        layers = self_attention_layers(model.unet, wish.settings.reading_blocks)
        latent_at = latent_at_of(chain, wish.settings, model.schedule)
        rows = rows_at_once(free_memory(), chain.latents[0], devices.dtype_unet.itemsize)
        with inversion_progress(f"reading {name}") as report, undisturbed(model.unet), contextlib.ExitStack() as stack:
            ears = {bank: stack.enter_context(listened(layers, reading.memory, bank, to_the_end=False))
                    for bank in wanted}
            record_ahead(reading.models, wanted, reading.memory, latent_at, model.timestep, ears.__getitem__, rows,
                         progress=report, interrupted=interrupted)


def crop_warning(lost: float) -> str:
    """What to say of a crop that cuts off this share of the picture; nothing if it is little."""
    return f"; cropping it to shape cuts off {lost:.0%} of it" if lost > CROP_WARNING else ""
