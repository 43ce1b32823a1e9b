"""The attention algebra against an explicit softmax: weights, sources, sums; with every host function."""

from __future__ import annotations

import math

import pytest
import torch

from lib_indetail.attention.algebra import OWN, PLAIN, Plan, Source, Stratum, evaluate
from lib_indetail.attention.origins import Bank, Blend, Own
from lib_indetail.attention.sites import Tokens
from lib_indetail.methods.plans import concatenation, replacement, stratified
from tests.attention_functions import FUNCTIONS, softmax_reference
from tests.small import behind, draw_weights, randn

ROWS, TOKENS, IMAGE_TOKENS, WIDTH, HEADS = 2, 9, 7, 40, 5


class Case:
    def __init__(self, function):
        self.module = draw_weights(function(WIDTH, heads=HEADS, dim_head=WIDTH // HEADS))
        self.module.to_out[0].bias.data += 1
        self.x = randn(ROWS, TOKENS, WIDTH, seed=1)
        self.banks = {name: tuple(randn(1, IMAGE_TOKENS, WIDTH, seed=seed + i) for i in (0, 1))
                      for name, seed in (("image", 2), ("other", 4))}
        self.own = self.module.to_k(self.x), self.module.to_v(self.x)
        self.output = self.module(self.x)

    def evaluate(self, plan, **changes):
        fields = dict(x=self.x, output=self.output, banks=self.banks) | changes
        return evaluate(plan, behind(self.module, **fields))

    def expect(self, *terms):
        return softmax_reference(self.module, self.x, [(*term, 0.0)[:4] for term in terms])


@pytest.fixture(params=FUNCTIONS, ids=lambda f: f.__name__)
def case(request):
    return Case(request.param)


def close(value, expected, limit=3e-6):
    assert value.shape == expected.shape
    assert (value - expected).abs().max() <= limit


def test_plain_plan_returns_the_hosts_own_output(case):
    assert case.evaluate(PLAIN) is case.output
    close(case.output, case.expect((1.0, *case.own)))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_stratified_is_two_softmaxes_with_weights_that_sum_to_one(case, share):
    close(case.evaluate(stratified("image", share)),
          case.expect((1 - share, *case.own), (share, *case.banks["image"])))


def test_replacement_at_full_strength_reads_the_image_alone(case):
    close(case.evaluate(replacement("image")), case.expect((1.0, *case.banks["image"])))


def joined(case, image="image"):
    return [torch.cat([own, bank.expand(ROWS, -1, -1)], 1)
            for own, bank in zip(case.own, case.banks[image], strict=True)]


def test_concatenation_is_one_softmax_over_own_and_image_keys(case):
    close(case.evaluate(concatenation("image")), case.expect((1.0, *joined(case))))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("strength", [0.25, 0.9])
def test_concatenation_lowers_the_image_logits_by_log_strength(function, strength):
    case = Case(function)
    bias = torch.tensor([0.0] * TOKENS + [math.log(strength)] * IMAGE_TOKENS)
    close(case.evaluate(concatenation("image", strength)), case.expect((1.0, *joined(case), bias)))


def test_weights_may_differ_by_row(case):
    weight = torch.tensor([0.2, 0.9]).view(ROWS, 1, 1)
    expected = case.expect((1 - weight, *case.own), (weight, *case.banks["image"]))
    close(case.evaluate(stratified("image", weight)), expected)


@pytest.mark.parametrize("callable_weight", [False, True])
def test_weights_may_differ_by_query_token(case, callable_weight):
    weight = torch.linspace(0, 1, TOKENS).view(TOKENS, 1)
    expected = case.expect((1 - weight, *case.own), (weight, *case.banks["image"]))
    given = (lambda tokens: torch.linspace(0, 1, tokens.count)[:, None]) if callable_weight else weight
    plan = Plan(Stratum((OWN,)), Stratum((Source(Bank("image")),), given))
    close(case.evaluate(plan), expected)


@pytest.mark.parametrize("weights", [(0.3, 0.3), (1.0, 1.5), (-0.5, 0.25)])
def test_weights_that_do_not_sum_to_one_keep_the_output_bias_once(case, weights):
    plan = Stratum((OWN,), weights[0]), Stratum((Source(Bank("image")),), weights[1])
    close(case.evaluate(plan), case.expect((weights[0], *case.own), (weights[1], *case.banks["image"])))


def test_tensor_weights_that_do_not_sum_to_one_keep_the_output_bias_once(case):
    weights = torch.tensor([0.1, 0.4]).view(ROWS, 1, 1), torch.full((TOKENS, 1), 0.7)
    plan = Stratum((OWN,), weights[0]), Stratum((Source(Bank("image")),), weights[1])
    close(case.evaluate(plan), case.expect((weights[0], *case.own), (weights[1], *case.banks["image"])))


@pytest.mark.parametrize("amount", [0.0, 0.35, 1.0])
def test_blend_interpolates_keys_and_values_of_two_banks(case, amount):
    first, second = case.banks["image"], case.banks["other"]
    mixed = [(1 - amount) * a + amount * b for a, b in zip(first, second, strict=True)]
    plan = (Stratum((Source(Blend(Bank("image"), Bank("other"), amount)),)),)
    close(case.evaluate(plan), case.expect((1.0, *mixed)))


def test_interpolation_between_two_pictures_is_three_strata(case):
    plan = (Stratum((OWN,)), Stratum((Source(Bank("image")),), 0.3), Stratum((Source(Bank("other")),), 0.2))
    close(case.evaluate(plan), case.expect((0.5, *case.own), (0.3, *case.banks["image"]), (0.2, *case.banks["other"])))


def test_gain_scales_values_without_touching_the_softmax(case):
    gain = torch.linspace(0, 2, IMAGE_TOKENS)
    keys, values = case.banks["image"]
    plan = (Stratum((Source(Bank("image"), gain=gain),)),)
    close(case.evaluate(plan), case.expect((1.0, keys, values * gain.view(1, -1, 1))))


def test_panel_enhancement_adds_lambda_minus_one_of_the_left_panel(case):
    strength, left = 1.7, lambda tokens: (torch.arange(tokens.count) < tokens.count // 2).float()
    plan = Stratum((OWN,), 1.0), Stratum((Source(Own(), gain=left),), strength - 1)
    keys, values = case.own
    expected = case.expect((1.0, keys, values), (strength - 1, keys, values * left(Tokens(TOKENS)).view(1, -1, 1)))
    close(case.evaluate(plan), expected)


def test_own_keys_come_from_the_context_of_a_cross_attention(case):
    context = randn(ROWS, 4, WIDTH, seed=9)
    own = case.module.to_k(context), case.module.to_v(context)
    keys_values = [torch.cat([a, b.expand(ROWS, -1, -1)], 1) for a, b in zip(own, case.banks["image"], strict=True)]
    close(case.evaluate(concatenation("image"), context=context), case.expect((1.0, *keys_values)))


def test_banks_are_left_as_they_are(case):
    before = [t.clone() for pair in case.banks.values() for t in pair]
    case.evaluate(concatenation("image")), case.evaluate(stratified("image", 0.5))
    after = [t for pair in case.banks.values() for t in pair]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(("strata", "said"), [
    ([Stratum((OWN,)), Stratum((Source(Bank("image")),), 0.2), Stratum((Source(Bank("other")),))], "take the rest"),
    ([], "has strata"), ([Stratum((OWN,)), Stratum((), 0.5)], "has sources"),
    ([Stratum((OWN,), float("nan"))], "no number")])
def test_what_is_no_plan_cannot_be_made(strata, said):
    with pytest.raises(ValueError, match=said):
        Plan(*strata)


def test_a_plan_names_the_banks_that_it_reads_once_and_in_order():
    blend = Source(Blend(Bank("a"), Bank("b"), 0.5))
    plan = Plan(Stratum((OWN, Source(Bank("b")))), Stratum((blend, Source(Bank("c"))), 0.1))
    assert plan.banks == ["b", "a", "c"] and PLAIN.banks == []


def test_a_new_origin_is_one_edit(case):
    class Doubled(Bank):
        def keys_values(self, call):
            keys, values = super().keys_values(call)
            return keys, 2 * values

    keys, values = case.banks["image"]
    plan = Plan(Stratum((OWN,)), Stratum((Source(Doubled("image")),), 0.4))
    close(case.evaluate(plan), case.expect((0.6, *case.own), (0.4, keys, 2 * values)))
