"""Which self-attention layers take part."""

from __future__ import annotations

import pytest
from torch import nn

from embedded.model import build_unet
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.errors import CannotAct


@pytest.fixture(scope="module")
def unet():
    return build_unet()


def test_the_decoder_has_9_layers_in_order(unet):
    names = list(self_attention_layers(unet))
    assert len(names) == 9
    assert [name.split(".")[:2] for name in names] == [["output_blocks", str(i)] for i in range(9)]
    assert all(name.endswith(".attn1") for name in names)


@pytest.mark.parametrize(("blocks", "encoder", "middle"), [
    ("decoder", 0, 0), ("middle and decoder", 0, 1), ("all", 6, 1)])
def test_blocks_add_the_middle_and_the_encoder(unet, blocks, encoder, middle):
    names = list(self_attention_layers(unet, blocks))
    assert len(names) == encoder + middle + 9
    parts = [name.split(".")[0] for name in names]
    assert parts == ["input_blocks"] * encoder + ["middle_block"] * middle + ["output_blocks"] * 9


def test_names_lead_to_the_modules(unet):
    modules = dict(unet.named_modules())
    assert all(modules[name] is module for name, module in self_attention_layers(unet, "all").items())


def test_the_golden_model_has_9_decoder_layers(tiny):
    assert len(self_attention_layers(tiny.unet)) == 9


def test_layers_turned_into_cross_attention_are_left_out():
    unet = build_unet(disable_self_attentions=[False, True, False], disable_middle_self_attn=True)
    assert len(self_attention_layers(unet)) == 6
    assert len(self_attention_layers(unet, "middle and decoder")) == 6
    assert len(self_attention_layers(unet, "all")) == 10


@pytest.mark.parametrize("unet", [nn.Sequential(nn.Linear(2, 2)), nn.Module()])
def test_a_unet_without_any_is_refused(unet):
    with pytest.raises(CannotAct, match="no self-attention layer in its decoder blocks"):
        self_attention_layers(unet)


def test_blocks_that_are_not_there_are_refused(unet):
    with pytest.raises(CannotAct, match="no self-attention layer in its encoder blocks"):
        self_attention_layers(unet, "encoder")
