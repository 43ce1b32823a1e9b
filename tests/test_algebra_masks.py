"""Key masks and logit biases: masked keys are not there at all, biases reach every head exactly."""

from __future__ import annotations

import math

import pytest
import torch

from lib_indetail.attention.algebra import OWN, Source, Stratum
from lib_indetail.attention.bias import LogitBias
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.origins import Bank, Own
from lib_indetail.methods.plans import stratified
from tests.attention_functions import FUNCTIONS
from tests.small import randn
from tests.test_algebra import IMAGE_TOKENS, ROWS, TOKENS, Case, close

KEEP = torch.tensor([True, False, True, True, False, False, True])
NONE = torch.zeros(IMAGE_TOKENS, dtype=torch.bool)
ALL = torch.ones(IMAGE_TOKENS, dtype=torch.bool)


@pytest.fixture(params=FUNCTIONS, ids=lambda f: f.__name__)
def case(request):
    return Case(request.param)


@pytest.fixture(params=FUNCTIONS, ids=lambda f: f.__name__)
def biased(request):
    return Case(request.param)


def image(**fields):
    return Source(Bank("image"), **fields)


def kept_bank(case, keep=KEEP):
    return [t[:, keep] for t in case.banks["image"]]


def test_masked_keys_are_left_out_of_the_softmax(case):
    plan = Stratum((OWN,)), Stratum((image(keep=KEEP),), 0.4)
    close(case.evaluate(plan), case.expect((0.6, *case.own), (0.4, *kept_bank(case))))


def test_changing_masked_keys_changes_nothing(case):
    plan = (Stratum((OWN, image(keep=KEEP))),)
    before = case.evaluate(plan)
    for tensor in case.banks["image"]:
        tensor[:, ~KEEP] = float("nan")
    assert torch.equal(case.evaluate(plan), before)


def test_a_mask_that_keeps_every_key_is_no_mask(case):
    assert torch.equal(case.evaluate((Stratum((image(keep=ALL),)),)), case.evaluate((Stratum((image(),)),)))


def test_a_mask_may_be_a_function_of_the_keys(case):
    plan = (Stratum((image(keep=lambda tokens: KEEP[:tokens.count]),)),)
    close(case.evaluate(plan), case.expect((1.0, *kept_bank(case))))


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_a_stratum_with_all_keys_masked_leaves_exactly_the_own_output(case, share):
    assert torch.equal(case.evaluate((Stratum((OWN,)), Stratum((image(keep=NONE),), share))), case.output)


def test_a_masked_stratum_with_a_weight_per_token_leaves_exactly_the_own_output(case):
    weight = torch.linspace(0, 1, TOKENS).view(TOKENS, 1)
    assert torch.equal(case.evaluate((Stratum((OWN,)), Stratum((image(keep=NONE),), weight))), case.output)


def test_concatenation_with_all_image_keys_masked_is_the_own_output(case):
    result = case.evaluate((Stratum((OWN, image(keep=NONE, bias=math.log(0.5)))),))
    assert torch.equal(result, case.output)


def test_no_key_at_all_gives_the_output_bias_and_no_nan(case):
    result = case.evaluate((Stratum((image(keep=NONE),), 1.0),)).expand(ROWS, TOKENS, -1)
    close(result, case.module.to_out[0].bias.expand_as(result))


def test_own_keys_can_be_masked(case):
    keep = torch.arange(TOKENS) % 3 > 0
    close(case.evaluate((Stratum((Source(Own(), keep=keep),)),)), case.expect((1.0, *(t[:, keep] for t in case.own))))


def test_a_constant_bias_alone_changes_no_softmax(biased):
    close(biased.evaluate((Stratum((image(bias=-3.0),)),)), biased.expect((1.0, *biased.banks["image"])))


def test_a_bias_per_key_is_added_to_every_heads_logits(biased):
    bias = torch.linspace(-2, 3, IMAGE_TOKENS).view(-1, 1)
    plan = (Stratum((image(bias=LogitBias(bias)),)),)
    close(biased.evaluate(plan), biased.expect((1.0, *biased.banks["image"], bias.view(1, -1))))


def test_region_bias_of_rank_2_pairs_queries_with_keys(biased):
    queries, keys = randn(TOKENS, 2, seed=11), randn(IMAGE_TOKENS, 2, seed=12)
    plan = (Stratum((image(bias=LogitBias(keys, queries)),)),)
    close(biased.evaluate(plan), biased.expect((1.0, *biased.banks["image"], queries @ keys.T)))


@pytest.mark.parametrize("rank", [8, 9])
def test_a_bias_may_need_more_than_one_widening(biased, rank):
    queries, keys = randn(TOKENS, rank, seed=13), randn(IMAGE_TOKENS, rank, seed=14)
    plan = (Stratum((image(bias=LogitBias(keys, queries)),)),)
    close(biased.evaluate(plan), biased.expect((1.0, *biased.banks["image"], queries @ keys.T)), 4e-6)


def test_a_mask_takes_the_bias_of_its_keys_along(biased):
    queries, keys = randn(TOKENS, 2, seed=15), randn(IMAGE_TOKENS, 2, seed=16)
    plan = (Stratum((OWN, image(keep=KEEP, bias=LogitBias(keys, queries)))),)
    both = [torch.cat([own, part.expand(ROWS, -1, -1)], 1)
            for own, part in zip(biased.own, kept_bank(biased), strict=True)]
    bias = torch.cat([torch.zeros(TOKENS, TOKENS), queries @ keys[KEEP].T], 1)
    close(biased.evaluate(plan), biased.expect((1.0, *both, bias)))


def test_biases_of_several_sources_do_not_mix(biased):
    queries, keys = randn(TOKENS, 2, seed=17), randn(TOKENS, 2, seed=18)
    plan = (Stratum((Source(Own(), bias=LogitBias(keys, queries)), image(bias=-1.5), Source(Bank("other")))),)
    parts = zip(biased.own, biased.banks["image"], biased.banks["other"], strict=True)
    keys_values = [torch.cat([t.expand(ROWS, -1, -1) for t in part], 1) for part in parts]
    bias = torch.cat([queries @ keys.T, torch.full((TOKENS, IMAGE_TOKENS), -1.5), torch.zeros(TOKENS, IMAGE_TOKENS)], 1)
    close(biased.evaluate(plan), biased.expect((1.0, *keys_values, bias)))


def test_weights_and_masks_work_in_half_precision():
    case = Case(FUNCTIONS[1])
    case.module.bfloat16()
    half = {k: tuple(t.bfloat16() for t in v) for k, v in case.banks.items()}
    x = case.x.bfloat16()
    plan = stratified("image", torch.full((TOKENS, 1), 0.25))
    result = case.evaluate(plan, x=x, context=x, output=case.module(x), banks=half)
    assert result.dtype == torch.bfloat16
    assert HostAttention().project(case.module, result).dtype == torch.bfloat16
