"""Detail: how the patch term was chosen, on image prompts of the searches; and what it brings on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmarks.quality.arm import ALL, MOST_DETAIL, RENOISED, USUAL, WHOLE, Arm, Part
from lib_indetail.ask.presets import BUILT_IN
from lib_indetail.ask.settings import Settings
from lib_indetail.bank.levels import BETWEEN

MATCHED = WHOLE | {"colour_match": 1.0}
FIVE = {"levels": "5", "inversion": "one pass"}
THREE = {"levels": "3", "inversion": "one pass"}
EVERY = {**ALL, **MATCHED, **FIVE}
DECODER = {**MATCHED, **THREE}
LATE = {**MOST_DETAIL, **FIVE}


def _arm(settings: Mapping[str, Any], detail: float = 0.0, **term: float) -> Arm:
    return Arm({**settings, **({"detail": detail} if detail else {})}, between=1, term=term, **USUAL)


def _screened() -> dict[str, Arm]:
    tried = {"p 3": {"size": 3}, "p 7": {"size": 7}, "p 7, until .7": {"size": 7, "until": 0.7},
             "h .005": {"softness": 0.005}, "h .05": {"softness": 0.05}, "two octaves": {"octaves": 2},
             **{f"from {each:g}": {"start": each} for each in (0.1, 0.4)},
             **{f"until {each:g}": {"until": each} for each in (0.5, 0.6, 0.7, 0.9, 1.0)}}
    found = _arm(EVERY, 1.0)
    return {"detail 0": _arm(EVERY), "detail 1": found,
            **{f"detail 1, {name}": dataclasses.replace(found, term=term) for name, term in tried.items()},
            **{f"detail 1, guidance {each:g}": dataclasses.replace(found, scale=each) for each in (3.5, 7.0)}}


def _finalists() -> dict[str, Arm]:
    wide = {"size": 7, "until": 0.7}
    return {**{f"detail {each:g}": _arm(EVERY, each) for each in (0.0, 0.25, 0.5, 0.75, 1.0)},
            "detail 1, p 7, until .7": _arm(EVERY, 1.0, **wide), "detail 1, p 3": _arm(EVERY, 1.0, size=3),
            "detail 1, until 1": _arm(EVERY, 1.0, until=1.0),
            **{f"start 0.1, detail {each:g}": _arm(LATE, each) for each in (0.0, 1.0)},
            **{f"decoder, detail {each:g}": _arm(DECODER, each) for each in (0.0, 0.5, 1.0)},
            "decoder, detail 1, p 7, until .7": _arm(DECODER, 1.0, **wide)}


def _anchors() -> dict[str, Arm]:
    return {"detail 0": _arm(EVERY), "detail 1": _arm(EVERY, 1.0),
            "detail 1, attention to none": dataclasses.replace(_arm(EVERY, 1.0), rule="no attention"),
            "reference_only's rule, 1": Arm(RENOISED, rule="reference_only 1", anew=True, **USUAL),
            "attention distillation": Arm(distilled=True)}


def presets() -> dict[str, Arm]:
    """As a person has them."""
    return {name.lower(): Arm({**THREE, "nodes": Settings().nodes,
                               **{key: value for key, value in BUILT_IN[name].values.items() if key != "task"}},
                              between=BETWEEN, **USUAL) for name in ("Pattern", "Most detail")}


DETAIL: dict[str, Part] = {
    "detail": Part(
        "All blocks, stratified to the end, colours matched, 5 levels; *decoder*: its blocks, 3 levels. Patches are 5 "
        "cells wide, from 0.2 until 0.8 of the pass, unless a row says otherwise. 20 steps of DPM++ 2M Karras, on the "
        "image prompts of the searches.", _finalists(), held_out=False, reference="detail 0"),
    "detail, screened": Part(
        "One thing varied at a time, otherwise as above.", _screened(), held_out=False, reference="detail 0"),
    "detail, anchors": Part(
        "What patches bring without attention, and what others' methods bring, on some of the same image prompts. "
        "Attention distillation goes down a gradient after each of 20 DDIM steps (2 times at a rate of 0.05, the last "
        "6 layers, with AdaIN).", _anchors(), held_out=False, most=10),
}
