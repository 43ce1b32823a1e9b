"""Which rows of a UNet call change, in every way in which a host may send them."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.method import Planned
from lib_indetail.bank.memory import BankMemory
from lib_indetail.inversion.passes import image_passes
from lib_indetail.kept.cache import Cache
from lib_indetail.methods.plans import IMAGE, IMAGE_WITHOUT_TEXT, stratified
from tests.small import Scene, randn

STRATIFIED, CONCATENATED, BOTH = (Settings(stratified_until=1), Settings(stratified_until=0),
                                  Settings(stratified_until=1, guidance=0))


@pytest.fixture(scope="module")
def scene(tiny):
    return Scene(tiny)


def distance(a, b):
    return float((a - b).abs().max())


@pytest.mark.parametrize("settings", [STRATIFIED, CONCATENATED, Settings(replacement_until=1)])
@pytest.mark.parametrize("blocks", ["decoder", "middle and decoder", "all"])
def test_uncond_rows_are_bit_equal_to_plain_at_guidance_1(scene, settings, blocks):
    result, plain = scene.call(Settings.of({**vars(settings), "blocks": blocks})), scene.plain()
    assert torch.equal(result[2:], plain[2:])
    assert distance(result[:2], plain[:2]) > 1e-2


def test_uncond_rows_differ_from_plain_at_guidance_0(scene):
    result, plain = scene.call(BOTH), scene.plain()
    assert distance(result[2:], plain[2:]) > 1e-2
    assert torch.equal(result[:2], scene.call(STRATIFIED)[:2])


def test_uncond_rows_move_further_the_less_guidance_protects_them(scene):
    plain = scene.plain()[2:]
    moved = [distance(scene.call(Settings(stratified_until=1, guidance=g))[2:], plain) for g in (1, 0.9, 0.5, 0)]
    assert moved[0] == 0 and moved == sorted(moved) and moved[1] < 0.5 * moved[3]


def test_strength_0_is_bit_equal_to_plain(scene):
    assert torch.equal(scene.call(Settings(strength=0, guidance=0)), scene.plain())


def test_lambda_0_is_bit_equal_to_plain_in_the_stratified_phase(scene):
    assert torch.equal(scene.call(Settings(stratified_until=1, lambda_image=0)), scene.plain())


def test_strength_and_lambda_multiply_in_the_stratified_phase(scene):
    half = scene.call(Settings(stratified_until=1, strength=0.5, lambda_image=0.8))
    assert torch.equal(half, scene.call(Settings(stratified_until=1, lambda_image=0.4)))


def test_phases_follow_each_other_replacement_stratified_concatenation(scene):
    mixed = Settings(replacement_until=0.2, stratified_until=0.5)
    for t, alone in ((900.0, Settings(replacement_until=1)), (600.0, STRATIFIED), (300.0, CONCATENATED)):
        assert torch.equal(scene.call(mixed, t), scene.call(alone, t)), t
    overlapping = Settings(replacement_until=0.5, stratified_until=0.5)
    assert torch.equal(scene.call(overlapping, 600.0), scene.call(Settings(replacement_until=1), 600.0))


@pytest.mark.parametrize("settings", [STRATIFIED, CONCATENATED, BOTH])
@pytest.mark.parametrize("splits", [[1, 1, 1, 1], [2, 2], [1, 3], [3, 1], [1, 2, 1]])
def test_rows_in_several_calls_give_what_one_call_gives(scene, settings, splits):
    assert distance(scene.call(settings, splits=splits), scene.call(settings)) < 1e-5


@pytest.mark.parametrize("order", [[2, 3, 0, 1], [0, 2, 1, 3], [2, 0, 3, 1], [3, 2, 1, 0]])
@pytest.mark.parametrize("settings", [STRATIFIED, BOTH])
def test_rows_may_come_in_any_order(scene, settings, order):
    assert distance(scene.call(settings, order=order), scene.call(settings)) < 1e-5


def test_several_cond_rows_a_picture_all_read_the_image(tiny):
    scene = Scene(tiny, n=3)
    scene.roles = ["cond"] * 4 + ["uncond"] * 2
    result, plain = scene.call(STRATIFIED), scene.plain()
    assert all(distance(a, b) > 1e-2 for a, b in zip(result[:4], plain[:4], strict=True))
    assert torch.equal(result[4:], plain[4:])


def test_rows_of_others_are_bit_equal_to_plain(scene):
    roles, scene.roles = scene.roles, ["other", "cond", "other", "uncond"]
    result, plain = scene.call(BOTH), scene.plain()
    scene.roles = roles
    assert torch.equal(result[[0, 2]], plain[[0, 2]])
    assert distance(result[1], plain[1]) > 1e-2 and distance(result[3], plain[3]) > 1e-2


def test_calls_past_the_list_are_left_alone(scene):
    timesteps = torch.full((4,), 501.0)
    with scene.hooks(BOTH) as hooks:
        with hooks.evaluation(scene.model.schedule.sigma(501), 0.5, scene.roles):
            scene.model.unet(scene.x, timesteps, context=scene.context)
            past = scene.model.unet(scene.x, timesteps, context=scene.context)
        outside = scene.model.unet(scene.x, timesteps, context=scene.context)
    assert torch.equal(past, scene.plain()) and torch.equal(outside, scene.plain())


def test_a_layer_called_with_another_number_of_rows_is_left_alone(scene):
    layer = scene.model.unet.output_blocks[11][1].transformer_blocks[0].attn1
    inputs = {rows: randn(rows, 9, layer.to_q.in_features, seed=rows) for rows in (1, 2, 3, 5, 8)}
    with scene.hooks(BOTH) as hooks, hooks.evaluation(scene.model.schedule.sigma(501), 0.5, scene.roles):
        scene.model.unet(scene.x, torch.full((4,), 501.0), context=scene.context)
        for x in inputs.values():
            assert torch.equal(layer(x), type(layer).forward(layer, x))


def test_a_method_decides_for_each_role(scene):
    def plan(u, row, site):
        return stratified(IMAGE, 0.5) if row.role == "uncond" else None

    result, plain = scene.call(STRATIFIED, method=Planned(plan)), scene.plain()
    assert torch.equal(result[:2], plain[:2]) and distance(result[2:], plain[2:]) > 1e-2


def test_blocks_choose_the_layers_that_read(scene):
    results = [scene.call(Settings(stratified_until=1, blocks=blocks))
               for blocks in ("decoder", "middle and decoder", "all")]
    assert distance(results[0], results[1]) > 1e-5 and distance(results[1], results[2]) > 1e-3


def test_guidance_1_makes_no_pass_without_text(scene):
    def forbidden(z, timesteps):
        raise AssertionError("made at guidance 1")

    scene.call(STRATIFIED, passes={IMAGE: scene.with_text, IMAGE_WITHOUT_TEXT: forbidden})


def test_hooks_forget_every_recorded_tensor_when_they_go(scene):
    with scene.hooks(BOTH) as hooks:
        with hooks.evaluation(scene.model.schedule.sigma(501), 0.5, scene.roles):
            scene.model.unet(scene.x, torch.full((4,), 501.0), context=scene.context)
        assert set(hooks.at_work._banks) == {IMAGE, IMAGE_WITHOUT_TEXT}
    assert hooks.at_work._banks == {}


def test_calls_after_an_evaluation_that_was_cut_short_are_left_alone(scene):
    timesteps = torch.full((4,), 501.0)
    with scene.hooks(BOTH) as hooks:
        with pytest.raises(RuntimeError), hooks.evaluation(scene.model.schedule.sigma(501), 0.5, scene.roles):
            raise RuntimeError
        assert torch.equal(scene.model.unet(scene.x, timesteps, context=scene.context), scene.plain())


def test_conflict_free_guidance_offers_no_bank_to_uncond_rows():
    assert [sorted(image_passes(Settings(guidance=g), None, None)) for g in (1, 0.99)] == [
        [IMAGE], [IMAGE, IMAGE_WITHOUT_TEXT]]


@pytest.fixture
def projected(scene, monkeypatch):
    """Tokens that went through each projection of the last decoder layer."""
    layer = [module for name, module in scene.model.unet.named_modules() if name.endswith("attn1")][-1]
    parts = {layer.to_q: "queries", layer.to_k: "keys", layer.to_v: "values", layer.to_out[0]: "output"}
    tokens = dict.fromkeys(parts.values(), 0)
    forward = torch.nn.Linear.forward

    def counted(self, x):
        if self in parts:
            tokens[parts[self]] += x.shape[0] * x.shape[1]
        return forward(self, x)

    monkeypatch.setattr(torch.nn.Linear, "forward", counted)
    return tokens


@pytest.mark.parametrize("settings", [STRATIFIED, CONCATENATED, Settings(replacement_until=1)])
def test_a_layer_computes_each_projection_once(scene, projected, settings):
    memory = BankMemory(Cache(lambda: 10**9), "picture")
    scene.call(settings, memory=memory)
    projected.update(dict.fromkeys(projected, 0))
    scene.call(settings, memory=memory)
    one_token_for_the_hosts_own_call, all_tokens = 1, len(scene.x) * 8 * 8
    assert projected == dict.fromkeys(projected, all_tokens + one_token_for_the_hosts_own_call)


@pytest.mark.parametrize("settings", [STRATIFIED, CONCATENATED, BOTH, Settings(replacement_until=1, strength=0.7)])
def test_beside_somebody_elses_hook_the_answer_is_the_same_and_the_hook_sees_all_rows(scene, settings):
    alone, rows = scene.call(settings), []
    layers = [module for name, module in scene.model.unet.named_modules() if name.endswith("attn1")]
    handles = [layer.register_forward_hook(lambda *args: rows.append(len(args[2]))) for layer in layers]
    try:
        beside = scene.call(settings)
    finally:
        [handle.remove() for handle in handles]
    assert torch.allclose(alone, beside, atol=1e-5)
    assert rows.count(len(scene.x)) == len(layers)


def test_a_layer_whose_forward_was_replaced_runs_it_on_all_rows(scene):
    layer = [module for name, module in scene.model.unet.named_modules() if name.endswith("attn1")][-1]
    alone, seen, own = scene.call(CONCATENATED), [], layer.forward

    def replaced(x, context=None, mask=None):
        seen.append(tuple(x.shape[:2]))
        return own(x, context, mask)

    layer.forward = replaced
    try:
        beside = scene.call(CONCATENATED)
    finally:
        del layer.forward
    assert torch.allclose(alone, beside, atol=1e-5)
    assert (len(scene.x), 64) in seen
