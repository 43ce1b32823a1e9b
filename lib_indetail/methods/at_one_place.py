"""Each image of a batch at a place of its strip, without the ends beside it: second passes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lib_indetail.attention.algebra import Mixture, Plan
from lib_indetail.attention.method import Method, Text, TextOf
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site
from lib_indetail.methods.interpolation import Way, blended, instead


class AtOnePlace(Method):
    """Attention is that of the method `main`. Texts are at `places` of the way to that of the prompt `end` (None: the
    own one), or a `guide`'s between both ends; either all images are ends or none is."""

    def __init__(self, main: Method, places: Sequence[float], end: str | None = None, guide: str | None = None,
                 blend: Way = torch.lerp):
        self._main, self._blend = main, blend
        self.where = main.where
        is_guided = guide is not None and all(0 < t < 1 for t in places)
        self._other, self._amounts = (guide, [1.0] * len(places)) if is_guided else (end, places)

    def plan(self, u: float, row: Row, site: Site) -> Plan | Mixture | None:
        return self._main.plan(u, row, site)

    def rewritten(self, u: float, cond: Text, uncond: Text | None, text_of: TextOf) -> tuple[Text, Text | None]:
        if self._other is None or not any(self._amounts):
            return cond, uncond
        if all(amount == 1 for amount in self._amounts):
            return instead(cond, text_of(self._other)), uncond
        return blended(cond, text_of(self._other), self._amounts, self._blend), uncond
