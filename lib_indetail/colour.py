"""Colour match: the pictures' channel statistics on what is predicted, in the first part of sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib_indetail.finite import COLOUR_MATCH, still_finite
from lib_indetail.several import Acting, tint_all
from lib_indetail.window import Window


@dataclass(frozen=True, eq=False)
class Colour:
    """x0 + sum_i share_i s_i c_i m_i (adain(x0, picture i) - x0) up to position `until`, with c_i its colour match."""

    acting: Sequence[Acting]
    until: float

    def acts(self, u: float) -> bool:
        return u in Window(0.0, self.until) and any(each.settings.colour_match > 0 for each in self.acting)

    def matched(self, clean: torch.Tensor, u: float, where: torch.Tensor | None = None) -> torch.Tensor:
        """Predicted clean latents [n, C, h, w], of every image of the batch; only `where` is 1, if it is given."""
        matched = tint_all(clean, self.acting, lambda each: each.clean,
                           lambda settings: settings.strength_at(u) * settings.colour_match)
        return still_finite(clean, matched if where is None else clean + (matched - clean) * where, COLOUR_MATCH)

    def on_noise(self, z: torch.Tensor, noise: torch.Tensor, sigma: float, u: float,
                 where: torch.Tensor | None = None) -> torch.Tensor:
        """The same for predicted noise (eps) of variance-preserving latents z."""
        scaled = z * (1 + sigma**2) ** 0.5
        return (scaled - self.matched(scaled - sigma * noise, u, where)) / sigma
