"""From a picture's clean latent to a prepared image prompt: invert it, and record ahead what a pass will read."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.bank.ahead import record_ahead, rows_at_once
from lib_indetail.bank.image_branch import RecordPass
from lib_indetail.bank.memory import BankMemory
from lib_indetail.bank.recording import listened
from lib_indetail.inversion.inverter import Inverter
from lib_indetail.inversion.inverter import Model as Noise
from lib_indetail.inversion.kinds import prepare_chain
from lib_indetail.inversion.passes import image_passes
from lib_indetail.kept.cache import Cache
from lib_indetail.methods.plans import IMAGE
from lib_indetail.noise.chain import Chain
from lib_indetail.noise.finite import INVERSION
from lib_indetail.noise.mask import Mask
from lib_indetail.run.host import Host, Model, Text
from lib_indetail.run.needed import levels_read
from lib_indetail.run.prepared import Prepared, shown_at
from lib_indetail.run.wish import Wish

THE_PROMPT = "the image prompt"


@dataclass(frozen=True, eq=False)
class Read:
    """The texts with which a picture is inverted and read: its own one, and the empty one."""

    text: Text
    empty: Text


@dataclass(frozen=True, eq=False)
class Kept:
    """What is there of an image prompt already, with what to say of it."""

    chain: Chain
    note: str


def texts_of(model: Model, wish: Wish) -> Read:
    """As the wish's settings name them; the empty one only where somebody reads it."""
    text = model.text(wish.settings.text_for(wish.text), wish.frame)
    return Read(text, model.text("", wish.frame) if wish.settings.guidance < 1 else text)


def passes_of(model: Model, settings: Settings, latent: torch.Tensor,
              read: Read) -> tuple[Mapping[str, RecordPass], Mapping[str, Noise]]:
    """By bank the passes that show a picture to the UNet: within the host's calls, and outside of them."""
    texts = read.text, read.empty
    return (image_passes(settings, *(model.inside(text, latent) for text in texts)),
            image_passes(settings, *(model.outside(text, latent) for text in texts)))


@torch.no_grad()
def prepare(host: Host, model: Model, wish: Wish, latent: torch.Tensor, read: Read | None = None,
            memory: BankMemory | None = None, kept: Kept | None = None, name: str = THE_PROMPT,
            take: Mask | None = None, keep: Callable[[Chain], None] | None = None) -> Prepared:
    """The wish's image prompt, from its clean latent [1, C, h, w]. `memory` keeps what the pass will read; without one
    it is read while sampling. `keep` is given a finished chain. Raises Interrupted if the person stops it, CannotAct
    for NaN."""
    read = read or texts_of(model, wish)
    inside, outside = passes_of(model, wish.settings, latent, read)
    if kept is None:
        kept = _inverted(host, model, wish, latent, outside, memory, name)
        if keep:
            keep(kept.chain)
    note = kept.note + (_read_ahead(host, model, wish, kept.chain, outside, memory, name) if memory else "")
    levels = wish.levels(model.schedule)
    return Prepared(wish.settings, kept.chain, latent, inside, outside, memory, levels, wish.number, take, wish.put,
                    wish.images, note)


def _inverted(host: Host, model: Model, wish: Wish, latent: torch.Tensor, outside: Mapping[str, Noise],
              memory: BankMemory | None, name: str) -> Kept:
    settings, begun = wish.settings, time.monotonic()
    layers = self_attention_layers(model.unet, settings.reading_blocks)
    memory = memory or BankMemory(Cache(lambda: 0), None)
    levels, nodes = wish.levels(model.schedule), wish.nodes(model.schedule)
    recorded = levels.recorded if levels else nodes
    with host.progress(f"inverting {name}") as report, model.ready(), \
            listened(layers, memory, IMAGE, of=recorded, stage=INVERSION) as hearing:
        inverter = Inverter(model.schedule, model.prediction, report, host.interrupted, model.timestep)
        records = not settings.inversion_offset and memory.missing(IMAGE, recorded)
        chain = prepare_chain(settings, inverter, outside[IMAGE], latent, nodes, hearing if records else None)
    return Kept(chain, f"{THE_PROMPT} was inverted in {time.monotonic() - begun:.1f} s")


def _read_ahead(host: Host, model: Model, wish: Wish, chain: Chain, outside: Mapping[str, Noise], memory: BankMemory,
                name: str) -> str:
    """What the pass will read of the chain and nobody has recorded, as far as there is room to keep it. In words."""
    wanted = levels_read(model, wish)

    def absent() -> int:
        return sum(len(memory.absent(bank, sigmas)) for bank, sigmas in wanted.items())

    before, begun = absent(), time.monotonic()
    if any(memory.missing(bank, sigmas) for bank, sigmas in wanted.items()):
        _record(host, model, wish, chain, outside, memory, name, wanted)
    left, took = absent(), time.monotonic() - begun
    return (f", and read at {before - left} noise levels in {took:.1f} s" if left < before else "") + (
        f"; there is no room for {left} noise levels, which are read while sampling" if left else "")


def _record(host: Host, model: Model, wish: Wish, chain: Chain, outside: Mapping[str, Noise], memory: BankMemory,
            name: str, wanted: Mapping[str, list[float]]) -> None:
    layers = self_attention_layers(model.unet, wish.settings.reading_blocks)
    latent_at = shown_at(chain, wish.settings, model.schedule)
    rows = rows_at_once(host.free_memory(), chain.latents[0], model.dtype.itemsize)
    with host.progress(f"reading {name}") as report, model.ready(), contextlib.ExitStack() as stack:
        ears = {bank: stack.enter_context(listened(layers, memory, bank, to_the_end=False)) for bank in wanted}
        record_ahead(outside, wanted, memory, latent_at, model.timestep, ears.__getitem__, rows,
                     progress=report, interrupted=host.interrupted)
