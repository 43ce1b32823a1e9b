"""How few noise levels serve all: what is measured for the default of Levels and of the kind of inversion."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmarks.quality.arm import ALL, MOST_DETAIL, USUAL, Arm, Part

LEVELS = ("all", "10", "7", "5", "3")
ALL_LEVELS = "all levels, DDIM"
LITTLE = {"text": (-0.01, -0.06), "pattern": (-0.02, -0.08), "colours": (-0.005, -0.01)}
"""What few levels may lose."""


def _few_levels(blocks: Mapping[str, Any]) -> dict[str, Arm]:
    """Keys and values of so many noise levels, by every kind of inversion: cheaper from row to row of a kind."""
    return {f"{count} levels, {kind}": Arm({**blocks, "levels": count, "inversion": kind, "nodes": 20}, **USUAL)
            for kind in ("DDIM", "one pass", "parallel") for count in LEVELS}


def _between(blocks: Mapping[str, Any]) -> dict[str, Arm]:
    """One pass over twice as many levels as are recorded."""
    few = _few_levels(blocks)
    one = few["3 levels, one pass"]
    return {ALL_LEVELS: few[ALL_LEVELS],
            **{f"{count} levels, one pass over {2 * count}":
               dataclasses.replace(one, settings={**one.settings, "levels": str(count)}, between=1)
               for count in (3, 4, 5)}}


def _most_detail() -> dict[str, Arm]:
    few, between = _few_levels(MOST_DETAIL), _between(MOST_DETAIL)
    names = ALL_LEVELS, "7 levels, DDIM", "7 levels, parallel", "all levels, one pass"
    return {**{name: few[name] for name in names},
            **{name: between[name] for name in ("5 levels, one pass over 10",)}}


def _confirmed(blocks: Mapping[str, Any], *names: str) -> dict[str, Arm]:
    """Candidates for the default, beside what they are measured against."""
    return {name: (_few_levels(blocks) | _between(blocks))[name] for name in (ALL_LEVELS, *names)}


BLOCKS = ("", "the decoder's blocks", {}), (", all blocks", "all blocks", ALL)

FEW_LEVELS: dict[str, Part] = {
    **{f"levels{name}": Part(
        f"How many noise levels of the image prompt are recorded, with {what}; each step reads the nearest. DDIM "
        "inversion has 20 nodes; the other kinds go over the recorded levels alone. 20 steps of DPM++ 2M Karras, on "
        "the image prompts of the searches.", _few_levels(blocks), held_out=False, reference=ALL_LEVELS, limits=LITTLE)
       for name, what, blocks in BLOCKS},
    **{f"levels, between{name}": Part(
        f"As above with {what}, where one pass goes over twice as many levels as are recorded.", _between(blocks),
        held_out=False, reference=ALL_LEVELS, limits=LITTLE) for name, what, blocks in BLOCKS},
    "levels, held out": Part(
        "The cheapest of the rows above that lose little, one after the other until one holds, on image prompts that "
        "they have not seen.", _confirmed({}, "3 levels, one pass", "3 levels, one pass over 6"),
        reference=ALL_LEVELS, limits=LITTLE),
    "levels, held out, all blocks": Part(
        "The same with all blocks.", _confirmed(ALL, "7 levels, parallel", "5 levels, one pass over 10"),
        reference=ALL_LEVELS, limits=LITTLE),
    "levels, most detail": Part(
        "The preset Most detail of 0.7, with few levels and with all.", _most_detail(), held_out=False,
        reference=ALL_LEVELS, limits=LITTLE),
}
