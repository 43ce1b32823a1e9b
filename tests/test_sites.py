"""Where tokens lie, whose rows a method is asked about, and what is read at a site."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.algebra import OWN, Plan, Source, Stratum, evaluate
from lib_indetail.attention.bias import FromExtremes, FromProbabilities, LogitBias
from lib_indetail.attention.calls import Call, Readable
from lib_indetail.attention.entered import BeforeProjection, BehindModule, of_function
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.masks import per_token, token_mask, token_means
from lib_indetail.attention.method import Method, Planned
from lib_indetail.attention.origins import Bank, OfRow, Own
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site, Tokens, Where, laid
from lib_indetail.errors import CannotAct
from lib_indetail.noise.mask import Mask
from tests.one_site import JointBlock, OneBlock, answered, on_grid, units
from tests.small import randn

TENSORS, META = units("interpolation")
X = on_grid(TENSORS["self.x"], 3, 4)
FIRST = Row("cond", 0)


def block(kind="self"):
    return OneBlock(TENSORS, kind, META["heads"])


def test_tokens_lie_on_the_cells_or_a_halving_behind_those_of_a_text():
    assert laid(45, (9, 5)) == Tokens(45, (9, 5)) and laid(15, (9, 5)) == Tokens(15, (5, 3))
    assert laid(16, (8, 8)).grid == (4, 4) and laid(20, (8, 8)).grid is None and laid(16, None).grid is None
    assert laid(7 + 16, (8, 8), 7) == Tokens(23, (4, 4), 7) and laid(16, (8, 8), 7).grid is None


def test_a_mask_spares_the_tokens_of_a_text():
    left = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    for mask in (token_mask(left > 0), token_means(left)):
        assert mask(Tokens(7, (2, 2), 3)).tolist() == [1, 1, 1, 1, 0, 1, 0]


def test_where_names_sites_by_kind_and_block():
    site = Site("output_blocks.3.1.transformer_blocks.0.attn2", "cross")
    assert Where("cross").has(site) and Where("cross", "all").has(site) and Where("cross", "output_blocks.3").has(site)
    assert not Where("self").has(site) and not Where("cross", "middle_block.").has(site)


def test_text_keys_lie_on_no_grid_even_where_there_are_as_many():
    """Twelve text keys of 3 x 4 cells: a mask of the image says nothing of them but its mean."""
    asked = []
    plan = Plan(Stratum((Source(Own(), keep=lambda tokens: asked.append(tokens) or torch.ones(tokens.count)),)))
    answered(block("cross"), Planned(lambda u, row, site: plan, Where("cross")), X, ["cond"] * 3,
             randn(3, 12, 24, seed=1))
    assert asked == [Tokens(12)]


def test_rows_that_somebody_has_merged_lie_nowhere():
    met = BeforeProjection(2, *(randn(1, 16, 8, seed=seed) for seed in range(3)),
                           of_function(lambda q, k, v: v, 2))
    assert Call(Site("attn1"), met, cells=(4, 4)).tokens.grid == (4, 4)
    assert Call(Site("attn1"), met, cells=(4, 4), merged=True).tokens == Tokens(16)


def test_one_row_that_holds_the_tokens_of_several_is_asked_about_as_such():
    asked, one = [], block()
    plan = Plan(Stratum((OWN,), lambda tokens: asked.append(tokens) or torch.ones(tokens.count, 1)))
    attention, x = one.output_blocks[0].attn1, randn(1, 12, 32, seed=1)
    with InDetailHooks(one, {}, Planned(lambda u, row, site: plan)) as hooks, hooks.evaluation(1.0, 0.0, ["cond"] * 3):
        hooks.at_work.begins_call(X, torch.zeros(3), None)
        met = BehindModule(HostAttention(), attention, x, x, attention(x))
        hooks.at_work.changed_together("output_blocks.0.attn1", met, plan)
    assert asked == [Tokens(12)]


def test_a_layer_of_which_nothing_is_recorded_computes_its_queries_once(monkeypatch):
    one, tokens, forward = block(), [], torch.nn.Linear.forward
    to_q = one.output_blocks[0].attn1.to_q
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: (
        self is to_q and tokens.append(x.shape[0] * x.shape[1]), forward(self, x))[1])
    plan = Plan(Stratum((Source(Own(), gain=torch.zeros(12)),)))
    answered(one, Planned(lambda u, row, site: plan), X, ["cond"] * 3)
    one_token_for_the_layers_own_call = 1
    assert sum(tokens) == 3 * 12 + one_token_for_the_layers_own_call


def test_a_self_attention_that_is_given_another_context_answers_all_its_rows_itself(monkeypatch):
    """As ControlNet's reference has it: the rows that nobody plans for keep the host's own bits."""
    one, seen, forward = block(), [], torch.nn.Linear.forward
    attention = one.output_blocks[0].attn1
    one.forward = lambda x, timesteps, context=None: attention(
        x.flatten(2).transpose(1, 2), context=context.flatten(2).transpose(1, 2))
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: (
        self is attention.to_q and seen.append(tuple(x.shape[:2])), forward(self, x))[1])
    plan, other = Plan(Stratum((Source(Own(), gain=torch.zeros(12)),))), randn(*X.shape, seed=9)
    with InDetailHooks(one, {}, Planned(lambda u, row, site: plan if row.role == "cond" else None)) as hooks, \
            hooks.evaluation(1.0, 0.0, ["cond", "uncond", "uncond"]):
        one(X, torch.zeros(3), context=other)
    assert seen == [(3, 12), (1, 12)]


def test_nobody_elses_rows_are_planned_for():
    plan = Plan(Stratum((Source(Own(), gain=torch.zeros(12)),)))
    out = answered(block(), Planned(lambda u, row, site: plan), X, ["cond", "other", "uncond"])
    plain = block()(X, torch.zeros(3))
    assert torch.equal(out[1], plain[1]) and (out[[0, 2]] - plain[[0, 2]]).abs().amax((1, 2)).min() > 1e-2


class ReadsTheFirst(Method):
    """The first row is left alone, others read it."""

    read_rows = (FIRST,)
    _plan = Plan(Stratum((Source(OfRow(FIRST)),)))

    def plan(self, u, row, site):
        return None if row == FIRST else self._plan


def rows(count):
    return [Row("cond", number) for number in range(count)]


def test_a_row_that_nothing_is_planned_for_may_be_read_in_a_later_call():
    one = block()
    with InDetailHooks(one, {}, ReadsTheFirst()) as hooks, torch.no_grad(), hooks.evaluation(1.0, 0.0, rows(3)):
        parts = [one(part, torch.zeros(len(part))) for part in (X[:1], X[1:])]
    whole = answered(block(), ReadsTheFirst(), X, rows(3))
    assert torch.equal(parts[0], block()(X[:1], torch.zeros(1)))
    assert (torch.cat(parts) - whole).abs().max() < 1e-6 and (whole[1:] - block()(X, torch.zeros(3))[1:]).std() > 0.01


def test_a_row_of_an_earlier_evaluation_is_not_read():
    one = block()
    with InDetailHooks(one, {}, ReadsTheFirst()) as hooks, torch.no_grad():
        with hooks.evaluation(2.0, 0.0, rows(1)):
            one(X[:1], torch.zeros(1))
        with pytest.raises(CannotAct, match="keeps a row apart that others read"), \
                hooks.evaluation(1.0, 0.5, rows(3)[1:]):
            one(X[1:], torch.zeros(2))


def test_a_bias_goes_through_a_function_that_knows_none():
    tensors, meta = units("panels")
    joint = JointBlock(tensors, "single", meta)
    queries, keys, values = (randn(2, 9, 32, seed=seed) for seed in range(3))
    bias = LogitBias(randn(9, 3, seed=4), randn(9, 3, seed=5))
    attend = of_function(joint.plain, joint.heads)
    split = [part.unflatten(-1, (4, 8)).transpose(1, 2) for part in (queries, keys, values)]
    logits = split[0] @ split[1].transpose(2, 3) / 8**0.5 + bias.queries @ bias.keys.T
    wanted = (logits.softmax(-1) @ split[2]).transpose(1, 2).flatten(2)
    assert (attend(queries, keys, values, bias) - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("bias", [FromExtremes(lambda low, high: LogitBias(torch.zeros(9, 1))),
                                  FromProbabilities(lambda probabilities, first: 0 * probabilities)])
def test_a_bias_that_depends_on_its_logits_is_alone_in_its_stratum(bias):
    met = BeforeProjection(2, *(randn(1, 9, 8, seed=seed) for seed in range(3)), of_function(lambda q, k, v: v, 2))
    call = Call(Site("attn1"), met, Readable({"image": (randn(1, 9, 8), randn(1, 9, 8))}))
    with pytest.raises(ValueError, match="alone in its stratum"):
        evaluate(Plan(Stratum((OWN, Source(Bank("image"), bias=bias)))), call)
    if isinstance(bias, FromProbabilities):
        with pytest.raises(ValueError, match="has all keys"):
            evaluate(Plan(Stratum((Source(Bank("image"), keep=torch.arange(9) > 3, bias=bias),))), call)


def test_a_soft_mask_counts_by_its_means_and_a_hard_one_wholly_or_not_at_all():
    values, tokens = torch.tensor([[1.0, 0.25], [1.0, 0.25]]), Tokens(4, (2, 2))
    soft, hard = Mask(values), Mask((values > 0.5).float(), hard=True)
    assert per_token(soft)(tokens).tolist() == [1, 0.25, 1, 0.25]
    wholly = per_token(hard)(tokens)
    assert wholly.tolist() == [True, False, True, False] and wholly.dtype == torch.bool
    assert soft.cells.tolist() == hard.cells.tolist() == [[True, False], [True, False]]
