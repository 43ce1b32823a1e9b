"""From a person's picture to a prepared image prompt, through the caches."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Hashable, Sequence
from functools import partial

import torch
from PIL import Image

from lib_indetail.ask.request import of_picture
from lib_indetail.bank.memory import BankMemory
from lib_indetail.kept.cache import Cache
from lib_indetail.kept.chain_files import ChainStore
from lib_indetail.noise.chain import Chain
from lib_indetail.pictures.convert import picture_tensor
from lib_indetail.pictures.placing import reading_mask
from lib_indetail.run import cache_keys
from lib_indetail.run.host import Host, Model
from lib_indetail.run.preparation import THE_PROMPT, Kept, Read, passes_of, prepare, texts_of
from lib_indetail.run.prepared import Prepared
from lib_indetail.run.wish import Wish
from lib_indetail.run.wishes import Pictured

CROP_WARNING = 0.1


class Preparer:
    """Inverts pictures, and remembers clean latents, chains and banks; chains also on disk."""

    def __init__(self, host: Host, latents: Cache, chains: Cache, banks: Cache, store: ChainStore):
        self._host = host
        self._latents, self._chains, self._banks, self._store = latents, chains, banks, store

    def prepare_all(self, model: Model, wishes: Sequence[Pictured]) -> list[Prepared]:
        """One after the other; what one of them keeps is not dropped for the next. Raises Interrupted, and what
        `prepare` does, with the number of the image prompt if there are several."""
        run: set[Hashable] = set()
        prepared = []
        for wish in wishes:
            several = len(wishes) > 1
            with of_picture(wish.number) if several else contextlib.nullcontext():
                prepared.append(self.prepare(model, wish, run, several))
        return prepared

    @torch.no_grad()
    def prepare(self, model: Model, wish: Pictured, run: set[Hashable] | None = None,
                one_of_several: bool = False) -> Prepared:
        """`run` has the keys of the generation's banks. Raises BadPicture where nothing of it is left to read, and what
        `run.prepare` does."""
        name = f"image prompt {wish.number}" if one_of_several else THE_PROMPT
        fitted = wish.fitted(wish.prompt.picture)
        take = reading_mask(fitted, wish.prompt.take and wish.fitted(wish.prompt.take))
        self._host.tell(f"encoding {name}")
        latent, read = self.clean_latent(model, fitted.picture), texts_of(model, wish)
        memory = self._memory(model, wish, latent, read, set() if run is None else run)
        key = cache_keys.of_chain(model, wish.settings, latent, read.text, wish.nodes(model.schedule))
        prepared = prepare(self._host, model, wish, latent, read, memory, self._kept(model, key), name, take,
                           partial(self._keep, key))
        return dataclasses.replace(prepared, note=prepared.note + crop_warning(fitted.lost))

    @torch.no_grad()
    def on_another(self, model: Model, prepared: Prepared, wish: Wish) -> Prepared:
        """The same for a model that takes over within a pass (a refiner): it reads the same chain with its own
        texts."""
        read = texts_of(model, wish)
        memory = self._memory(model, wish, prepared.clean, read, prepared.memory.run, prepared.chain)
        inside, outside = passes_of(model, wish.settings, prepared.clean, read)
        return dataclasses.replace(prepared, passes=inside, outside=outside, memory=memory)

    def clean_latent(self, model: Model, picture: Image.Image) -> torch.Tensor:
        key = cache_keys.of_latent(model, picture)
        latent = self._latents.get(key)
        if latent is None:
            latent = model.encode(picture_tensor(picture)).cpu()
            self._latents.put(key, latent, latent.numel() * latent.element_size())
        return latent.to(model.device)

    def _memory(self, model: Model, wish: Wish, latent: torch.Tensor, read: Read, run: set[Hashable],
                of_another: Chain | None = None) -> BankMemory:
        """`of_another` is the chain if another model has made it."""
        key = cache_keys.of_banks(model, wish.settings, latent, wish.nodes(model.schedule), read.text, read.empty)
        return BankMemory(self._banks, (key, of_another and cache_keys.of_latents(of_another)), run)

    def _kept(self, model: Model, key: Hashable) -> Kept | None:
        chain = self._chains.get(key)
        if chain is not None:
            return Kept(chain.to(model.device), f"{THE_PROMPT}'s inversion was still there")
        chain = self._store.get(key)
        if chain is None:
            return None
        self._chains.put(key, chain, chain.bytes)
        return Kept(chain.to(model.device), f"{THE_PROMPT}'s inversion was still there, on disk")

    def _keep(self, key: Hashable, chain: Chain) -> None:
        self._chains.put(key, chain.to("cpu"), chain.bytes)
        self._store.put(key, chain)


def crop_warning(lost: float, what: str = "it") -> str:
    """What to say of a crop that cuts off this share of the picture; nothing if it is little."""
    return f"; cropping {what} to shape cuts off {lost:.0%} of it" if lost > CROP_WARNING else ""
