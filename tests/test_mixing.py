"""Several image prompts in one layer, against explicit softmaxes: shares, phases, masks on both sides."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.rows import Row
from lib_indetail.errors import BadSetting
from lib_indetail.methods.mixing import CONCATENATED, Part, Stratified, mixed, shares
from lib_indetail.methods.plans import InDetail, Reader, concatenation, stratified
from tests.attention_functions import FUNCTIONS
from tests.small import randn
from tests.test_algebra import HEADS, ROWS, TOKENS, WIDTH, Case, close

TAKE = torch.tensor([1.0, 0.0, 0.5, 1.0, 0.25, 0.0, 1.0, 1.0, 0.0])
PUT = torch.tensor([0.0, 1.0, 0.5, 1.0, 0.0, 0.0, 1.0, 0.75, 1.0])
NOWHERE = torch.zeros(TOKENS)


@pytest.fixture(params=FUNCTIONS, ids=lambda f: f.__name__)
def case(request):
    case = Case(request.param)
    case.banks = {name: tuple(randn(1, TOKENS, WIDTH, seed=seed + i) for i in (0, 1))
                  for name, seed in (("image", 2), ("other", 4))}
    case.banks["copy"] = case.banks["image"]
    return case


def explicit(case, parts):
    """The formula itself, head by head, with its masks as they stand there."""
    def heads(tensor):
        return tensor.reshape(tensor.shape[0], -1, HEADS, WIDTH // HEADS).transpose(1, 2)

    def masked(mask, which):
        return torch.ones(TOKENS) if mask is None else mask

    queries, (own_keys, own_values) = heads(case.module.to_q(case.x)), map(heads, case.own)
    logits = queries @ own_keys.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
    scores, values, rest, total = [logits.exp()], [own_values], torch.ones(TOKENS), 0
    for part in parts:
        keys, given = (heads(each).expand(ROWS, -1, -1, -1) for each in case.banks[part.bank])
        put, take = masked(part.put, "put"), masked(part.take, "take")
        score = (queries @ keys.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5).exp() * take
        if part.phase == CONCATENATED:
            scores.append(score * part.amount * put[:, None])
            values.append(given)
        else:
            weight = part.amount * part.phase.weight * put
            rest = rest - weight
            total = total + weight[:, None] * (score / score.sum(-1, keepdim=True)) @ given
    score = torch.cat(scores, -1)
    total = total + rest[:, None] * ((score / score.sum(-1, keepdim=True)) @ torch.cat(values, -2))
    return case.module.to_out(total.transpose(1, 2).reshape(ROWS, TOKENS, WIDTH))


PARTS = {
    "two stratified": [Part("image", 0.5, Stratified(0.6)), Part("other", 0.5, Stratified(0.9))],
    "two concatenated": [Part("image", 0.5), Part("other", 0.3)],
    "in different phases": [Part("image", 0.5, Stratified(0.6)), Part("other", 0.5)],
    "what to take": [Part("image", 0.5, Stratified(0.6), take=TAKE), Part("other", 0.5, take=TAKE.flip(0))],
    "where to put it": [Part("image", 0.5, Stratified(0.6), put=PUT), Part("other", 0.5, put=PUT.flip(0))],
    "both": [Part("image", 0.7, Stratified(0.6), TAKE, PUT),
             Part("other", 0.3, CONCATENATED, TAKE.flip(0), PUT.flip(0))],
    "both, concatenated": [Part("image", 0.7, CONCATENATED, TAKE, PUT),
                           Part("other", 0.3, CONCATENATED, TAKE.flip(0), 1 - PUT)],
    "one masked, one not": [Part("image", 0.7, CONCATENATED, TAKE, PUT), Part("other", 0.3)],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_mixture_is_its_formula(case, name):
    close(case.evaluate(mixed(PARTS[name])), explicit(case, PARTS[name]), 1e-5)


def test_one_picture_is_the_papers_plan(case):
    assert torch.equal(case.evaluate(mixed([Part("image", 0.8, Stratified(0.5))])),
                       case.evaluate(stratified("image", 0.4)))
    assert torch.equal(case.evaluate(mixed([Part("image", 0.8)])), case.evaluate(concatenation("image", 0.8)))


@pytest.mark.parametrize("phase", [Stratified(0.6), CONCATENATED])
def test_two_copies_at_half_weight_are_one_at_full_weight(case, phase):
    half, = set(shares([1, 1]))
    twice = mixed([Part("image", half, phase), Part("copy", half, phase)])
    close(case.evaluate(twice), case.evaluate(mixed([Part("image", 1.0, phase)])), 1e-5)


def test_shares_divide_one_and_leave_the_rest_of_less():
    assert shares([1, 1]) == [0.5, 0.5]
    assert shares([0.3, 0.2]) == [0.3, 0.2]
    assert shares([2]) == [1.0]
    assert sum(shares([0.5, 2, 1, 0, 3])) == pytest.approx(1)
    assert shares([]) == []


@pytest.mark.parametrize("phase", [Stratified(1.0), CONCATENATED])
def test_the_own_stratum_is_never_negative_and_a_second_picture_does_not_remove_it(phase):
    parts = [Part("image", share, phase) for share in shares([1, 0.5, 2])]
    taken = sum(part.amount * (part.phase.weight if part.phase != CONCATENATED else 0) for part in parts)
    assert taken <= 1 + 1e-9
    lambdas = [Part("image", share, Stratified(0.5)) for share in shares([1, 1])]
    assert sum(part.amount * part.phase.weight for part in lambdas) == 0.5


@pytest.mark.parametrize("phase", [Stratified(0.6), CONCATENATED])
def test_where_no_picture_may_be_put_the_bits_are_the_hosts_own(case, phase):
    made = case.evaluate(mixed([Part("image", 1.0, phase, TAKE, PUT)]))
    untouched = PUT == 0
    assert torch.equal(made[:, untouched], case.output[:, untouched])
    assert (made[:, ~untouched] - case.output[:, ~untouched]).abs().amax(-1).min() > 1e-3
    everywhere = case.evaluate(mixed([Part("image", 1.0, phase, put=NOWHERE),
                                      Part("other", 1.0, CONCATENATED, put=NOWHERE)]))
    assert torch.equal(everywhere, case.output)


@pytest.mark.parametrize("phase", [Stratified(0.6), CONCATENATED])
def test_what_is_masked_out_is_not_read(case, phase):
    plan = mixed([Part("image", 1.0, phase, take=TAKE)])
    before = case.evaluate(plan)
    for tensor in case.banks["image"]:
        tensor[:, TAKE == 0] = float("nan")
    assert torch.equal(case.evaluate(plan), before)


def test_nothing_to_read_is_plain_attention():
    assert mixed([]) is None
    assert mixed([Part("image", 0.0), Part("other", 0.5, Stratified(0.0))]) is None


def test_masks_may_be_functions_of_the_layers_tokens(case):
    parts = [Part("image", 0.7, CONCATENATED, TAKE, PUT), Part("other", 0.3, Stratified(0.5), TAKE, PUT)]
    lazy = [Part(part.bank, part.amount, part.phase, lambda keys: TAKE[:keys.count],
                 lambda queries: PUT[:queries.count])
            for part in parts]
    assert torch.equal(case.evaluate(mixed(lazy)), case.evaluate(mixed(parts)))


def planned(*readers, u=0.1):
    return InDetail(readers).plan(u, Row("cond"))


def amounts(plan):
    return [stratum.weight for stratum in plan[1:]]


def test_pictures_share_by_weight_among_those_that_act_now():
    early, late, always = (Reader(Settings(start=start, end=end, weight=weight, stratified_until=1, lambda_image=1),
                                  bank=name)
                           for name, start, end, weight in (("a", 0, 0.5, 1), ("b", 0.5, 1, 1), ("c", 0, 1, 0.5)))
    assert amounts(planned(early, late, always, u=0.1)) == pytest.approx([2 / 3, 1 / 3])
    assert amounts(planned(early, always, u=0.9)) == [0.5]
    assert planned(early, late, always, u=0.9).banks == ["b", "c"]


def test_pictures_may_be_for_some_images_of_the_batch():
    readers = [Reader(Settings(), bank="a", images=frozenset({0, 2})), Reader(Settings(), bank="b")]
    method = InDetail(readers)
    assert [method.plan(0.9, Row("cond", image)).banks for image in range(3)] == [["a", "b"], ["b"], ["a", "b"]]
    assert method.plan(0.9, Row("cond", 0)) is method.plan(0.9, Row("cond", 2))
    assert method.banks(0.9) == {"a", "b"}


def test_a_negative_picture_is_read_by_the_uncond_rows_alone():
    readers = [Reader(Settings(), bank="a"), Reader(Settings(side="negative"), bank="n")]
    method = InDetail(readers)
    assert [method.plan(0.9, Row(role)).banks for role in ("cond", "uncond")] == [["a"], ["n"]]
    assert method.plan(0.9, Row("other")) is None


def test_strength_and_lambda_follow_their_schedules():
    settings = Settings(stratified_until=0.5, lambda_image=0.8, strength_schedule="0:1, 1:0",
                        lambda_schedule="linear")
    reader = Reader(settings)
    assert amounts(planned(reader, u=0.25)) == pytest.approx([0.75 * 0.4])
    assert reader.part(0.75, "cond", 1.0).amount == pytest.approx(0.25)
    assert planned(reader, u=1.0) is None


@pytest.mark.parametrize("field", ["strength_schedule", "lambda_schedule"])
def test_a_schedule_that_is_none_is_refused_with_the_settings(field):
    with pytest.raises(BadSetting, match="schedule must be constant"):
        Settings(**{field: "falling"})
