"""One prepared image prompt: all that a pass needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from lib_indetail.ask.depth import layer_weights
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.attention.masks import per_token, token_means
from lib_indetail.bank.image_branch import Branch, RecordPass, branches
from lib_indetail.bank.levels import Levels
from lib_indetail.bank.memory import Memory
from lib_indetail.inversion.inverter import Model as Noise
from lib_indetail.methods.plans import IMAGE, IMAGE_WITHOUT_TEXT, Reader
from lib_indetail.noise.chain import Chain
from lib_indetail.noise.mask import Mask
from lib_indetail.noise.schedule import Schedule
from lib_indetail.noise.window import FULL_NOISE
from lib_indetail.run.host import Model


@dataclass(frozen=True, eq=False)
class Prepared:
    """An inverted picture. `chain` are its noised latents and `clean` the one that they began with, [1, C, h, w];
    `passes` show one of them to the UNet within a call of the host's, by bank, and `outside` out of one; `memory` keeps
    what was recorded; `levels` are those that are, where not all are that are sampled.
    `take` says how far each cell may be read (None: all), `put` [h, w] where in the new image it acts (None:
    everywhere), `images` for which images of the batch (None: all). `note` says what it took."""

    settings: Settings
    chain: Chain
    clean: torch.Tensor
    passes: Mapping[str, RecordPass]
    outside: Mapping[str, Noise]
    memory: Memory | None = None
    levels: Levels | None = None
    number: int = 1
    take: Mask | None = None
    put: torch.Tensor | None = None
    images: frozenset[int] | None = None
    note: str = ""

    @property
    def banks(self) -> dict[str, str]:
        """What its banks are called beside those of the others, by what they are called alone."""
        return {name: name if self.number == 1 else f"{name} {self.number}" for name in (IMAGE, IMAGE_WITHOUT_TEXT)}

    def reader(self, unet: nn.Module) -> Reader:
        """How rows read it."""
        weights = layer_weights(self_attention_layers(unet, self.settings.reading_blocks), self.settings.weight_at)
        return Reader(self.settings, *self.banks.values(), self.take and per_token(self.take),
                      None if self.put is None else token_means(self.put), self.images, weights)

    def branches(self, model: Model) -> dict[str, Branch]:
        """How its banks are recorded, by what they are called beside the others."""
        latent_at = shown_at(self.chain, self.settings, model.schedule)
        alone = branches(latent_at, self.passes, self.settings.reading_blocks, self.memory, self.levels,
                         model.timestep)
        return {self.banks[name]: branch for name, branch in alone.items()}


def shown_at(chain: Chain, settings: Settings, schedule: Schedule) -> Callable[[float], torch.Tensor]:
    """sigma -> the latent that is shown to the UNet there: with an offset none noisier than that of the offset."""
    shown = chain.shown(schedule)
    if not settings.inversion_offset:
        return shown
    noisiest = schedule.sigma((1 - settings.inversion_offset) * FULL_NOISE)
    return lambda sigma: shown(min(sigma, noisiest))
