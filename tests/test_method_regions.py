"""A method that the core knows nothing of: DenseDiffusion's layouts, in self- and cross-attention, against its authors'
own answers."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.algebra import Plan, Source, Stratum
from lib_indetail.attention.bias import FromExtremes, LogitBias
from lib_indetail.attention.method import Method
from lib_indetail.attention.origins import Own
from lib_indetail.attention.sites import Where
from tests.one_site import OneBlock, answered, on_grid, units

TENSORS, META = units("regions")
UNITS = {unit["tag"]: unit for unit in META["units"]}


class Regions(Method):
    """Logits go by a share a of the way to their row's greatest inside of the region, else to its least:
    (1 - a) z + a (max - min) R, but for what all keys have in common."""

    where = Where("self"), Where("cross")

    def __init__(self, unit: dict):
        kind, tokens = unit["kind"], unit["tokens"]
        tau = (float(TENSORS["timesteps"][unit["step"]]) / 1000) ** META["power"]
        share = unit["w"] * tau * TENSORS[f"size.{tokens}"].flatten()
        kinds, of_query = TENSORS[f"maps.{kind}.{tokens}"][0].unique(dim=0, return_inverse=True)
        member = torch.nn.functional.one_hot(of_query).float()

        def bias(least: torch.Tensor, greatest: torch.Tensor) -> LogitBias:
            reach = (share * (greatest - least))[..., None] * member
            return LogitBias(kinds.T, reach, (1 - share).expand_as(least))

        self._plan = Plan(Stratum((Source(Own(), bias=FromExtremes(bias)),)))
        self._is_on = unit["step"] < 15

    def plan(self, u, row, site):
        return self._plan if row.role == "cond" and self._is_on else None


def made(unit):
    side = round(unit["tokens"] ** 0.5)
    x = on_grid(TENSORS[f"x.{unit['tokens']}"], side, side)
    return answered(OneBlock(TENSORS, unit["kind"], META["heads"]), Regions(unit), x, ["uncond", "cond"],
                    TENSORS["context"])


@pytest.mark.parametrize("tag", UNITS)
def test_layouts_are_the_authors(tag):
    assert (made(UNITS[tag]) - TENSORS[f"out.{tag}"]).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_the_uncond_row_is_left_bit_by_bit_and_the_cond_row_moves(kind):
    unit = next(each for each in UNITS.values() if each["kind"] == kind and each["step"] == 0 and each["w"])
    plain, moved = made({**unit, "step": 15}), made(unit)
    assert torch.equal(plain[0], moved[0]) and (plain[1] - moved[1]).abs().max() > 1e-2
