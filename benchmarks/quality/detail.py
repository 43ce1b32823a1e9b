"""Detail: how the patch term was chosen, on image prompts of the searches; and what it brings on others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.quality.arm import ALL, USUAL, WHOLE, Arm, Part

MATCHED = WHOLE | {"colour_match": 1.0}
FIVE = {"levels": "5", "inversion": "one pass"}
THREE = {"levels": "3", "inversion": "one pass"}
EVERY = {**ALL, **MATCHED, **FIVE}
DECODER = {**MATCHED, **THREE}


def _arm(settings: Mapping[str, Any], detail: float = 0.0, **term: float) -> Arm:
    return Arm({**settings, **({"detail": detail} if detail else {})}, between=1, term=term, **USUAL)


def _screened() -> dict[str, Arm]:
    late = {**EVERY, "start": 0.1}
    tried = {"p 5": {"size": 5}, "p 2": {"size": 2}, "h .005": {"softness": 0.005}, "h .01": {"softness": 0.01},
             "h .05": {"softness": 0.05}, "from .1": {"start": 0.1}, "from .3": {"start": 0.3},
             "from .4": {"start": 0.4}, "until .8": {"until": 0.8}, "two octaves": {"octaves": 2},
             **{f"tolerance {each:g}": {"tolerance": each} for each in (0.5, 0.8, 1.2)},
             **{f"{each} views": {"views": each} for each in (2, 4, 8)}}
    return {**{f"detail {each:g}": _arm(EVERY, each) for each in (0.0, 0.25, 0.5, 0.75, 1.0)},
            **{f"detail 0.5, {name}": _arm(EVERY, 0.5, **term) for name, term in tried.items()},
            **{f"start 0.1, detail {each:g}": _arm(late, each) for each in (0.0, 0.25, 0.5, 0.75)},
            **{f"decoder, detail {each:g}": _arm(DECODER, each) for each in (0.0, 0.25, 0.5, 1.0)}}


DETAIL: dict[str, Part] = {
    "detail, screened": Part("The patch term, one thing varied at a time.", _screened(), held_out=False,
                             reference="detail 0"),
}
