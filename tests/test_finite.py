"""NaN ends where it arises, with its stage in the sentence."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from lib_indetail.ask.settings import Settings
from lib_indetail.bank.recording import Heard
from lib_indetail.errors import BadPicture, CannotAct
from lib_indetail.methods.colour import Colour
from lib_indetail.noise.finite import RECORD, finite, still_finite
from lib_indetail.pictures.placing import placed, reading_mask
from lib_indetail.run.prepared import Prepared
from tests.small import randn

NAN, INF = float("nan"), float("inf")


def with_one(value: float) -> torch.Tensor:
    values = randn(1, 4, 8, 8, seed=1)
    values[0, 2, 3, 4] = value
    return values


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_one_value_that_is_no_number_is_found(value):
    with pytest.raises(CannotAct, match=r"^InDetail cannot act: the stage\.$"):
        finite(with_one(value), "the stage")
    assert finite(with_one(0.5), "the stage").shape == (1, 4, 8, 8)


def test_what_was_no_number_before_is_not_ours_to_tell():
    assert still_finite(with_one(NAN), with_one(NAN), "the stage").isnan().any()
    with pytest.raises(CannotAct, match="the stage"):
        still_finite(with_one(1.0), with_one(NAN), "the stage")


def test_a_colour_match_that_makes_nan_says_so():
    broken = Prepared(Settings(colour_match=1.0), None, with_one(NAN), {}, {})
    with pytest.raises(CannotAct, match="the colour match made NaN of the prediction"):
        Colour([broken], 0.3).matched(randn(2, 4, 8, 8, seed=2), 0.0)


@pytest.mark.parametrize("index", [0, 1])
def test_a_record_is_looked_at_in_its_last_layer(index):
    heard = Heard(["a", "b"], to_the_end=True)
    for name in ("a", "b"):
        for each in (0, 1):
            part = torch.ones(1, 4, 8)
            part[0, 1, 2] = NAN if (name, each) == ("b", index) else 1.0
            heard.add(name, each, part)
    with pytest.raises(CannotAct, match=RECORD[:40]):
        heard.check()


def test_a_record_without_nan_passes():
    heard = Heard(["a"], to_the_end=True)
    heard.add("a", 0, torch.ones(1, 4, 8))
    heard.add("a", 1, torch.ones(1, 4, 8))
    heard.check()


def test_a_picture_of_which_nothing_is_left_is_refused_by_what_it_is():
    thin = placed(Image.new("RGB", (4000, 3)), 128, 128, "fit")
    with pytest.raises(BadPicture, match=r"^Nothing of the image prompt is left to read at 128x128: it is thinner "):
        reading_mask(thin, None)
    whole, black = (placed(Image.new(mode, (64, 64)), 64, 64) for mode in ("RGB", "L"))
    with pytest.raises(BadPicture, match="its reference mask or its transparency leaves nothing"):
        reading_mask(whole, black)


def test_one_cell_is_something():
    mask = Image.new("L", (64, 64))
    mask.paste(255, (8, 8, 16, 16))
    taken = reading_mask(placed(Image.new("RGB", (64, 64)), 64, 64), placed(mask, 64, 64))
    assert taken.values.sum() == 1 and taken.values[1, 1] == 1
