"""A method that the core knows nothing of: MIS_DiT's modulation of a joint attention, against its authors' own
answers."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.algebra import Plan, Source, Stratum
from lib_indetail.attention.bias import FromProbabilities
from lib_indetail.attention.method import Method
from lib_indetail.attention.origins import Own
from lib_indetail.attention.sites import Where
from tests.one_site import JointBlock, answered, on_grid, units

TENSORS, META = units("joint_regions")
UNITS = {unit["tag"]: unit for unit in META["units"]}
TEXT, SHOWN = META["text_length"], [*range(24), *range(506, 512)]


class JointRegions(Method):
    """P exp(S w tau (R - P)) in three quadrants of the probabilities P, each row divided by its sum again."""

    where = (Where("joint", ""),)

    def __init__(self, unit: dict):
        layer, amounts = unit["layer"], [unit[name] for name in ("t2treg", "i2treg", "i2ireg")]
        tau = (float(TENSORS["timesteps"][unit["step"]]) / 1000) ** unit["decay_size"]
        image, tokens = TENSORS["masks.token"].flatten(1), TEXT + len(TENSORS["size.image"])
        wanted, weights = torch.zeros(2, tokens, tokens).unbind(0)
        text, picture = slice(0, TEXT), slice(TEXT, None)
        wanted[text, text] = torch.eye(TEXT)
        wanted[:48, :48] = TENSORS["maps.T2T"]
        wanted[picture, picture] = image.T @ image
        wanted[picture, :48] = sum(TENSORS[f"maps.{name}"] for name in self._named(layer))
        size = TENSORS["size.image" if 20 <= layer <= 24 else "size.instance"]
        if 5 < layer <= 50:
            weights[text, text] = amounts[0] * TENSORS["size.text"][:, None]
            weights[picture, picture] = amounts[2] * TENSORS["size.image"][:, None]
        if layer > 5:
            weights[picture, text] = amounts[1] * size[:, None]
        self._wanted, self._weights = wanted, weights * tau
        bias = FromProbabilities(self._bias)
        self._plan = Plan(Stratum((Source(Own(), bias=bias),))) if unit["step"] < unit["num_mod_steps"] else None

    def _named(self, layer: int) -> list[str]:
        parts = {"instance": 5 < layer <= 34, "background": 20 <= layer <= 24, "attribute": layer >= 25}
        return [name for name, is_used in parts.items() if is_used] or ["instance"]

    def _bias(self, probabilities, first):
        rows = slice(first, first + probabilities.shape[2])
        return self._weights[rows] * (self._wanted[rows] - probabilities)

    def plan(self, u, row, site):
        return self._plan


def made(unit):
    x = on_grid(TENSORS["img"], *META["grid"])
    out = answered(JointBlock(TENSORS, unit["kind"], META), JointRegions(unit), x, ["cond"], TENSORS["txt"])[0]
    return out[TEXT:], out[SHOWN]


@pytest.mark.parametrize("tag", UNITS)
def test_the_modulation_is_the_authors(tag):
    for part, name in zip(made(UNITS[tag]), ("img", "txt"), strict=True):
        assert (part - TENSORS[f"out.{tag}.{name}"]).abs().max() < 1e-5


def test_it_is_made_of_some_queries_at_a_time(monkeypatch):
    unit = UNITS["double.layer6.step0"]
    whole, plain = made(unit)[0], made({**unit, "step": 4})[0]
    monkeypatch.setattr("lib_indetail.attention.bias.CHUNK", 4 * 560 * 100)
    assert (made(unit)[0] - whole).abs().max() < 1e-6
    assert (whole - plain).abs().max() > 1e-2
