"""What is compared, by part of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.quality.peers import Rule, reference_only, rival, style_aligned

AUTHORS = {"stratified_until": 0.2, "lambda_image": 0.5}
ALL = {"blocks": "all"}


@dataclass(frozen=True, eq=False)
class Arm:
    """`settings` of the task; None is the text alone. A `rule` stands in the place of the settings' plans. `anew`
    re-noises the picture at every step, as reference_only does. With `same` the prompt is for the picture's own
    shape."""

    settings: dict[str, Any] | None = field(default_factory=dict)
    task: str = "cross-prompt"
    rule: Rule | None = None
    anew: bool = False
    scale: float = 5.0
    steps: int = 20
    sampler: str = "ddim"
    scheduler: str = "plain"
    same: bool = False


def _table_a(blocks: dict[str, Any]) -> dict[str, Arm]:
    both = {**blocks, "stratified_until": 0.0, "guidance": 0.0}
    return {"concatenation, conflicting": Arm(both), "concatenation, conflict-free": Arm({**both, "guidance": 1.0}),
            **{f"stratified {steps} of 50": Arm({**blocks, "stratified_until": steps / 50})
               for steps in (10, 20, 30, 40, 50)}}


def _table_b(blocks: dict[str, Any]) -> dict[str, Arm]:
    stratified = {**blocks, "stratified_until": 1.0}
    return {f"lambda {share:g}": Arm({**stratified, "lambda_image": share}) for share in (0.0, 0.33, 0.5, 0.67, 1.0)}


def _figure_6() -> dict[str, Arm]:
    return {f"{name}, scale {scale}": Arm({**ALL, "guidance": guidance}, "image variation", scale=float(scale),
                                          same=True)
            for name, guidance in (("conflicting", 0.0), ("conflict-free", 1.0)) for scale in (1, 2, 3, 5, 7, 10)}


def _section_e() -> dict[str, Arm]:
    return {"negative image prompt": Arm({**ALL, "side": "negative"}), "positive image prompt": Arm(ALL)}


def _peers() -> dict[str, Arm]:
    renoised = {**ALL, "inversion": "re-noise", "adain": 0.0, "guidance": 0.0}
    return {
        "text only": Arm(None),
        **{f"reference_only's rule, fidelity {each:g}": Arm(renoised, rule=reference_only(each), anew=True)
           for each in (0.5, 1.0)},
        "RIVAL's rule": Arm({**ALL, "guidance": 0.0}, rule=rival()),
        "StyleAligned's rule": Arm({**ALL, "guidance": 0.0, "adain": 0.0}, rule=style_aligned()),
        "the authors' defaults": Arm(AUTHORS),
        "ours, all blocks": Arm(ALL),
    }


def _nodes() -> dict[str, Arm]:
    kinds = {**{f"DDIM, {count} nodes": {"nodes": count} for count in (5, 10, 20, 50)},
             **{f"refined, {count} nodes": {"inversion": "refined", "nodes": count} for count in (5, 10, 20)},
             "one pass": {"inversion": "one pass"}, "parallel": {"inversion": "parallel"},
             "re-noise": {"inversion": "re-noise"}}
    return {name: Arm({**ALL, **settings}) for name, settings in kinds.items()}


def _search(**sampling: Any) -> dict[str, Arm]:
    tried = {
        "authors'": AUTHORS, "all blocks": ALL, "middle and decoder": {"blocks": "middle and decoder"},
        "all, until 0.5": {**ALL, "stratified_until": 0.5}, "all, until 1": {**ALL, "stratified_until": 1.0},
        "all, lambda 0.7": {**ALL, "lambda_image": 0.7}, "all, lambda 0.3": {**ALL, "lambda_image": 0.3},
        "all, concatenation": {**ALL, "stratified_until": 0.0}, "all, start 0.1": {**ALL, "start": 0.1},
        "all, start 0.2": {**ALL, "start": 0.2}, "all, end 0.8": {**ALL, "end": 0.8},
        "all, replacement until 0.2": {**ALL, "replacement_until": 0.2},
        "all, AdaIN 0.5": {**ALL, "adain": 0.5}, "all, colour match 1": {**ALL, "colour_match": 1.0},
        "all, refined": {**ALL, "inversion": "refined"}, "all, offset 0.2": {**ALL, "inversion_offset": 0.2},
        "all, detail": {**ALL, "block_weights": "detail"}, "all, style": {**ALL, "block_weights": "style"},
        "all, falling strength": {**ALL, "strength_schedule": "linear"},
    }
    return {name: Arm(settings, **sampling) for name, settings in tried.items()}


PARTS: dict[str, dict[str, Arm]] = {
    "table A, decoder": _table_a({}), "table A, all blocks": _table_a(ALL),
    "table B, decoder": _table_b({}), "table B, all blocks": _table_b(ALL),
    "figure 6": _figure_6(), "section E": _section_e(), "peers": _peers(), "nodes": _nodes(),
    "search": _search(), "search, DPM++ 2M Karras": _search(sampler="dpmpp_2m", scheduler="karras"),
}
