"""Several prepared image prompts in one pass: which images read which, from what they are recorded, how they tint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lib_indetail.adain import Tint, tinted
from lib_indetail.algebra import PerToken
from lib_indetail.bank import Memory
from lib_indetail.branches import Branch, RecordPass, branches
from lib_indetail.chain import Chain
from lib_indetail.depth import layer_weights
from lib_indetail.layers import self_attention_layers
from lib_indetail.masks import token_mask, token_shares
from lib_indetail.mixing import shares
from lib_indetail.noise import NoiseSchedule
from lib_indetail.plans import IMAGE, IMAGE_WITHOUT_TEXT, Reader
from lib_indetail.settings import Settings
from lib_indetail.window import FULL_NOISE


@dataclass(frozen=True, eq=False)
class Acting:
    """One image prompt in a pass. `take` [h, w] says how far each cell of its latent may be read (None: all), `put`
    [h, w] where in the new one it acts (None: everywhere), `images` for which of the batch (None: all)."""

    number: int
    settings: Settings
    chain: Chain
    clean: torch.Tensor
    take: torch.Tensor | None = None
    put: torch.Tensor | None = None
    images: frozenset[int] | None = None

    @property
    def banks(self) -> dict[str, str]:
        """What its banks are called beside those of the others, by what they are called alone."""
        return {name: name if self.number == 1 else f"{name} {self.number}" for name in (IMAGE, IMAGE_WITHOUT_TEXT)}

    def reader(self, unet: nn.Module) -> Reader:
        layers = layer_weights(self_attention_layers(unet, self.settings.reading_blocks), self.settings.weight_at)
        return Reader(self.settings, *self.banks.values(), _per_token(self.take),
                      None if self.put is None else token_shares(self.put), self.images, layers)

    def branches(self, passes: Mapping[str, RecordPass], memory: Memory | None,
                 schedule: NoiseSchedule) -> dict[str, Branch]:
        latent_at = latent_at_of(self.chain, self.settings, schedule)
        alone = branches(latent_at, passes, self.settings.reading_blocks, memory)
        return {self.banks[name]: branch for name, branch in alone.items()}


def latent_at_of(chain: Chain, settings: Settings, schedule: NoiseSchedule) -> Callable[[float], torch.Tensor]:
    """sigma -> the latent that is shown to the UNet there: with an offset none noisier than that of the offset."""
    if not settings.inversion_offset:
        return chain.at
    noisiest = schedule.sigma((1 - settings.inversion_offset) * FULL_NOISE)
    return lambda sigma: chain.at(min(sigma, noisiest))


def images_of(place: int, count: int, spread: str, batch: range) -> frozenset[int] | None:
    """For which images of a batch the picture at this place (from 0) of `count` is: numbers within the batch, whose
    own among all images are `batch`; None for all of them."""
    if spread == "all on every image":
        return None
    return frozenset(number for number, image in enumerate(batch)
                     if place == (image % count if spread == "cycled" else image))


def tint_all(latents: torch.Tensor, acting: Sequence[Acting], reference: Callable[[Acting], torch.Tensor],
             amount: Callable[[Settings], float]) -> torch.Tensor:
    """x + sum_i share_i amount_i m_i (adain_i(x) - x) for each image [n, C, h, w] of a batch, towards `reference`
    latents. Pictures of what is not wanted have no part in it."""
    positive = [each for each in acting if each.settings.side == "positive" and amount(each.settings) > 0]
    rows = [[each for each in positive if each.images is None or image in each.images]
            for image in range(len(latents))]
    if all(row == rows[0] for row in rows):
        return _tinted(latents, rows[0], reference, amount)
    return torch.cat([_tinted(latents[i:i + 1], row, reference, amount) for i, row in enumerate(rows)])


def _tinted(latents: torch.Tensor, acting: Sequence[Acting], reference: Callable[[Acting], torch.Tensor],
            amount: Callable[[Settings], float]) -> torch.Tensor:
    parts = shares([each.settings.weight for each in acting])
    return tinted(latents, [Tint(reference(each).to(latents), part * amount(each.settings), _content(each.take),
                                 each.put) for each, part in zip(acting, parts, strict=True)])


def _per_token(take: torch.Tensor | None) -> PerToken | None:
    if take is None:
        return None
    return token_mask(take) if take.dtype == torch.bool else token_shares(take)


def _content(take: torch.Tensor | None) -> torch.Tensor | None:
    """Which cells count as the picture: of a soft mask those that are mostly taken."""
    if take is None or take.dtype == torch.bool:
        return take
    return take >= min(0.5, float(take.max()))
