"""Where somebody else answers in a layer's place (Forge's replacements, StyleAlign among them), that is the own
stratum: what others do stays, and the picture comes to it."""

from __future__ import annotations

import types

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.entered import BeforeProjection, of_module
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.layers import self_attention_layers
from tests.small import Notebook, Scene, small_model


def shared(module, queries, keys, values):
    """A rule of somebody else's: the cond rows read each other's keys, and so do the uncond rows."""
    halves = zip(*(part.chunk(2) for part in (queries, keys, values)), strict=True)
    return torch.cat([HostAttention().heads(module, q, *(
        part.reshape(1, -1, part.shape[-1]).expand(len(part), -1, -1) for part in kv)) for q, *kv in halves])


@pytest.fixture
def scene():
    """Blocks as Forge has them: whoever replaces attention is asked in the module's place."""
    scene = Scene(small_model())
    scene.ask = None
    for name, module in self_attention_layers(scene.model.unet, "all").items():
        block = scene.model.unet.get_submodule(name.rpartition(".")[0])

        def forward(self, x, context=None, name=name, module=module):
            normed = self.norm1(x)
            made = module.to_q(normed), module.to_k(normed), module.to_v(normed)
            theirs = shared(module, *made) if len(x) > 1 else HostAttention().heads(module, *made)
            met = BeforeProjection(module.heads, *made, of_module(HostAttention(), module), theirs)
            x = module.to_out(scene.ask(name, met) if scene.ask else theirs) + x
            x = self.attn2(self.norm2(x), context=context) + x
            return self.ff(self.norm3(x)) + x

        block._forward = types.MethodType(forward, block)
    return scene


def made(scene, settings, memory=None):
    """The answer, and what was asked at each site."""
    asked = {}
    with scene.hooks(settings, memory=memory) as hooks, \
            hooks.evaluation(scene.model.schedule.sigma(501), 0.5, scene.roles):
        def ask(name, met):
            out = hooks.at_work.answered(name, met)
            if met.shape[0] == len(scene.x):
                asked[name] = met, out
            return out

        scene.ask = ask
        out = scene.model.unet(scene.x, torch.full((4,), 501.0), context=scene.context)
    scene.ask = None
    return out, asked


def test_uncond_rows_keep_their_answer_bit_by_bit(scene):
    plain, out = scene.plain(), made(scene, Settings(stratified_until=1))[0]
    assert torch.equal(out[2:], plain[2:]) and (out[:2] - plain[:2]).abs().max() > 1e-2
    assert torch.equal(made(scene, Settings(stratified_until=1, strength=0))[0], plain)


def test_cond_rows_have_the_picture_beside_their_answer(scene):
    notebook = Notebook()
    _, asked = made(scene, Settings(stratified_until=1, lambda_image=0.3), notebook)
    layers = self_attention_layers(scene.model.unet)
    for name, module in layers.items():
        met, out = asked[name]
        bank = [part.expand(2, -1, -1) for part in notebook.kept[0][2][name]]
        picture = HostAttention().heads(module, met.queries[:2], *bank)
        assert (out[:2] - 0.7 * met.answer[:2] - 0.3 * picture).abs().max() < 1e-5
        assert torch.equal(out[2:], met.answer[2:])
        alone = HostAttention().heads(module, met.queries, met.keys, met.values)
        assert (met.answer - alone).abs().max() > 1e-2
    assert set(asked) > set(layers)


def test_a_layer_is_asked_by_its_name_and_one_that_nobody_plans_for_keeps_its_answer(scene):
    """As hosts ask whose replacements are given queries, keys and values alone."""
    _, asked = made(scene, Settings(stratified_until=1, lambda_image=0.3))
    with scene.hooks(Settings(stratified_until=1, lambda_image=0.3)) as hooks, \
            hooks.evaluation(scene.model.schedule.sigma(501), 0.5, scene.roles):
        hooks.at_work.begins_call(scene.x, torch.full((4,), 501.0), scene.context)
        met, out = asked[next(iter(self_attention_layers(scene.model.unet)))]
        name = next(name for name, (each, _) in asked.items() if each is met)
        assert hooks.unmet == list(self_attention_layers(scene.model.unet))
        given = met.queries, met.keys, met.values, met.answer
        assert torch.equal(hooks.replaced(name, *given), out)
        assert hooks.unmet == list(self_attention_layers(scene.model.unet))[1:]
        assert hooks.replaced("input_blocks.0.attn1", *given) is met.answer


def test_layers_that_nobody_came_by_are_named(scene):
    scene.ask = None
    with scene.hooks(Settings(stratified_until=1)) as hooks, \
            hooks.evaluation(scene.model.schedule.sigma(501), 0.5, scene.roles):
        scene.model.unet(scene.x, torch.full((4,), 501.0), context=scene.context)
        assert hooks.unmet == list(self_attention_layers(scene.model.unet))
    assert hooks.unmet == []
