"""A picture is recorded and read at a site that is a function: joint attention over text and image."""

from __future__ import annotations

import torch

from lib_indetail.attention.algebra import OWN, Plan, Source, Stratum
from lib_indetail.attention.method import Planned
from lib_indetail.attention.origins import Bank
from lib_indetail.attention.sites import Where
from lib_indetail.bank.image_branch import Branch
from lib_indetail.bank.memory import BankMemory
from lib_indetail.kept.cache import Cache
from tests.one_site import JointBlock, answered, on_grid, units
from tests.small import randn

TENSORS, META = units("panels")
JOINT = Where("joint", "")


def without_text(tokens):
    return torch.arange(tokens.count) >= tokens.lead


def test_image_tokens_of_the_picture_are_read_beside_the_own_ones():
    block, texts = JointBlock(TENSORS, "single", META), TENSORS["txt.3x8"]
    x, picture, its_text = on_grid(TENSORS["img.3x8"], 3, 8), randn(1, 32, 3, 8, seed=1), randn(1, 7, 32, seed=2)
    seen = []
    block.attend = lambda *made: seen.append(made) or block.plain(*made)
    plain = block(x, torch.zeros(2), context=texts)
    block(picture, torch.zeros(1), context=its_text)
    block.attend = block.plain
    (queries, *_), (_, keys, values) = seen
    memory = BankMemory(Cache(lambda: 2**20), "key")
    branch = Branch(lambda sigma: picture, lambda z, t: block(z, t, context=its_text), "image", (JOINT,), memory)
    plan = Plan(Stratum((OWN,), 0.7), Stratum((Source(Bank("image"), keep=without_text),), 0.3))
    method = Planned(lambda u, row, site: plan if row.role == "cond" else None, JOINT)
    out = answered(block, method, x, ["uncond", "cond"], texts, {"image": branch})
    read = block.plain(queries[1:], keys[:, 7:], values[:, 7:])
    assert (out[0] - plain[0]).abs().max() < 1e-6 and (out[1:] - 0.7 * plain[1:] - 0.3 * read).abs().max() < 1e-5
    assert torch.equal(memory.recall("image", 1.0)["block"][0], keys)
    assert (out[1] - plain[1]).abs().max() > 1e-2
