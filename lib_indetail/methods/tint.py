"""AdaIN by several pictures at once, of each image of a batch for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.methods.mixing import shares
from lib_indetail.noise.adain import Tint, tinted
from lib_indetail.noise.mask import Mask


class Tinting(Protocol):
    """Of a prepared image prompt what tints: see `run.prepared.Prepared`."""

    settings: Settings
    take: Mask | None
    put: torch.Tensor | None
    images: frozenset[int] | None


def tint_all(latents: torch.Tensor, prepared: Sequence[Tinting], reference: Callable[[Tinting], torch.Tensor],
             amount: Callable[[Settings], float]) -> torch.Tensor:
    """x + sum_i share_i amount_i m_i (adain_i(x) - x) for each image [n, C, h, w] of a batch, towards `reference`
    latents. Pictures of what is not wanted have no part in it."""
    positive = [each for each in prepared if each.settings.side == "positive" and amount(each.settings) > 0]
    of_rows = [[each for each in positive if each.images is None or row in each.images]
               for row in range(len(latents))]
    if all(each == of_rows[0] for each in of_rows):
        return _tinted(latents, of_rows[0], reference, amount)
    return torch.cat([_tinted(latents[row:row + 1], each, reference, amount) for row, each in enumerate(of_rows)])


def _tinted(latents: torch.Tensor, prepared: Sequence[Tinting], reference: Callable[[Tinting], torch.Tensor],
            amount: Callable[[Settings], float]) -> torch.Tensor:
    parts = shares([each.settings.weight for each in prepared])
    return tinted(latents, [Tint(reference(each).to(latents), part * amount(each.settings),
                                 None if each.take is None else each.take.cells, each.put)
                            for each, part in zip(prepared, parts, strict=True)])
