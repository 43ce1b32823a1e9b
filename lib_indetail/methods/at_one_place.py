"""All images of a batch at one place of their strips, without their ends beside them: second passes."""

from __future__ import annotations

import torch

from lib_indetail.attention.algebra import Mixture, Plan
from lib_indetail.attention.method import Method, Text, TextOf
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site
from lib_indetail.methods.interpolation import Way, blended


class AtOnePlace(Method):
    """Attention is that of the method `main`. Texts are at `t` of the way to that of the prompt `end` (None: the own
    one), or a `guide`'s between both ends."""

    def __init__(self, main: Method, t: float, end: str | None = None, guide: str | None = None,
                 blend: Way = torch.lerp):
        self._main, self._t, self._blend = main, t, blend
        self.where = main.where
        is_guided = guide is not None and 0 < t < 1
        self._other, self._amount = (guide, 1.0) if is_guided else (end, t)

    def plan(self, u: float, row: Row, site: Site) -> Plan | Mixture | None:
        return self._main.plan(u, row, site)

    def rewritten(self, u: float, cond: Text, uncond: Text | None, text_of: TextOf) -> tuple[Text, Text | None]:
        if self._other is None or not self._amount:
            return cond, uncond
        return blended(cond, text_of(self._other), self._amount, self._blend), uncond
