"""Sites: each attention of each block of a model, and where its tokens lie."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

Kind = Literal["self", "cross", "joint"]
_HALVINGS = 6

Grid = tuple[int, int]
"""Height and width, in tokens."""


class Site(NamedTuple):
    """One attention. `kind` says whose keys it reads: the image's own, a text's, or both in one softmax."""

    name: str
    kind: Kind = "self"


BLOCKS = {
    "decoder": ("output_blocks.",),
    "middle and decoder": ("middle_block.", "output_blocks."),
    "all": ("input_blocks.", "middle_block.", "output_blocks."),
}
"""Of models of ldm or sgm structure, by the beginnings of their sites' names."""


class Where(NamedTuple):
    """Which sites: of a kind, in the named blocks, or those whose names begin so."""

    kind: Kind = "self"
    blocks: str = "decoder"

    def has(self, site: Site) -> bool:
        return site.kind == self.kind and site.name.startswith(BLOCKS.get(self.blocks, self.blocks))


class Tokens(NamedTuple):
    """So many tokens. The last of them lie on a grid, row by row, behind `lead` tokens of a text; without a grid nobody
    knows where they lie (a text, or somebody has merged them), and a mask counts by its mean."""

    count: int
    grid: Grid | None = None
    lead: int = 0


@lru_cache(maxsize=256)
def laid(count: int, cells: Grid | None, lead: int = 0) -> Tokens:
    """So many tokens of an image, behind `lead` of a text, where a model is called on `cells`: they lie on those or on
    a halving of them, as convolutions of stride 2 round."""
    if cells is None or not lead <= count:
        return Tokens(count)
    height, width = cells
    for _ in range(_HALVINGS):
        if height * width == count - lead:
            return Tokens(count, (height, width), lead)
        height, width = (height + 1) // 2, (width + 1) // 2
    return Tokens(count, None, lead)
