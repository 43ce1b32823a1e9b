"""Other systems' rules as plans of the one attention algebra, so that only the rule differs.

What is not their rule of attention is named beside each; their own programs are not run here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from lib_indetail.attention.algebra import OWN, Plan, Source, Stratum
from lib_indetail.attention.method import Method
from lib_indetail.attention.origins import Bank
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site, Where
from lib_indetail.inversion.inverter import Inverter
from lib_indetail.methods.plans import IMAGE, IMAGE_WITHOUT_TEXT, concatenation, replacement
from lib_indetail.noise.chain import Chain

Rule = Callable[[float, Row], Plan | None]
"""What a row follows at position u."""


def reference_only(fidelity: float) -> Rule:
    """ControlNet's: own and reference keys in one softmax in every block; the uncond rows keep `fidelity` of their own
    answer. Its reference is re-noised anew at every step and seen with the texts of the rows that read it."""
    cond = concatenation(IMAGE)
    uncond = Plan(Stratum((OWN,)), Stratum((OWN, Source(Bank(IMAGE_WITHOUT_TEXT))), 1 - fidelity))

    def rule(u: float, row: Row) -> Plan | None:
        return cond if row.role == "cond" else None if fidelity == 1 else uncond

    return rule


def rival(until: float = 0.4) -> Rule:
    """RIVAL's: the reference's keys in place of the own ones while t > 600 of 1000, then both in one softmax, in every
    block and on both sides of guidance. Its AdaIN of the noise prediction is not among these."""
    plans = {role: (replacement(bank), concatenation(bank))
             for role, bank in (("cond", IMAGE), ("uncond", IMAGE_WITHOUT_TEXT))}
    return lambda u, row: plans[row.role][0 if u < until else 1]


def style_aligned(shift: float = math.log(2)) -> Rule:
    """StyleAligned's, for a given picture: both in one softmax with the reference's logits raised by ln 2, in every
    block and on both sides. Its AdaIN of queries and keys is not among these."""
    plans = {role: Plan(Stratum((OWN, Source(Bank(bank), bias=shift))))
             for role, bank in (("cond", IMAGE), ("uncond", IMAGE_WITHOUT_TEXT))}
    return lambda u, row: plans[row.role]


class Ruled(Method):
    """By such a rule, in the self-attention of these blocks."""

    def __init__(self, rule: Rule, blocks: str = "decoder"):
        self.where, self._rule = (Where("self", blocks),), rule

    def plan(self, u: float, row: Row, site: Site) -> Plan | None:
        return self._rule(u, row)


def no_attention(u: float, row: Row) -> None:
    """The picture is not read at all; what else the settings do with it stays."""


RULES: dict[str, Rule] = {**{f"reference_only {fidelity:g}": reference_only(fidelity) for fidelity in (0.5, 1.0)},
                          "rival": rival(), "style_aligned": style_aligned(), "no attention": no_attention}


def renoised_anew(inverter: Inverter, clean: torch.Tensor, sigmas: Sequence[float], seed: int) -> Chain:
    """The picture under another noise at every one of the ascending levels, as reference_only makes it."""
    generator = torch.Generator().manual_seed(seed)
    chains = [inverter.renoise(clean, torch.randn(clean.shape, generator=generator).to(clean)) for _ in sigmas]
    clean_level = inverter.schedule.sigma(0.0)
    above = [(sigma, chain.at(sigma)) for sigma, chain in zip(sigmas, chains, strict=True) if sigma > clean_level]
    first = clean / inverter.schedule.scale(clean_level)
    return Chain((clean_level, *(sigma for sigma, _ in above)), (first, *(latent for _, latent in above)))
