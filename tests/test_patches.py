"""The vote of patches against a plain softmax in double precision, its masks, and what it leaves alone."""

from __future__ import annotations

import functools

import pytest
import torch
from torch.nn import functional

from lib_indetail.methods import patches
from lib_indetail.methods.patches import Exemplar, Term, drawn
from tests.small import randn

X, WIDE, TALL = randn(2, 4, 20, 17, seed=1), randn(1, 4, 20, 17, seed=2), 1 + 0.5 * randn(1, 4, 24, 16, seed=3)
LEFT = torch.zeros(20, 17)
LEFT[:, :8] = 1
SOFT = torch.full((24, 16), 0.5)
SOFT[:12, :10] = 1
SOFT[20:] = 0


def exact(latents, exemplars, term):
    """Patch by patch as the docstring has it, all logits in memory."""
    queries, shape = functional.unfold(latents.double(), term.size).transpose(1, 2), latents.shape[-2:]
    keys, biases = [], []
    for each in exemplars:
        taken = torch.ones(each.clean.shape[-2:]) if each.take is None else each.take
        least = functional.unfold(taken.double()[None, None], term.size)[0].amin(0)
        keys.append(functional.unfold(each.clean.double(), term.size)[0].T[least > 0])
        put = torch.ones(shape) if each.put is None else each.put
        acting = each.amount * functional.unfold(put.double()[None, None], term.size)[0].mean(0)
        biases.append(acting.clamp_min(patches.LEAST).log()[:, None] + least[least > 0].log())
    variance = sum(each.amount * (some - some.mean(0)).var(unbiased=False)
                   for each, some in zip(exemplars, keys, strict=True)) / sum(each.amount for each in exemplars)
    keys = torch.cat(keys)
    h2 = term.softness * keys.shape[1] * variance
    distances = (queries[:, :, None] - keys).square().sum(-1)
    voted = torch.softmax(torch.cat(biases, 1) - distances / (2 * h2), -1) @ keys
    counts = functional.fold(torch.ones_like(voted).transpose(1, 2), shape, term.size)
    vote = functional.fold(voted.transpose(1, 2), shape, term.size) / counts
    weight = sum(each.amount * (1 if each.put is None else each.put.double()) for each in exemplars)
    return latents.double() + torch.as_tensor(weight).clamp(max=1) * (vote - latents.double())


@pytest.mark.parametrize("term", [Term(), Term(size=5, softness=0.05), Term(size=2, softness=0.005)])
@pytest.mark.parametrize("exemplars", [
    [Exemplar(WIDE, 0.5)], [Exemplar(WIDE, 0.3), Exemplar(TALL, 0.6, SOFT)],
    [Exemplar(WIDE, 0.5, put=LEFT), Exemplar(TALL, 0.9, put=1 - LEFT)],
    [Exemplar(WIDE, 0.2), Exemplar(TALL, 0.9, SOFT, LEFT)]])
def test_the_fused_vote_is_the_softmax_over_all_patches(exemplars, term):
    assert (drawn(X, exemplars, term) - exact(X, exemplars, term)).abs().max() < 1e-4


def test_latents_far_from_zero_are_as_exact(monkeypatch):
    far = [Exemplar(WIDE + 20, 0.5)]
    assert (drawn(X + 20, far, Term()) - exact(X + 20, far, Term())).abs().max() < 1e-4
    monkeypatch.setattr(patches, "MOST_LOGITS", 1000)
    assert (drawn(X, [Exemplar(WIDE, 0.5)], Term()) - exact(X, [Exemplar(WIDE, 0.5)], Term())).abs().max() < 1e-5


def test_each_image_of_a_batch_is_drawn_as_alone():
    together = drawn(X, [Exemplar(WIDE, 0.7)], Term())
    alone = [drawn(each[None], [Exemplar(WIDE, 0.7)], Term()) for each in X]
    assert (together - torch.cat(alone)).abs().max() < 1e-6


def test_the_picture_itself_stays_and_half_a_weight_goes_half_the_way():
    sharp = Term(softness=1e-4)
    assert (drawn(WIDE, [Exemplar(WIDE, 1.0)], sharp) - WIDE).abs().max() < 1e-5
    whole, half = (drawn(X, [Exemplar(WIDE, amount)], Term()) - X for amount in (1.0, 0.5))
    assert (half - whole / 2).abs().max() < 1e-6
    assert whole.abs().max() > 0.5


def test_a_shifted_lattice_keeps_its_own_place():
    rows = torch.arange(24)[:, None] + 2 * torch.arange(24)
    lattice = torch.stack([torch.cos(rows * k).float() for k in (0.9, 1.3, 2.1, 2.6)])[None]
    shifted = lattice.roll((5, 3), (2, 3))[..., 6:20, 4:20]
    noisy = shifted + 0.3 * randn(*shifted.shape, seed=5)
    clean = drawn(noisy, [Exemplar(lattice, 1.0)], Term())
    assert (clean - shifted).square().mean() < 0.3 * (noisy - shifted).square().mean()


def test_masks_choose_patches_and_places():
    dark = torch.cat([WIDE[..., :8] - 5, WIDE[..., 8:]], -1)
    right = drawn(X, [Exemplar(dark, 1.0, take=1 - LEFT)], Term())
    assert right.min() > -4 and drawn(X - 5, [Exemplar(dark, 1.0)], Term()).min() < -5
    part = drawn(X, [Exemplar(WIDE, 1.0, put=LEFT)], Term())
    assert torch.equal(part[..., 8:], X[..., 8:])
    assert (part[..., :8] - drawn(X, [Exemplar(WIDE, 1.0)], Term())[..., :8]).abs().max() < 1e-5


def test_pictures_share_by_their_amounts():
    alone = drawn(X, [Exemplar(WIDE, 0.5)], Term())
    for amount, low, high in ((1e-12, 0, 1e-3), (0.5, 0.3, 9)):
        changed = (drawn(X, [Exemplar(WIDE, 0.5), Exemplar(WIDE.flip(3), amount)], Term()) - alone).abs().max()
        assert low <= changed < high
    twice = drawn(X, [Exemplar(WIDE, 0.25), Exemplar(WIDE, 0.25)], Term())
    assert (twice - drawn(X, [Exemplar(WIDE, 0.5)], Term())).abs().max() < 1e-5


def test_nothing_is_changed_where_nothing_may_be_taken():
    for exemplars in ([], [Exemplar(WIDE, 0.0)], [Exemplar(WIDE, 1.0, take=torch.zeros(20, 17))],
                      [Exemplar(WIDE[..., :2], 1.0)]):
        assert torch.equal(drawn(X, exemplars, Term()), X)
    assert torch.equal(drawn(X[..., :2], [Exemplar(WIDE, 1.0)], Term()), X[..., :2])
    useless = Exemplar(TALL, 0.5, take=torch.zeros(24, 16))
    assert torch.equal(drawn(X, [Exemplar(WIDE, 0.3), useless], Term()), drawn(X, [Exemplar(WIDE, 0.3)], Term()))
    narrow = torch.zeros(20, 17)
    narrow[:, 4:6] = 1
    assert torch.equal(drawn(X, [Exemplar(WIDE, 1.0, take=narrow)], Term()), X)


def test_half_precision_comes_back_as_it_was_and_is_voted_in_single():
    half = drawn(X.half(), [Exemplar(WIDE.half(), 0.5)], Term())
    assert half.dtype == torch.float16
    assert (half.float() - drawn(X.half().float(), [Exemplar(WIDE.half().float(), 0.5)], Term())).abs().max() < 5e-3


def test_an_octave_reaches_a_period_that_a_patch_does_not():
    wave = torch.cos(torch.arange(32) * torch.pi / 8).expand(1, 4, 32, 32).contiguous()
    noisy = wave.roll(5, 3) + 0.8 * randn(1, 4, 32, 32, seed=8)
    one, two = Term(size=3), Term(size=3, octaves=2)
    once, twice, wide = (functools.reduce(lambda x, term: drawn(x, [Exemplar(wave, 1.0)], term), terms, noisy)
                         for terms in ((one,), (one, one), (two,)))
    errors = [float((made - wave.roll(5, 3)).square().mean()) for made in (once, twice, wide)]
    assert errors[2] < errors[0] / 2 and errors[2] < 0.6 * errors[1]
