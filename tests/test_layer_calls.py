"""Layers that hosts call with more than their rows: masks, values of their own, options; and plans that disagree."""

from __future__ import annotations

import types

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.attention.masks import token_mask, token_means
from lib_indetail.attention.method import Planned
from lib_indetail.attention.sites import laid
from lib_indetail.errors import CannotAct
from lib_indetail.methods.plans import stratified
from tests.small import Scene, small_model

PHASES = {"stratified": Settings(stratified_until=1.0), "concatenated": Settings(stratified_until=0.0)}
HALF = (torch.arange(64) < 40).expand(4, -1)
ALL = torch.ones(4, 64, dtype=torch.bool)


def called_with(scene: Scene, *args, **kwargs) -> Scene:
    """Every self-attention layer of the scene's UNet is called with these beside its four rows."""
    for name, module in self_attention_layers(scene.model.unet, "all").items():
        block = scene.model.unet.get_submodule(name.rpartition(".")[0])

        def forward(self, x, context=None, module=module):
            more = (args, kwargs) if len(x) == 4 else ((), {})
            x = module(self.norm1(x), *more[0], **more[1]) + x
            x = self.attn2(self.norm2(x), context=context) + x
            return self.ff(self.norm3(x)) + x

        block._forward = types.MethodType(forward, block)
    return scene


def attending(scene: Scene) -> Scene:
    """Layers that look at a mask, and take values of their own, as some hosts have them."""
    for module in self_attention_layers(scene.model.unet, "all").values():
        class Attention(type(module)):
            def forward(self, x, context=None, mask=None, value=None, transformer_options=None):
                context = x if context is None else context
                q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (
                    self.to_q(x), self.to_k(context), self.to_v(context if value is None else value)))
                mask = None if mask is None else mask[:, None, None]
                answer = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
                return self.to_out(answer.transpose(1, 2).flatten(2))

        module.__class__ = Attention
    return scene


@pytest.fixture
def scene():
    return attending(Scene(small_model()))


def distance(a, b):
    return float((a - b).abs().max())


@pytest.mark.parametrize("phase", PHASES)
def test_a_mask_that_hides_nothing_changes_nothing(scene, phase):
    without = scene.call(PHASES[phase])
    masked = called_with(scene, mask=ALL).call(PHASES[phase])
    assert distance(masked, without) < 1e-4
    assert distance(masked[:2], scene.plain()[:2]) > 1e-2


@pytest.mark.parametrize("given", [((), {"mask": HALF}), ((None, HALF), {})])
def test_a_mask_is_the_hosts_own_by_name_and_by_position(scene, given):
    without = scene.call(PHASES["stratified"])
    called_with(scene, *given[0], **given[1])
    masked, plain = scene.call(PHASES["stratified"]), scene.plain()
    assert torch.equal(masked[2:], plain[2:])
    assert distance(masked[:2], without[:2]) > 1e-3 and distance(masked[:2], plain[:2]) > 1e-3


def test_by_name_and_by_position_are_the_same(scene):
    by_name = called_with(scene, mask=HALF).call(PHASES["stratified"])
    assert torch.equal(called_with(scene, None, HALF).call(PHASES["stratified"]), by_name)


@pytest.mark.parametrize("phase", PHASES)
def test_values_of_their_own_are_the_rows_own(scene, phase):
    without = scene.call(PHASES[phase])
    values = torch.randn(4, 64, 32, generator=torch.Generator().manual_seed(3))
    given = called_with(scene, value=values).call(PHASES[phase])
    plain = scene.plain()
    assert distance(given[:2], without[:2]) > 1e-3 and distance(given[:2], plain[:2]) > 1e-3
    assert torch.equal(given[2:], plain[2:])


def test_own_values_join_those_of_the_image_prompt(scene):
    """Keys and values that are made of the same rows give what the rows alone give."""
    expected = scene.call(PHASES["concatenated"])
    for name, module in self_attention_layers(scene.model.unet, "all").items():
        block = scene.model.unet.get_submodule(name.rpartition(".")[0])

        def forward(self, x, context=None, module=module):
            normed = self.norm1(x)
            x = module(normed, value=normed) + x
            x = self.attn2(self.norm2(x), context=context) + x
            return self.ff(self.norm3(x)) + x

        block._forward = types.MethodType(forward, block)
    assert distance(scene.call(PHASES["concatenated"]), expected) < 1e-4


@pytest.mark.parametrize("options", [{}, {"transformer_options": {"cond_or_uncond": [0, 1]}},
                                     {"transformer_options": {}, "mask": None, "value": None}])
def test_harmless_keywords_leave_each_projection_at_once(scene, options):
    called_with(scene, **options)
    layer = next(iter(self_attention_layers(scene.model.unet).values()))
    rows = []
    layer.to_q.register_forward_pre_hook(lambda module, args: None)
    layer.to_q._forward_pre_hooks.clear()
    to_q = layer.to_q.forward
    layer.to_q.forward = lambda x: rows.append(x.shape[:2]) or to_q(x)
    scene.call(PHASES["stratified"])
    assert [tuple(each) for each in rows] == [(1, 64), (4, 64), (1, 1)]


def test_a_plan_that_reads_what_is_not_recorded_is_refused_by_name(scene):
    plan = stratified("other", 0.5)
    with pytest.raises(CannotAct, match=r"a plan reads 'other' in output_blocks\..*attn1, where it is not recorded"):
        scene.call(PHASES["stratified"], method=Planned(lambda u, row, site: plan))


def test_a_unet_without_self_attention_is_refused_with_a_sentence():
    with pytest.raises(CannotAct, match=r"InDetail cannot act: this UNet has no self-attention layer in its decoder"):
        self_attention_layers(torch.nn.Sequential(torch.nn.Linear(2, 2)))


@pytest.mark.parametrize("make", [lambda mask: token_mask(mask > 0), token_means])
def test_a_layer_of_odd_sides_is_rounded_up_as_convolutions_do(make):
    mask = torch.zeros(9, 5)
    mask[:, :3] = 1
    for tokens, shape in ((45, (9, 5)), (15, (5, 3)), (6, (3, 2)), (2, (2, 1))):
        pooled = torch.nn.functional.adaptive_avg_pool2d(mask[None, None], shape).flatten()
        wanted = pooled >= 0.5 if make is not token_means else pooled
        assert laid(tokens, (9, 5)).grid == shape
        assert torch.equal(make(mask)(laid(tokens, (9, 5))), wanted), shape
    assert make(mask)(laid(15, (9, 5))).float().std() > 0
