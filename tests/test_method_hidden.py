"""A method may have images sampled that are not shown, begin at other noise, and write other texts."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.algebra import Plan, Source, Stratum
from lib_indetail.attention.method import Beside
from lib_indetail.attention.origins import OfRow
from lib_indetail.attention.rows import Row
from lib_indetail.methods.plans import InDetail
from tests.fake_host import PAPER, FakeHost
from tests.frozen.wishes import picture

WISH = {"image": picture(0, 64, 64), **PAPER, "adain": 0}


class Beside(InDetail):
    """One hidden image, of noise of its own, which the shown ones read in the place of their own keys and values."""

    beside, reads = (Beside(),), True

    def __init__(self, readers):
        super().__init__(readers)
        self.read_rows = {Row("cond", 2)}
        self._hidden = Plan(Stratum((Source(OfRow(Row("cond", 2))),)))

    def plan(self, u, row, site=None):
        return self._hidden if self.reads and row.role == "cond" and row.image < 2 else None

    def started(self, x, sigma):
        return torch.cat([x[:-1], x[-1:].flip(-1)])


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def made(host, monkeypatch, **changes):
    monkeypatch.setattr("lib_indetail.run.generation.InDetail", type("Changed", (Beside,), changes))
    return host.generate(WISH, seeds=(1, 2)).latents[0]


def test_hidden_images_are_sampled_and_not_shown(host, monkeypatch):
    plain = host.generate(seeds=(1, 2)).latents[0]
    host.rows_answered = []
    alone = made(host, monkeypatch, reads=False)
    assert {len(rows) for rows in host.rows_answered} == {6} and alone.shape == plain.shape
    assert (alone - plain).abs().max() < 1e-4


def test_shown_images_read_a_hidden_one_of_the_noise_that_it_begins_at(host, monkeypatch):
    plain = host.generate(seeds=(1, 2)).latents[0]
    read = made(host, monkeypatch)
    other = made(host, monkeypatch, started=lambda self, x, sigma: x)
    assert (read - plain).abs().amax((1, 2, 3)).min() > 1e-2
    assert (read - other).abs().max() > 1e-2


@pytest.mark.parametrize("ways", [{"rows_a_call": 3}, {"tells": True}])
def test_however_rows_are_sent(host, monkeypatch, ways):
    whole = made(host, monkeypatch)
    for name, value in ways.items():
        setattr(host, name, value)
    assert (made(host, monkeypatch) - whole).abs().max() < 1e-4


def test_other_texts_stand_in_the_rows_places(host, monkeypatch):
    plain = made(host, monkeypatch, reads=False)
    swapped = made(host, monkeypatch, reads=False, rewritten=lambda self, u, cond, uncond, text_of: (2 * cond, uncond))
    assert (swapped - plain).abs().max() > 1e-3
