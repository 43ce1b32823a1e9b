"""The paper's plans, and which of them a row follows at a given moment."""

from __future__ import annotations

import math
from collections.abc import Callable

from lib_indetail.algebra import Bank, Own, PerToken, Plan, Source, Stratum
from lib_indetail.rows import Role
from lib_indetail.settings import Settings
from lib_indetail.window import Window

IMAGE = "image"  # recorded with the inversion text, read by cond rows
IMAGE_WITHOUT_TEXT = "image without text"  # the same latent recorded with the empty prompt, read by uncond rows

OWN = Source(Own())
Planner = Callable[[float, Role], Plan | None]


def stratified(bank: str, share: float, keep: PerToken | None = None) -> Plan:
    """(1 - share) A(Q, K, V) + share A(Q, K_P, V_P): own and image keys in separate softmaxes (paper, equation 3)."""
    return Stratum((OWN,)), Stratum((Source(Bank(bank), keep),), share)


def concatenation(bank: str, strength: float = 1.0, keep: PerToken | None = None) -> Plan:
    """One softmax over own and image keys (paper, equation 1), the image's logits lowered by -log strength."""
    return (Stratum((OWN, Source(Bank(bank), keep, math.log(strength)))),)


def replacement(bank: str, strength: float = 1.0, keep: PerToken | None = None) -> Plan:
    """(1 - strength) own + strength image: the image's keys and values in place of the own ones (as in RIVAL)."""
    return stratified(bank, strength, keep)


def planner(settings: Settings, keep: PerToken | None = None) -> Planner:
    """What the settings say for a row at position u: a plan, or None for plain attention.

    `keep` says which of the image's tokens may be read.
    """
    window = Window(settings.start, settings.end)
    replacing, stratifying = (Window(0.0, end) for end in (settings.replacement_until, settings.stratified_until))

    def plan(u: float, role: Role) -> Plan | None:
        bank, strength = _branch(settings, role)
        if strength == 0 or u not in window:
            return None
        if u in replacing:
            return replacement(bank, strength, keep)
        if u in stratifying:
            share = strength * settings.lambda_image
            return stratified(bank, share, keep) if share else None
        return concatenation(bank, strength, keep)

    return plan


def _branch(settings: Settings, role: Role) -> tuple[str, float]:
    """Which bank a row reads and how strongly: conflict-free guidance spares the uncond rows (paper, section 3.2)."""
    if role == "cond":
        return IMAGE, settings.strength
    if role == "uncond":
        return IMAGE_WITHOUT_TEXT, settings.strength * (1 - settings.guidance)
    return IMAGE, 0.0
