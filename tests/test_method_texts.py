"""A method that the core knows nothing of: each region of the image has a text of its own, in cross-attention."""

from __future__ import annotations

import torch

from lib_indetail.attention.algebra import Plan, Source, Stratum
from lib_indetail.attention.masks import token_means
from lib_indetail.attention.method import Method
from lib_indetail.attention.origins import Text
from lib_indetail.attention.sites import Where
from tests.one_site import OneBlock, answered, on_grid, units
from tests.small import randn

TENSORS, META = units("interpolation")
LEFT = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(3, 4)


class RegionalTexts(Method):
    """sum_r m_r(q) A(Q, K_r, V_r) in the cond rows."""

    where = (Where("cross"),)

    def __init__(self, regions):
        self.texts = {str(number): text for number, (text, _) in enumerate(regions)}
        self._plan = Plan(*(Stratum((Source(Text(str(number))),), _column(mask))
                            for number, (_, mask) in enumerate(regions)))

    def plan(self, u, row, site):
        return self._plan if row.role == "cond" else None


def _column(mask):
    means = token_means(mask)
    return lambda tokens: means(tokens)[:, None]


def test_each_half_of_the_image_has_its_own_text():
    block = OneBlock(TENSORS, "cross", META["heads"])
    x, texts, own = on_grid(TENSORS["cross.x"], 3, 4)[:2], (randn(1, 9, 24, seed=1), randn(1, 5, 24, seed=2)), \
        randn(2, 9, 24, seed=3)
    out = answered(block, RegionalTexts([(texts[0], LEFT), (texts[1], 1 - LEFT)]), x, ["cond", "uncond"], own)
    plain = [answered(block, Method(), x[:1], ["cond"], text) for text in texts]
    wanted = LEFT.reshape(12, 1) * plain[0] + (1 - LEFT).reshape(12, 1) * plain[1]
    assert (out[:1] - wanted).abs().max() < 1e-5 and (plain[0] - plain[1]).abs().max() > 1e-2
    assert torch.equal(out[1:], block(x, torch.zeros(2), own)[1:])
