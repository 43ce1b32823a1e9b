"""Detail in whole generations with the embedded model, and what each image prompt has of it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from embedded.demo import picture_of, unseen
from embedded.generate import Request, generate, prepare
from lib_indetail.ask.settings import Settings
from lib_indetail.errors import CannotAct
from lib_indetail.methods import detail
from lib_indetail.methods.colour import Colour
from lib_indetail.methods.detail import Detail
from lib_indetail.methods.patches import Exemplar, drawn
from lib_indetail.noise.mask import Mask
from lib_indetail.pictures.convert import picture_tensor
from lib_indetail.run.prepared import Prepared
from tests.small import randn

REQUEST = Request("a star", seeds=(5, 6, 7), steps=5)
LATE = 0.5


@pytest.fixture(scope="module")
def pictures(embedded):
    scenes = unseen(1, "circle", "dotted"), unseen(2, "heart", "striped")
    return [prepare(embedded, embedded.encode(picture_tensor(picture_of(scene))), "a star", Settings())
            for scene in scenes]


def beside(image, number=1, take=None, put=None, images=None, **settings):
    settings = dataclasses.replace(image.settings, **settings)
    return dataclasses.replace(image, settings=settings, number=number, take=take, put=put, images=images)


def distance(a, b):
    return float((a - b).abs().max())


def test_detail_changes_generations_and_none_is_bit_equal(embedded, pictures):
    without, none, some = (generate(embedded, REQUEST, beside(pictures[0], **settings))
                           for settings in ({}, {"detail": 0.0, "detail_schedule": "0:1"}, {"detail": 0.5}))
    assert torch.equal(without, none)
    assert distance(some, without) > 1e-1


def test_a_generation_with_detail_is_the_same_one_by_one(embedded, pictures):
    image = beside(pictures[0], detail=0.5)
    with torch.backends.mkldnn.flags(enabled=False):
        together = generate(embedded, REQUEST, image)
        alone = [generate(embedded, dataclasses.replace(REQUEST, seeds=(seed,)), image) for seed in REQUEST.seeds]
    assert distance(together, torch.cat(alone)) < 1e-3


def test_it_acts_from_where_the_shape_has_settled_and_within_the_window(pictures):
    whole = Detail([beside(pictures[0], detail=0.5)])
    assert [whole.acts(u) for u in (detail.FROM - 0.01, detail.FROM, detail.UNTIL - 0.01, detail.UNTIL)] \
        == [False, True, True, False]
    assert Detail([beside(pictures[0], detail=0.5)], until=1.0).acts(1.0)
    part = Detail([beside(pictures[0], detail=0.5, start=0.4, end=0.6)])
    assert [part.acts(u) for u in (0.39, 0.4, 0.59, 0.6)] == [False, True, True, False]
    assert not Detail([pictures[0]]).acts(LATE)
    assert not Detail([beside(pictures[0], detail=0.5, side="negative")]).acts(LATE)
    assert not Detail([beside(pictures[0], detail=0.5, strength_schedule="0:1, 0.4:0")]).acts(LATE)


def test_strength_and_schedules_multiply_it(pictures):
    clean = randn(2, 4, 16, 16, seed=4)
    change = {name: Detail([beside(pictures[0], **settings)]).drawn(clean, LATE) - clean for name, settings in {
        "whole": {"detail": 0.8}, "strength": {"detail": 0.8, "strength": 0.5},
        "schedule": {"detail": 0.8, "strength_schedule": "linear"},
        "own": {"detail": 0.8, "detail_schedule": "0:0, 1:0.8"}}.items()}
    for name in ("strength", "schedule", "own"):
        assert distance(change[name], change["whole"] / 2) < 1e-5
    assert change["whole"].abs().max() > 0.1


def test_several_pictures_are_one_set_of_patches_by_share_and_mask(pictures):
    clean, left = randn(2, 4, 16, 16, seed=5), torch.zeros(16, 16)
    left[:, :8] = 1
    acting = [beside(pictures[0], detail=0.5, weight=0.5, put=left, take=Mask(left)),
              beside(pictures[1], 2, detail=1.0, weight=1.5),
              beside(pictures[1], 3, detail=1.0, weight=2.0, side="negative"), beside(pictures[1], 4, weight=1.0)]
    made = Detail(acting).drawn(clean, LATE)
    expected = drawn(clean, [Exemplar(pictures[0].clean, 0.25 * 0.5, left, left),
                             Exemplar(pictures[1].clean, 0.75)], detail.TERM)
    assert distance(made, expected) < 1e-6


def test_each_image_of_a_batch_has_its_own_pictures(pictures):
    clean = randn(3, 4, 16, 16, seed=6)
    spread = Detail([beside(pictures[0], detail=0.5, images=frozenset({0})),
                     beside(pictures[1], 2, detail=0.5, images=frozenset({1}))]).drawn(clean, LATE)
    for row in (0, 1):
        alone = Detail([beside(pictures[row], detail=0.5)]).drawn(clean[row:row + 1], LATE)
        assert distance(spread[row:row + 1], alone) < 1e-6
    assert torch.equal(spread[2], clean[2])


def test_a_term_that_makes_nan_says_so():
    clean = randn(1, 4, 8, 8, seed=1)
    clean[0, 2, 3, 4] = float("nan")
    with pytest.raises(CannotAct, match="the detail term made NaN of the prediction"):
        Detail([Prepared(Settings(detail=1.0), None, clean, {}, {})]).drawn(randn(2, 4, 8, 8, seed=2), LATE)


def test_colours_are_matched_after_detail_has_drawn(embedded, pictures, monkeypatch):
    acted = []
    for kind, name in ((Detail, "drawn"), (Colour, "matched")):
        before = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda self, clean, u, name=name, before=before:
                            acted.append((u, name)) or before(self, clean, u))
    generate(embedded, REQUEST, beside(pictures[0], detail=1.0, colour_match=1.0, colour_until=1.0))
    both = [u for u, name in acted if name == "drawn"]
    assert len(both) > 1 and [each for each in acted if each[0] in both] \
        == [(u, name) for u in both for name in ("drawn", "matched")]
