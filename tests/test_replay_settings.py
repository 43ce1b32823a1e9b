"""The replay with every setting of the official code, against the arithmetic written down literally."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from embedded.control import ControlNet
from tests.official import DATA, GOLDEN_UNET, golden_model, load_case, relative_error, replay
from tests.oracle import official_latents
from tests.small import draw_weights, randn

STEPS = 5
BASE = dict(sain="cond", end_stratified_attention=2, lambda_img=1, lambda_self=1, share_start_tsidx=0,
            sain_start_tsidx=0, sain_end_tsidx=STEPS, guidance_scale=7.5, use_adain=True, inv_offset=0,
            control=None, gm_end_tsidx=None, num_samples=2, steps=STEPS)
SETTINGS = {
    "no image": dict(sain="none"),
    "conflicting": dict(sain="all"),
    "conflicting concatenation": dict(sain="all", end_stratified_attention=0),
    "heavy image": dict(lambda_img=2),
    "light own": dict(lambda_self=0.25),
    "image alone": dict(lambda_self=0, end_stratified_attention=STEPS),
    "lambda 0": dict(lambda_img=0),
    "replacement": dict(share_start_tsidx=1),
    "replacement beyond stratified": dict(share_start_tsidx=3),
    "late start": dict(sain_start_tsidx=2),
    "early end": dict(sain_end_tsidx=1),
    "one step": dict(sain_start_tsidx=3, sain_end_tsidx=3),
    "empty window": dict(sain_start_tsidx=3, sain_end_tsidx=1),
    "no guidance": dict(guidance_scale=1),
    "no guidance, conflicting": dict(guidance_scale=1, sain="all"),
    "no AdaIN": dict(use_adain=False),
    "offset": dict(inv_offset=2),
    "great offset": dict(inv_offset=STEPS - 1),
    "all at once": dict(sain="all", lambda_img=3, lambda_self=2, share_start_tsidx=1, sain_start_tsidx=1,
                        end_stratified_attention=3, sain_end_tsidx=3, inv_offset=1),
}


@pytest.fixture(scope="module")
def model():
    return golden_model()


@pytest.fixture(scope="module")
def golden():
    return load_case(DATA / "case_imgvar_strat4of10.safetensors")


def shortened(golden, model, **changes):
    """The golden case's inputs with 5 steps and other settings; its chain made by the replay itself."""
    meta = {**BASE, **changes}
    case = dataclasses.replace(golden, tensors=dict(golden.tensors), meta=meta)
    if meta["guidance_scale"] <= 1:
        case.tensors["text.rows_in_unet_order"] = golden.tensors["text.rows_in_unet_order"][3:]
    return case


def assert_equal_after_every_step(case, model, **structure):
    result = replay(case, model, **structure)
    case.tensors["inversion.chain"] = result.chain
    expected = official_latents(case, model, **structure)
    errors = [relative_error(*pair) for pair in zip(result.after_step, expected, strict=True)]
    assert len(errors) == case.meta["steps"] and max(errors) <= 1e-4, errors


@pytest.mark.parametrize("name", ["case_imgvar_strat4of10", "case_sain_all_strat4"])
def test_the_literal_arithmetic_itself_gives_the_official_latents(model, name):
    case = load_case(DATA / f"{name}.safetensors")
    expected = case.tensors["sampling.latents_after_step"][:, 1:]
    errors = [relative_error(*pair) for pair in zip(official_latents(case, model), expected, strict=True)]
    assert max(errors) <= 1e-4, errors


@pytest.mark.parametrize("name", SETTINGS)
def test_every_official_setting_is_replayed(golden, model, name):
    assert_equal_after_every_step(shortened(golden, model, **SETTINGS[name]), model)


def test_steps_that_do_not_divide_1000_keep_their_boundaries(golden, model):
    case = shortened(golden, model, steps=7, sain_start_tsidx=1, end_stratified_attention=4, sain_end_tsidx=5)
    assert_equal_after_every_step(case, model)


@pytest.mark.parametrize("changes", [dict(gm_end_tsidx=2), dict(gm_end_tsidx=0), dict(gm_end_tsidx=2, guidance_scale=1),
                                     dict(gm_end_tsidx=9, sain="all")])
def test_given_residuals_reach_the_rows_that_the_official_code_gives_them(golden, model, changes):
    case = shortened(golden, model, control="fake", **changes)
    case.tensors.update(fake_residuals(model))
    assert_equal_after_every_step(case, model)
    plain = replay(shortened(golden, model, **changes), model)
    assert relative_error(replay(case, model).after_step[-1], plain.after_step[-1]) > 1e-2


@pytest.mark.parametrize("guidance_scale", [7.5, 1])
def test_a_controlnet_and_its_hint_are_replayed(golden, model, guidance_scale):
    control = draw_weights(ControlNet(**GOLDEN_UNET))
    case = shortened(golden, model, control="net", gm_end_tsidx=2, guidance_scale=guidance_scale)
    assert_equal_after_every_step(case, model, control=control, hint=randn(1, 3, 128, 128, seed=3).sigmoid())


def fake_residuals(model):
    """One row for every skip connection and the middle block."""
    shapes = []
    blocks = (*model.unet.input_blocks, model.unet.middle_block)
    handles = [block.register_forward_hook(lambda _m, _a, out: shapes.append(out.shape[1:])) for block in blocks]
    model.unet(randn(1, 4, 16, 16), torch.tensor([1.0]), context=randn(1, 77, 32))
    for handle in handles:
        handle.remove()
    names = [f"fake_residual.down.{i:02}" for i in range(len(shapes) - 1)] + ["fake_residual.mid"]
    return {name: 0.2 * randn(1, *shape, seed=seed)
            for seed, (name, shape) in enumerate(zip(names, shapes, strict=True))}
