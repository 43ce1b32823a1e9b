"""Colour match: the pictures' channel statistics on what is predicted, in the first part of sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib_indetail.methods.tint import Tinting, tint_all
from lib_indetail.noise.finite import COLOUR_MATCH, still_finite
from lib_indetail.noise.window import Window


@dataclass(frozen=True, eq=False)
class Colour:
    """x0 + sum_i share_i s_i c_i m_i (adain(x0, picture i) - x0) up to position `until`, with c_i its colour match."""

    prepared: Sequence[Tinting]
    until: float

    def acts(self, u: float) -> bool:
        return u in Window(0.0, self.until) and any(each.settings.colour_match > 0 for each in self.prepared)

    def matched(self, clean: torch.Tensor, u: float) -> torch.Tensor:
        """Predicted clean latents [n, C, h, w], of every image of the batch."""
        matched = tint_all(clean, self.prepared, lambda each: each.clean,
                           lambda settings: settings.strength_at(u) * settings.colour_match)
        return still_finite(clean, matched, COLOUR_MATCH)
