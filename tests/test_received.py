"""Shares of attention: of one query they sum to 1, and are what the layer's answer is made of."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.algebra import Source, Stratum, evaluate
from lib_indetail.attention.bias import LogitBias
from lib_indetail.attention.calls import Call
from lib_indetail.attention.origins import OWN_NAME, Bank, Blend, Own
from lib_indetail.attention.received import Watcher, received
from lib_indetail.methods.mixing import CONCATENATED, Part, Stratified, mixed
from lib_indetail.methods.plans import IMAGE, concatenation, replacement, stratified
from tests.attention_functions import FUNCTIONS
from tests.small import Scene, before, behind, randn
from tests.test_algebra import HEADS, ROWS, TOKENS, WIDTH, Case

TAKE = torch.tensor([1.0, 0.0, 0.5, 1.0, 0.25, 0.0, 1.0, 1.0, 0.0])
PUT = torch.tensor([0.0, 1.0, 0.5, 1.0, 0.0, 0.0, 1.0, 0.75, 1.0])
PLANS = {
    "stratified": stratified("image", 0.3), "concatenated": concatenation("image"),
    "weak": concatenation("image", 0.2), "replaced": replacement("image"), "masked": concatenation(
        "image", 0.7, TAKE > 0), "nothing left": concatenation("image", 1.0, TAKE > 2),
    "nothing to stratify": stratified("image", 0.4, TAKE > 2),
    "soft masks": mixed([Part("image", 0.6, CONCATENATED, TAKE, PUT), Part("other", 0.4, Stratified(0.5), None, PUT)]),
    "two": mixed([Part("image", 0.5), Part("other", 0.5)]),
    "biased": (Stratum((Source(Own()), Source(Bank("image"),
                                               bias=LogitBias(randn(9, 2, seed=8), randn(9, 2, seed=9))))),),
    "blend": (Stratum((Source(Own()),)), Stratum((Source(Blend(Bank("image"), Bank("other"), 0.25)),), 0.4)),
}


@pytest.fixture
def case():
    case = Case(FUNCTIONS[0])
    case.banks = {name: tuple(randn(1, TOKENS, WIDTH, seed=seed + i) for i in (0, 1))
                  for name, seed in (("image", 2), ("other", 4))}
    return case


def layer_call(case, **changes) -> Call:
    return behind(case.module, **dict(x=case.x, output=case.output, banks=case.banks) | changes)


def heads_call(case, banks=None, values=None) -> Call:
    keys, own = case.own
    return before(case.module, case.module.to_q(case.x), keys, own if values is None else values, banks or case.banks)


@pytest.mark.parametrize("name", PLANS)
def test_the_shares_of_one_query_sum_to_1(case, name):
    for call in (layer_call(case), heads_call(case)):
        shares = received(PLANS[name], call)
        assert all(share.shape == (ROWS, TOKENS) and share.min() >= 0 for share in shares.values())
        assert (sum(shares.values()) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("name", [name for name in PLANS if name != "blend"])
@pytest.mark.parametrize("bank", ["image", "other"])
def test_they_are_the_layers_answer_where_only_that_bank_has_values(case, name, bank):
    """With 1 for all values of a bank and 0 for all others, attention gives the bank's share."""
    banks = {each: (keys, torch.full_like(values, float(each == bank))) for each, (keys, values) in case.banks.items()}
    answer = evaluate(PLANS[name], heads_call(case, banks, torch.zeros_like(case.own[1])))
    by_head = answer.view(ROWS, TOKENS, HEADS, -1).mean((2, 3))
    shares = received(PLANS[name], heads_call(case)).get(bank, torch.zeros(ROWS, TOKENS))
    assert (by_head - shares).abs().max() < 1e-5


def test_they_are_an_explicit_softmax(case):
    def split(tensor):
        return tensor.view(tensor.shape[0], -1, HEADS, WIDTH // HEADS).transpose(1, 2)

    queries, own, image = split(case.module.to_q(case.x)), split(case.own[0]), split(case.banks["image"][0])
    logits = queries @ torch.cat([own, image.expand(ROWS, -1, -1, -1)], 2).transpose(2, 3) * (WIDTH // HEADS) ** -0.5
    wanted = logits.softmax(-1)[..., TOKENS:].sum(-1).mean(1)
    assert (received(concatenation("image"), layer_call(case))["image"] - wanted).abs().max() < 1e-6


def test_some_of_the_queries_are_as_they_are_among_all(case):
    every = received(PLANS["soft masks"], layer_call(case))
    some = received(PLANS["soft masks"], layer_call(case), 3)
    assert all((some[name] - every[name][:, [0, 4, 8]]).abs().max() < 1e-6 for name in every)


def test_a_stratified_phase_gives_its_lambda_and_blends_their_parts(case):
    assert received(stratified("image", 0.3), layer_call(case))["image"].mean().item() == pytest.approx(0.3)
    blend = received(PLANS["blend"], layer_call(case))
    assert [blend[name].mean().item() for name in (OWN_NAME, "image", "other")] == pytest.approx([0.6, 0.3, 0.1])


@pytest.fixture(scope="module")
def scene(tiny):
    return Scene(tiny)


def test_hooks_tell_a_watcher_of_every_layer_and_change_nothing(scene):
    for settings in (Settings(stratified_until=1, lambda_image=0.3), Settings(stratified_until=0, strength=0.5)):
        watch = Watcher()
        assert torch.equal(scene.call(settings, watch=watch), scene.call(settings))
        table = watch.table(IMAGE)
        assert table.shape == (len(watch.layers), 1) and len(watch.layers) == 9
        assert ((table > 0) & (table < 1)).all()
        if settings.stratified_until:
            assert table.flatten().tolist() == pytest.approx([0.3] * len(table))


def test_where_nothing_is_read_the_share_is_0(scene):
    watch = Watcher()
    scene.call(Settings(start=0.9), watch=watch)
    assert watch.table(IMAGE).abs().max() == 0 and len(watch.levels) == 1
    assert watch.table("another").abs().max() == 0


def test_a_level_that_comes_again_is_one_column_and_the_mean_of_both(case):
    watch = Watcher()
    for share in (0.2, 0.4):
        watch.begins(3.0, ["layer"])
        watch.layer("layer", stratified("image", share), layer_call(case))
    assert watch.levels == [3.0] and watch.table("image").tolist() == [[pytest.approx(0.3)]]
