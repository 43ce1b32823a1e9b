"""UNets that cannot be hooked are refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib_indetail.errors import CannotAct
from lib_indetail.run.unet_kinds import refuse_unet
from tests.small import small_model


@pytest.fixture(scope="module")
def unet():
    return small_model().unet


class MotionWrapper(nn.Module):
    """As AnimateDiff calls its own."""


def test_a_unet_of_the_known_kind_may_stay(unet):
    refuse_unet(unet)


@pytest.mark.parametrize("strange", [None, nn.Linear(2, 2)])
def test_another_family_is_refused(strange):
    with pytest.raises(CannotAct, match="knows Stable Diffusion 1, 2 and XL, not this kind of model"):
        refuse_unet(strange)


def test_a_compiled_one_is_refused(unet):
    with pytest.raises(CannotAct, match="compiled"):
        refuse_unet(torch.compile(unet))


def test_one_with_video_modules_is_refused(unet):
    unet.output_blocks[0].add_module("motion", MotionWrapper())
    try:
        with pytest.raises(CannotAct, match="AnimateDiff"):
            refuse_unet(unet)
    finally:
        del unet.output_blocks[0].motion
