"""A method that the core knows nothing of: Diptych Prompting's enhancement, against its authors' own answers."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.algebra import OWN, Plan, Source, Stratum
from lib_indetail.attention.method import Method
from lib_indetail.attention.origins import Own
from lib_indetail.attention.per_layer import PerLayer
from lib_indetail.attention.sites import Where
from tests.one_site import JointBlock, answered, on_grid, units

TENSORS, META = units("panels")
UNITS = {unit["tag"]: unit for unit in META["units"]}


class Panels(Method):
    """What the right panel gets of the left one is multiplied by lambda, and nothing is divided by it again."""

    where = (Where("joint", ""),)

    def __init__(self, strength: float):
        left, right = (PerLayer(lambda tokens, device, wanted=wanted: _panel(tokens, wanted).to(device))
                       for wanted in (False, True))
        extra = PerLayer(lambda tokens, device: (strength - 1) * right.on(tokens, device)[:, None])
        self._plan = Plan(Stratum((OWN,), 1.0), Stratum((Source(Own(), gain=left),), extra))

    def plan(self, u, row, site):
        return self._plan


def _panel(tokens, is_right):
    height, width = tokens.grid
    columns = (torch.arange(width) >= width / 2) == is_right
    return torch.cat([torch.zeros(tokens.lead), columns.float().repeat(height)])


def made(unit, strength):
    grid = "x".join(map(str, unit["grid"]))
    block = JointBlock(TENSORS, unit["kind"], META)
    x, text = on_grid(TENSORS[f"img.{grid}"], *unit["grid"]), TENSORS[f"txt.{grid}"]
    return answered(block, Panels(strength), x, ["uncond", "cond"], text)


@pytest.mark.parametrize("tag", UNITS)
def test_the_enhancement_is_the_authors(tag):
    unit, out = UNITS[tag], made(UNITS[tag], UNITS[tag]["attn_enforce"])
    wanted = TENSORS[f"out.{tag}.joint"] if unit["kind"] == "single" else torch.cat(
        [TENSORS[f"out.{tag}.{part}"] for part in ("txt", "img")], 1)
    assert (out - wanted).abs().max() < 1e-5
    if unit["attn_enforce"] not in (1.0, 1.3):
        assert (made(unit, 1.0) - wanted).abs().max() > 1e-2
