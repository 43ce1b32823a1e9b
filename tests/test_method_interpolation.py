"""A method that the core knows nothing of: attention interpolation (PAID) between rows, in self- and cross-attention
and with extra tokens of pictures, against its authors' own answers."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.algebra import OWN, Plan, Source, Stratum
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.attention.method import Method
from lib_indetail.attention.origins import Blend, Extra, OfRow
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Where
from lib_indetail.errors import CannotAct
from tests.one_site import OneBlock, answered, on_grid, units

TENSORS, META = units("interpolation")
VARIANTS = "fused_outer", "fused_inner", "pure_outer", "pure_inner"


class Interpolation(Method):
    """Between the first row and the last: "outer" between answers, "inner" between keys and values; "fused" ones have
    the row's own keys beside."""

    where = Where("self"), Where("cross")

    def __init__(self, variant: str, coefficients, extra=None, scale: float = 0.0):
        self.read_rows = first, last = Row("cond", 0), Row("cond", len(coefficients) - 1)
        own, way = (OWN,) if variant.startswith("fused") else (), variant.split("_")[1]
        self._extra, self._plans = extra or {}, []
        for c in map(float, coefficients):
            if way == "inner":
                self._plans.append(Plan(Stratum((*own, Source(Blend(OfRow(first), OfRow(last), c))))))
                continue
            ends = [Stratum((*own, Source(OfRow(end))), amount) for end, amount in ((first, 1 - c), (last, c))]
            own_tokens = (Source(Extra("own")),) if own else ()
            tokens = [Stratum((*own_tokens, Source(Extra(name))), scale * amount)
                      for name, amount in (("first", 1 - c), ("last", c))] if scale else []
            self._plans.append(Plan(*ends, *tokens))

    def plan(self, u, row, site):
        return self._plans[row.image]

    def extra(self, site):
        return self._extra


def rows_of(count):
    return [Row("cond", number) for number in range(count)]


def made(kind, method, x, context=None):
    return answered(OneBlock(TENSORS, kind, META["heads"]), method, on_grid(x, 3, 4), rows_of(len(x)), context)


@pytest.mark.parametrize("t", META["t"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_image_between_two_is_the_authors(variant, t):
    method = Interpolation(variant, [0, t, 1])
    assert (made("self", method, TENSORS["self.x"]) - TENSORS[f"self.{variant}.t{t}"]).abs().max() < 1e-5
    first, guide, last = TENSORS["cross.context_ends_guide"]
    for name, middle in (("guide", guide), ("noguide", torch.lerp(first, last, float(t)))):
        out = made("cross", method, TENSORS["cross.x"], torch.stack([first, middle, last]))
        assert (out - TENSORS[f"cross.{variant}.{name}.t{t}"]).abs().max() < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sequence_in_one_batch_is_the_authors(variant):
    method = Interpolation(variant, TENSORS["batch5.coef_6_3"])
    for kind in ("self", "cross"):
        out = made(kind, method, TENSORS["batch5.x"], TENSORS["batch5.context"])
        assert (out - TENSORS[f"batch5.{kind}.{variant}"]).abs().max() < 1e-5


@pytest.mark.parametrize("t", META["t"][1:-1])
@pytest.mark.parametrize("variant", ["fused_outer", "pure_outer"])
def test_image_tokens_beside_the_text_are_the_authors(variant, t):
    ends = TENSORS["ip.tokens_ends"]
    tokens = torch.stack([ends[0], torch.lerp(ends[0], ends[1], t), ends[1]])
    keys, values = (tokens @ TENSORS[f"ip.to_{name}_ip"].T for name in "kv")
    extra = {"own": (keys, values), "first": (keys[:1], values[:1]), "last": (keys[2:], values[2:])}
    first, _, last = TENSORS["cross.context_ends_guide"]
    method = Interpolation(variant, [0, t, 1], extra, META["ip_scale"])
    out = made("cross", method, TENSORS["cross.x"], torch.stack([first, torch.lerp(first, last, t), last]))
    assert (out - TENSORS[f"ip.{variant}.t{t}"]).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_rows_may_read_rows_of_an_earlier_call_of_the_evaluation(kind):
    x, method = on_grid(TENSORS["batch5.x"], 3, 4), Interpolation("fused_outer", TENSORS["batch5.coef_6_3"])
    block, text, rows = OneBlock(TENSORS, kind, META["heads"]), TENSORS["batch5.context"], rows_of(5)
    order = [0, 4], [2], [1, 3]
    with InDetailHooks(block, {}, method) as hooks, torch.no_grad(), \
            hooks.evaluation(1.0, 0.0, [rows[number] for part in order for number in part]):
        parts = [block(x[part], torch.zeros(len(part)), text[part]) for part in order]
    for part, out in zip(order, parts, strict=True):
        assert (out - TENSORS[f"batch5.{kind}.fused_outer"][part]).abs().max() < 1e-5


def test_a_row_of_a_later_call_is_named():
    with pytest.raises(CannotAct, match=r"keeps a row apart that others read \(cond 2 in output_blocks\.0\.attn1\)"):
        made("self", Interpolation("pure_outer", [0, 0.5, 1]), TENSORS["self.x"][:2])
