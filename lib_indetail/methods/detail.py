"""Detail: predicted clean latents are drawn towards the pictures' own patches, so that their geometry comes over.

x0 + w (vote(x0) - x0) after guidance, with w = sum_i share_i s_i(u) d_i(u) m_i and d_i the setting Detail of picture i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.methods.mixing import shares
from lib_indetail.methods.patches import Exemplar, Term, drawn
from lib_indetail.methods.tint import Tinting
from lib_indetail.noise.finite import DETAIL, still_finite
from lib_indetail.noise.window import Window

FROM = 0.2
"""Before, the shape has not settled."""
UNTIL = 0.8
"""After it the network alone: it gives shapes their outlines back, and keeps the pattern that it has found."""
TERM = Term()


@dataclass(frozen=True, eq=False)
class Detail:
    """Of a batch; `term`, `start` and `until` are what was found best (docs/evidence.md)."""

    prepared: Sequence[Tinting]
    term: Term = TERM
    start: float = FROM
    until: float = UNTIL

    def acts(self, u: float) -> bool:
        return any(self._amount(each.settings, u) > 0 for each in self.prepared)

    def drawn(self, clean: torch.Tensor, u: float) -> torch.Tensor:
        """Predicted clean latents [n, C, h, w], of every image of the batch."""
        acting = [each for each in self.prepared if self._amount(each.settings, u) > 0]
        of_rows = [[each for each in acting if each.images is None or row in each.images] for row in range(len(clean))]
        if all(each == of_rows[0] for each in of_rows):
            changed = self._drawn(clean, of_rows[0], u)
        else:
            changed = torch.cat([self._drawn(clean[row:row + 1], each, u) for row, each in enumerate(of_rows)])
        return still_finite(clean, changed, DETAIL)

    def _drawn(self, clean: torch.Tensor, prepared: Sequence[Tinting], u: float) -> torch.Tensor:
        parts = shares([each.settings.weight for each in prepared])
        return drawn(clean, [Exemplar(each.clean, part * self._amount(each.settings, u),
                                      None if each.take is None else each.take.values, each.put)
                             for each, part in zip(prepared, parts, strict=True)], self.term)

    def _amount(self, settings: Settings, u: float) -> float:
        window = Window(max(self.start, settings.start), min(self.until, settings.end))
        if settings.side == "negative" or not settings.detail or u not in window:
            return 0.0
        return settings.strength_at(u) * settings.detail_at(u)
