"""Attention interpolation (PAID) between rows, in single self- and cross-attentions and with extra tokens of pictures,
against its authors' own answers."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.algebra import Plan, Source, Stratum
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.attention.origins import Extra
from lib_indetail.attention.rows import Row
from lib_indetail.errors import CannotAct
from lib_indetail.methods.interpolation import Between, Interpolation, Phases
from tests.one_site import OneBlock, answered, on_grid, units
from tests.paid_adapter import whole

TENSORS, META = units("interpolation")
VARIANTS = "fused_outer", "fused_inner", "pure_outer", "pure_inner"


class WithTokens(Interpolation):
    """With extra tokens of pictures beside the text, of this scale."""

    def __init__(self, strip, phases, extra, scale):
        super().__init__(strip, phases)
        self._extra, self._scale = extra, scale

    def extra(self, site):
        return self._extra

    def plan(self, u, row, site):
        text, c = super().plan(u, row, site), self._strip[row.image].coefficient
        own = (Source(Extra("own")),) if self._phases.at(u).startswith("fused") else ()
        tokens = [Stratum((*own, Source(Extra(name))), self._scale * amount)
                  for name, amount in (("first", 1 - c), ("last", c))]
        return Plan(*whole(text), *tokens)


def method(variant, coefficients, extra=None, scale=0.0):
    """Of the first part of a pass, between the first row and the last."""
    strip = [Between(0, len(coefficients) - 1, float(c)) for c in coefficients]
    phases = Phases(variant.replace("_", " "), 2.0)
    return WithTokens(strip, phases, extra, scale) if extra else Interpolation(strip, phases)


def rows_of(count):
    return [Row("cond", number) for number in range(count)]


def made(kind, method, x, context=None):
    return answered(OneBlock(TENSORS, kind, META["heads"]), method, on_grid(x, 3, 4), rows_of(len(x)), context)


@pytest.mark.parametrize("t", META["t"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_image_between_two_is_the_authors(variant, t):
    between = method(variant, [0, t, 1])
    assert (made("self", between, TENSORS["self.x"]) - TENSORS[f"self.{variant}.t{t}"]).abs().max() < 1e-5
    first, guide, last = TENSORS["cross.context_ends_guide"]
    for name, middle in (("guide", guide), ("noguide", torch.lerp(first, last, float(t)))):
        out = made("cross", between, TENSORS["cross.x"], torch.stack([first, middle, last]))
        assert (out - TENSORS[f"cross.{variant}.{name}.t{t}"]).abs().max() < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sequence_in_one_batch_is_the_authors(variant):
    between = method(variant, TENSORS["batch5.coef_6_3"])
    for kind in ("self", "cross"):
        out = made(kind, between, TENSORS["batch5.x"], TENSORS["batch5.context"])
        assert (out - TENSORS[f"batch5.{kind}.{variant}"]).abs().max() < 1e-5


@pytest.mark.parametrize("t", META["t"][1:-1])
@pytest.mark.parametrize("variant", ["fused_outer", "pure_outer"])
def test_image_tokens_beside_the_text_are_the_authors(variant, t):
    ends = TENSORS["ip.tokens_ends"]
    tokens = torch.stack([ends[0], torch.lerp(ends[0], ends[1], t), ends[1]])
    keys, values = (tokens @ TENSORS[f"ip.to_{name}_ip"].T for name in "kv")
    extra = {"own": (keys, values), "first": (keys[:1], values[:1]), "last": (keys[2:], values[2:])}
    first, _, last = TENSORS["cross.context_ends_guide"]
    between = method(variant, [0, t, 1], extra, META["ip_scale"])
    out = made("cross", between, TENSORS["cross.x"], torch.stack([first, torch.lerp(first, last, t), last]))
    assert (out - TENSORS[f"ip.{variant}.t{t}"]).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_rows_may_read_rows_of_an_earlier_call_of_the_evaluation(kind):
    x, between = on_grid(TENSORS["batch5.x"], 3, 4), method("fused_outer", TENSORS["batch5.coef_6_3"])
    block, text, rows = OneBlock(TENSORS, kind, META["heads"]), TENSORS["batch5.context"], rows_of(5)
    order = [0, 4], [2], [1, 3]
    with InDetailHooks(block, {}, between) as hooks, torch.no_grad(), \
            hooks.evaluation(1.0, 0.0, [rows[number] for part in order for number in part]):
        parts = [block(x[part], torch.zeros(len(part)), text[part]) for part in order]
    for part, out in zip(order, parts, strict=True):
        assert (out - TENSORS[f"batch5.{kind}.fused_outer"][part]).abs().max() < 1e-5


def test_a_row_of_a_later_call_is_named():
    with pytest.raises(CannotAct, match=r"keeps a row apart that others read \(cond 2 in output_blocks\.0\.attn1\)"):
        made("self", method("pure_outer", [0, 0.5, 1]), TENSORS["self.x"][:2])
