"""How much of a picture each layer reads: weights over the UNet's depth, as presets or as points."""

from __future__ import annotations

from collections.abc import Iterable

from lib_indetail.ask.schedules import Curve, through

PROFILES = {
    "even": "0:1",
    "detail": "0:0, 0.4:0.2, 0.7:1",
    "style": "0:0, 0.25:1, 0.75:1, 1:0.5",
    "structure": "0:1, 0.3:1, 0.6:0",
    "strong": "0:1",
}
"""By name, points of depth and weight. Depth is 0 at the first block that reads and 1 at the last; a decoder's blocks
go from coarse to fine. "strong" lets all blocks of the UNet read, see `Settings.reading_blocks`."""


def profile(label: str, text: str) -> Curve:
    """depth -> weight, both 0 to 1. Raises BadSetting, which names the setting by its label."""
    return through(label, PROFILES.get(text, text), tuple(PROFILES))


def layer_weights(names: Iterable[str], weight_at: Curve) -> dict[str, float]:
    """For layers in the UNet's order the weight of the block that they are in."""
    names = list(names)
    blocks = list(dict.fromkeys(map(_block, names)))
    last = max(1, len(blocks) - 1)
    weights = {block: weight_at(number / last) for number, block in enumerate(blocks)}
    return {name: weights[_block(name)] for name in names}


def _block(name: str) -> str:
    """output_blocks.3 of output_blocks.3.1.transformer_blocks.0.attn1; the middle is one block."""
    first, second, *_ = name.split(".")
    return first if first == "middle_block" else f"{first}.{second}"
