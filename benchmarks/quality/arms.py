"""What is compared, by part of the report, and what the paper says of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from benchmarks.quality.arm import ALL, FEW, MOST_DETAIL, RENOISED, USUAL, WHOLE, Arm, Claim, Part
from benchmarks.quality.detail import DETAIL, presets
from benchmarks.quality.few_levels import FEW_LEVELS
from lib_indetail.ask.settings import Settings

CONFLICTING, FREE = "concatenation, conflicting", "concatenation, conflict-free"


def _table_a(blocks: Mapping[str, Any]) -> dict[str, Arm]:
    both = {**blocks, "stratified_until": 0.0}
    return {CONFLICTING: Arm({**both, "guidance": 0.0}, **FEW), FREE: Arm(both, **FEW),
            **{f"stratified, {part} of 50": Arm({**blocks, "stratified_until": part / 50}, **FEW)
               for part in (10, 20, 30, 40, 50)}}


def _table_b() -> dict[str, Arm]:
    return {f"lambda {share:g}": Arm({**WHOLE, "lambda_image": share}, **FEW)
            for share in (0.0, 0.33, 0.5, 0.67, 1.0)}


def _rising(names: list[str], figure: str, flat: bool = False) -> tuple[Claim, ...]:
    return tuple(Claim(figure, low, high, flat) for low, high in pairwise(names))


def _in_order(arms: Mapping[str, Arm]) -> tuple[Claim, ...]:
    """Table A: the image alignment rises from row to row, the first two steps clearly."""
    names = list(arms)
    return (*_rising(names[:3], "image"), *_rising(names[2:], "image", flat=True))


def _figure_6() -> dict[str, Arm]:
    arms = {"conflicting or not, scale 1": Arm(ALL, prompt="none", scale=1.0, **FEW)}
    for name, guidance, scales in (("conflicting", 0.0, (10.0,)), ("conflict-free", 1.0, (3.0, 5.0, 7.5, 10.0))):
        arms |= {f"{name}, scale {scale:g}": Arm({**ALL, "guidance": guidance}, prompt="none", scale=scale, **FEW)
                 for scale in scales}
    return arms


def _peers() -> dict[str, Arm]:
    return {
        "text only": Arm(None, **USUAL),
        **{f"reference_only's rule, {each:g}": Arm(RENOISED, rule=f"reference_only {each:g}", anew=True,
                                                            **USUAL) for each in (0.5, 1.0)},
        "RIVAL's rule": Arm({**ALL, "guidance": 0.0}, rule="rival", **USUAL),
        "StyleAligned's rule": Arm({**ALL, "guidance": 0.0, "adain": 0.0}, rule="style_aligned", **USUAL),
        "the authors' settings": Arm({}, **USUAL),
        "ours, all blocks": Arm(ALL, **USUAL),
        "ours, no AdaIN": Arm({**ALL, "adain": 0.0}, **USUAL),
        "ours, most detail up to 0.7": Arm(MOST_DETAIL, **USUAL),
    }


def _ahead() -> dict[str, Arm]:
    """What the searches found, with our number of nodes; with the authors' their own."""
    ours = {"nodes": Settings().nodes}
    matched = WHOLE | {"colour_match": 1.0}
    found = {"our defaults": {}, "our defaults, one pass": {"inversion": "one pass"},
             "decoder, matched": matched, "all blocks": ALL,
             **{f"all, matched, strength {each}": ALL | matched | {"strength": each}
                for each in (0.7, 0.85)},
             "most detail, up to 0.7": MOST_DETAIL}
    return {"the authors' settings": Arm({}, **USUAL),
            **{name: Arm({**ours, **settings}, **USUAL) for name, settings in found.items()}, **presets()}


def _kinds() -> dict[str, dict[str, Any]]:
    return {**{f"DDIM, {count} nodes": {"nodes": count} for count in (5, 10, 20, 50)},
            "refined, 10 nodes": {"inversion": "refined", "nodes": 10},
            "one pass": {"inversion": "one pass"}, "parallel": {"inversion": "parallel"},
            "re-noise": {"inversion": "re-noise"}}


def _search() -> dict[str, dict[str, Any]]:
    tried: dict[str, dict[str, Any]] = {
        "until 0.5": {"stratified_until": 0.5}, "until 1": {"stratified_until": 1.0},
        "lambda 0.7": {"lambda_image": 0.7}, "lambda 0.3": {"lambda_image": 0.3},
        "concatenation": {"stratified_until": 0.0}, "start 0.1": {"start": 0.1}, "end 0.8": {"end": 0.8},
        "replacement until 0.2": {"replacement_until": 0.2}, "AdaIN 0.5": {"adain": 0.5}, "AdaIN 0": {"adain": 0.0},
        "colour match": {"colour_match": 1.0}, "refined": {"inversion": "refined", "nodes": 20},
        "offset 0.2": {"inversion_offset": 0.2}, "detail": {"block_weights": "detail"},
        "style": {"block_weights": "style"}, "falling strength": {"strength_schedule": "linear"},
    }
    return {"the authors'": {}, "middle and decoder": {"blocks": "middle and decoder"}, "all blocks": ALL,
            **{f"all, {name}": {**ALL, **settings} for name, settings in tried.items()}}


def _usual_search() -> dict[str, dict[str, Any]]:
    """The best of the first search, and what they make together."""
    matched, late = {"colour_match": 1.0}, {"start": 0.1}
    tried = {"colour match": matched, "start 0.1": late, "until 1": WHOLE, "lambda 0.3": {"lambda_image": 0.3},
             "start 0.1, colour match": late | matched, "until 1, colour match": WHOLE | matched,
             "start 0.1, until 1, colour match": late | WHOLE | matched,
             "start 0.2, until 1, colour match": {"start": 0.2} | WHOLE | matched}
    return {"the authors'": {}, "all blocks": ALL, **{f"all, {name}": {**ALL, **each} for name, each in tried.items()}}


def _careful_search() -> dict[str, dict[str, Any]]:
    """What keeps the text where all blocks lose some of it."""
    decoder, matched, half = {"blocks": "decoder"}, {"colour_match": 1.0}, {"block_weights": "0:0.5, 0.5:1, 1:1"}
    gentle = {"colours matched": decoder | matched, "until 1, colours matched": decoder | WHOLE | matched,
              "lambda 0.7 until 1, colours matched": decoder | {"lambda_image": 0.7} | WHOLE | matched,
              "all blocks": {}, "all, strength 0.7": {"strength": 0.7}, "all, start 0.2": {"start": 0.2},
              **{f"all, strength {each} until 1, colours matched": {"strength": each} | WHOLE | matched
                 for each in (0.7, 0.85)},
              "all, lambda 0.35 until 1, colours matched": {"lambda_image": 0.35} | WHOLE | matched,
              "all, encoder at half": half,
              "all, start 0.1, encoder at half, colours matched": {"start": 0.1} | half | matched}
    return {"the authors'": {}, **{name: {**ALL, **each} for name, each in gentle.items()}}


_A, _A_ALL, _B = _table_a({}), _table_a(ALL), _table_b()
_ENDS = [FREE, "stratified, 50 of 50"]

PARTS: dict[str, Part] = {
    "peers": Part("20 steps of DPM++ 2M Karras, guidance scale 5. The image prompt is inverted and read with the empty "
                  "text; by reference_only's rule (at two fidelities) with the prompt, as there.", _peers(),
                  reference="the authors' settings"),
    "ahead": Part("What the searches below found, on image prompts that they have not seen. 20 steps of DPM++ 2M "
                  "Karras; 20 nodes of the inversion in ours, 50 in the authors', and all levels. *Our defaults* are "
                  "those of 0.6. *Matched*: stratified to the end, with colour match. *Pattern* and *most detail*: the "
                  "presets of today, few levels in one pass, with Detail.", _ahead(),
                  reference="the authors' settings"),
    "table A": Part("The paper's table A: 10 DDIM steps, the decoder's blocks, lambda 0.5.", _A, _in_order(_A)),
    "table B": Part("The paper's table B: stratified to the end, the decoder's blocks, 10 DDIM steps.", _B,
                    (*_rising(list(_B), "image"), *_rising(list(_B)[::-1], "text", flat=True))),
    "table A, all blocks": Part("As table A, with all blocks.", {CONFLICTING: _A_ALL[CONFLICTING],
                                                               **{name: _A_ALL[name] for name in _ENDS}},
                                _rising([CONFLICTING, *_ENDS], "image")),
    "figure 6": Part("The paper's figure 6: without a prompt, guidance scales from 1 to 10, all blocks, 10 DDIM "
                     "steps. *Shape of the text* is here that of the image prompt. Without a prompt both sides of "
                     "conflicting guidance are the same, so that every scale gives the same images.", _figure_6(),
                     tuple(Claim("image", "conflicting, scale 10", f"conflict-free, scale {scale}")
                           for scale in ("3", "5", "7.5", "10"))),
    "section E": Part("The paper's section E: what the negative side of guidance reads. All blocks, concatenation to "
                      "the end, 10 DDIM steps.",
                      {"the same image prompt (conflicting)": _A_ALL[CONFLICTING],
                       "another image prompt": Arm(_A_ALL[FREE].settings, unwanted=True, **FEW),
                       "none (conflict-free)": _A_ALL[FREE]},
                      _rising(["the same image prompt (conflicting)", "another image prompt",
                               "none (conflict-free)"], "image")),
    **DETAIL,
    **FEW_LEVELS,
    "nodes": Part("All blocks, 10 DDIM steps.", {name: Arm({**ALL, **kind}, **FEW) for name, kind in _kinds().items()},
                  reference="DDIM, 50 nodes"),
    "search": Part("10 DDIM steps, on image prompts that the other tables do not use.",
                   {name: Arm(settings, **FEW) for name, settings in _search().items()}, held_out=False,
                   reference="the authors'"),
    "search, 20 steps": Part("20 steps of DPM++ 2M Karras, on the same image prompts as the search before.",
                             {name: Arm(settings, **USUAL) for name, settings in _usual_search().items()},
                             held_out=False, reference="the authors'"),
    "search, text kept": Part("10 DDIM steps, on more of the image prompts of the search.",
                              {name: Arm(settings, **FEW) for name, settings in _careful_search().items()},
                              held_out=False, reference="the authors'"),
    "attention": Part(
        "The paper's figure 11: the share of attention that own keys have above the image prompt's, on the positive "
        "side, by step, mean over the decoder's blocks. Above 0 own keys crowd out the image prompt's, as the paper "
        "finds. 10 DDIM steps.",
        {name: _A[name] for name in (CONFLICTING, FREE, "stratified, 10 of 50", "stratified, 30 of 50")},
        (Claim("mean", FREE, CONFLICTING), Claim("mean", "stratified, 10 of 50", FREE),
         Claim("mean", "stratified, 30 of 50", "stratified, 10 of 50")), measured="shares", most=12),
    "inversions": Part(
        "How far the latent is off that comes of sampling the inversion back without guidance, relative to the clean "
        "one's norm; rows that went through the UNet, those that record for 10 steps among them.",
        {name: Arm({**ALL, **kind}, **FEW) for name, kind in _kinds().items()}, measured="inversions", most=12),
}
