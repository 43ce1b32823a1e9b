"""What a method is: plans for rows at sites, and what these may read beside. A new method is one file with one of these
and the plans that it gives; nothing else has to change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import torch

from lib_indetail.attention.algebra import Plan
from lib_indetail.attention.bias import KeysValues
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site, Where

Text = torch.Tensor | Mapping[str, torch.Tensor]
"""Rows of conditioning: [n, tokens, D], or SDXL's {"crossattn": [n, tokens, D], "vector": [n, V]}."""
TextOf = Callable[[str], Text]
"""Of a prompt, its row at the moment of an evaluation."""
Texts = Callable[[Text, Text | None, TextOf], tuple[Text, Text | None]]
"""Of cond and uncond rows those that stand in their places."""


class Beside(NamedTuple):
    """An image that is sampled with those of a batch: it has the texts and the noise of the image `like`, unless it has
    a `prompt` or a `seed` of its own."""

    like: int = -1
    prompt: str | None = None
    seed: int | None = None


class Method:
    """Does nothing. Subclasses change what they need."""

    where: Sequence[Where] = (Where(),)
    """The sites at which it may have plans."""
    read_rows: Collection[Row] = ()
    """Rows whose keys and values others read (`origins.OfRow`), in their own call or a later one of an evaluation."""
    texts: Mapping[str, torch.Tensor] = {}
    """Text rows [1, tokens, D] by name, of which cross-attention may read (`origins.Text`)."""
    beside: Sequence[Beside] = ()
    """Images that are sampled behind those of a batch. Their rows have the next numbers."""
    rewritten: Callable[[float, Text, Text | None, TextOf], tuple[Text, Text | None]] | None = None
    """Of position `u` and an evaluation's text rows, cond and uncond (None where it has none), those that stand in
    their places; those of other prompts may be asked for. None leaves them."""

    def plan(self, u: float, row: Row, site: Site) -> Plan | None:
        """What such rows have there at position `u`; None for their own attention. Rows that are given the very same
        plan are answered together."""

    def extra(self, site: Site) -> Mapping[str, KeysValues]:
        """Keys and values [1 or rows, tokens, C'] that are given with a site, by name (`origins.Extra`)."""
        return {}

    def started(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Initial unit noise of a pass that begins at this level, [images, C, h, w], those beside among them. It may
        be other noise."""
        return x

    def spread(self, noise: torch.Tensor) -> torch.Tensor:
        """Noise of a sampler's step [images, C, h, w]. It may be other noise."""
        return noise


class Planned(Method):
    """Of a function alone."""

    def __init__(self, plan: Callable[[float, Row, Site], Plan | None], *where: Where):
        self.where = where or (Where(),)
        self._plan = plan

    def plan(self, u: float, row: Row, site: Site) -> Plan | None:
        return self._plan(u, row, site)
