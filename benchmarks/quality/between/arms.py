"""What is compared: an arm is one way to make a strip between two prompts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.quality.arm import Claim
from lib_indetail.methods.interpolation import Variant

Texts = Literal["blended", "switched", "nearer"]


@dataclass(frozen=True)
class Arm:
    """Images between read their ends by `variant` in a `share` of the steps, from the first one on. Their texts are
    `blended` in a straight line; or `switched` while sampling, at t of the way after a part of 1 - t of the steps; or
    those of the `nearer` end. Noise lies between that of the ends, which is one where they do not have their
    `own_seeds`. With `tried`, places are adaptive: so many images are made for a strip."""

    variant: Variant = "none"
    share: float = 0.5
    texts: Texts = "blended"
    own_seeds: bool = False
    tried: int = 0

    @property
    def key(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


OUTER, INNER, PURE_OUTER, PURE_INNER = VARIANTS = "fused outer", "fused inner", "pure outer", "pure inner"
TEXT, NOISE, DENOISING = "text blend alone", "noise blend alone", "denoising interpolation"
ADAPTIVE, EVEN = "adaptive places", "even places"
FRAMES = 7
BASELINES = {TEXT: Arm(), DENOISING: Arm(texts="switched")}

SAME: dict[str, Arm] = {**{name: Arm(name) for name in VARIANTS}, **BASELINES}
"""Both ends have the same noise."""
OWN: dict[str, Arm] = {name: dataclasses.replace(arm, own_seeds=True) for name, arm in
                       {OUTER: Arm(OUTER), INNER: Arm(INNER), **BASELINES, NOISE: Arm(texts="nearer")}.items()}
"""Both ends have noise of their own."""
PLACES: dict[str, Arm] = {EVEN: Arm(OUTER), ADAPTIVE: Arm(OUTER, tried=2 * FRAMES)}
TABLES: Mapping[str, Mapping[str, Arm]] = {"same": SAME, "own": OWN, "places": PLACES}


def improving(names: tuple[str, ...], baseline: str) -> tuple[Claim, ...]:
    return tuple(claim for name in names for claim in (Claim("consistency", name, baseline),
                                                       Claim("smoothness", baseline, name)))


CLAIMS = (
    *improving((OUTER, INNER), TEXT),
    Claim("consistency", TEXT, DENOISING),
    *(Claim("consistency", name, DENOISING) for name in (OUTER, INNER)),
    Claim("consistency", OUTER, INNER), Claim("smoothness", OUTER, INNER),
    Claim("consistency", PURE_OUTER, TEXT), Claim("consistency", PURE_INNER, TEXT),
)
"""The caption of the paper's table 1: both improve on text embedding interpolation (our *text blend alone*), denoising
interpolation is very bad in consistency, outer is ahead in consistency and inner in smoothness, and attention
interpolation, before it is fused, heightens consistency."""
PLACED = (Claim("smoothness", EVEN, ADAPTIVE),)
"""The authors' README: the dynamic selection improves smoothness further."""
