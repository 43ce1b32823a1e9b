"""A UNet with sgm's signatures: attn1 gets extra keywords, the UNet a vector y."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.bank.image_branch import branches
from lib_indetail.inversion.inverter import Inverter
from lib_indetail.inversion.passes import as_model, image_passes, plain_pass
from lib_indetail.methods.plans import of_one
from tests.sgm_like import sgm_unet, vector
from tests.small import randn

ROLES = ["cond", "cond", "uncond", "uncond"]
X, CONTEXT = randn(4, 4, 8, 8, seed=1), randn(4, 7, 32, seed=2)
IMAGE, TEXT = randn(1, 4, 8, 8, seed=3), randn(1, 7, 32, seed=4)
SETTINGS = Settings(stratified_until=1, guidance=0)


@pytest.fixture(scope="module")
def unet():
    return sgm_unet()


def passes(unet, settings=SETTINGS, seed=5):
    return image_passes(settings, plain_pass(unet, TEXT, y=vector(1, seed)),
                        plain_pass(unet, 0 * TEXT, y=vector(1, seed)))


def call(unet, chain, schedule, settings, splits=4, keywords=False, **changes):
    arguments = dict(passes=passes(unet, settings), method=of_one(settings), blocks=settings.blocks) | changes
    y, t = vector(4, 6), 501.0
    read = branches(chain.shown(schedule), arguments["passes"], arguments["blocks"])
    with InDetailHooks(unet, read, arguments["method"]) as hooks, hooks.evaluation(schedule.sigma(t), 0.499, ROLES):
        parts = [unet(x=a, timesteps=torch.full((len(a),), t), context=b, y=c) if keywords
                 else unet(a, torch.full((len(a),), t), b, c)
                 for a, b, c in zip(X.split(splits), CONTEXT.split(splits), y.split(splits), strict=True)]
    return torch.cat(parts)


@pytest.fixture(scope="module")
def chain(unet, schedule):
    with torch.no_grad():
        return Inverter(schedule).ddim(as_model(plain_pass(unet, TEXT, y=vector(1, 5))), IMAGE, [1, 301, 601, 901])


@pytest.fixture(scope="module")
def plain(unet):
    with torch.no_grad():
        return unet(X, torch.full((4,), 501.0), CONTEXT, vector(4, 6))


def test_decoder_blocks_of_several_transformers_are_found(unet):
    counts = [len(self_attention_layers(unet, blocks)) for blocks in ("decoder", "middle and decoder", "all")]
    assert counts == [3, 5, 6]


def test_inversion_passes_y_along(chain):
    assert len(chain.latents) == 5 and all(torch.isfinite(z).all() for z in chain.latents)


@pytest.mark.parametrize("settings", [Settings(), Settings(stratified_until=0), Settings(replacement_until=1)])
def test_cond_rows_read_the_image_and_uncond_rows_keep_their_bits(unet, schedule, chain, plain, settings):
    result = call(unet, chain, schedule, settings)
    assert torch.equal(result[2:], plain[2:])
    assert (result[:2] - plain[:2]).abs().max() > 1e-2


def test_conflicting_changes_both_sides(unet, schedule, chain, plain):
    result = call(unet, chain, schedule, SETTINGS)
    assert min((result[i] - plain[i]).abs().max() for i in range(4)) > 1e-2


def test_the_call_may_use_keywords_only(unet, schedule, chain):
    assert torch.equal(call(unet, chain, schedule, SETTINGS, keywords=True), call(unet, chain, schedule, SETTINGS))


@pytest.mark.parametrize("splits", [1, 2, 3])
def test_rows_in_several_calls_give_what_one_call_gives(unet, schedule, chain, splits):
    assert (call(unet, chain, schedule, SETTINGS, splits) - call(unet, chain, schedule, SETTINGS)).abs().max() < 1e-5


def test_the_images_own_vector_reaches_the_record_pass(unet, schedule, chain):
    other = call(unet, chain, schedule, SETTINGS, passes=passes(unet, seed=9))
    assert (other - call(unet, chain, schedule, SETTINGS)).abs().max() > 1e-3


def test_a_bias_works_with_sgms_attention(unet, schedule, chain, plain):
    half, full, least = (call(unet, chain, schedule, Settings(stratified_until=0, strength=s))
                         for s in (0.5, 1.0, 1e-6))
    assert (half - full).abs().max() > 1e-3 and (half - plain).abs().max() > 1e-3
    assert (least - plain).abs().max() < 1e-4
