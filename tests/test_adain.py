"""AdaIN of the initial noise."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.noise.adain import Tint, adain, blended_adain, tinted
from tests.small import randn

NOISE = randn(3, 4, 16, 16, seed=1)
SPREAD, CENTRE = torch.tensor([[0.2, 1.0, 2.0, 0.7], [0.0, 1.0, 2.0, 3.0]]).view(2, 1, 4, 1, 1)
REFERENCE = randn(1, 4, 16, 16, seed=2) * SPREAD + CENTRE


def statistics(z):
    return z.mean((2, 3)), z.std((2, 3))


def test_every_row_and_channel_gets_the_references_mean_and_deviation():
    for result, expected in zip(statistics(adain(NOISE, REFERENCE)), statistics(REFERENCE), strict=True):
        assert (result - expected).abs().max() < 1e-3


def test_it_is_the_formula_with_unbiased_variance_and_epsilon_inside_the_root():
    def parts(z):
        flat = z.flatten(2)
        mean = flat.sum(2) / flat.shape[2]
        variance = ((flat - mean[..., None]) ** 2).sum(2) / (flat.shape[2] - 1)
        return mean[..., None, None], (variance + 1e-5).sqrt()[..., None, None]

    (mean, deviation), (target_mean, target_deviation) = parts(NOISE), parts(REFERENCE)
    expected = (NOISE - mean) / deviation * target_deviation + target_mean
    assert (adain(NOISE, REFERENCE) - expected).abs().max() < 2e-6


def test_the_variance_is_unbiased():
    few = torch.tensor([[-1.0, 1.0]]).view(1, 1, 1, 2)
    wide = 10 * randn(1, 1, 32, 32, seed=3)
    assert float(adain(few, wide).max() - wide.mean()) == pytest.approx(float(wide.std()) / 2**0.5, rel=1e-4)


def test_a_flat_reference_leaves_a_deviation_of_the_root_of_epsilon():
    flat = torch.full((1, 4, 16, 16), 0.5)
    assert float(adain(NOISE, flat).std(dim=(2, 3)).mean()) == pytest.approx(1e-5**0.5, rel=1e-3)


def test_flat_noise_gives_the_mean_and_no_nan():
    result = adain(torch.ones(1, 4, 8, 8), REFERENCE)
    assert (result - REFERENCE.mean((2, 3), keepdim=True)).abs().max() < 1e-5


def test_rows_do_not_mix():
    assert torch.equal(adain(NOISE, REFERENCE)[1:2], adain(NOISE[1:2], REFERENCE))


def test_a_reference_of_another_size_will_do():
    small = REFERENCE[..., :8, :12]
    result, expected = statistics(adain(NOISE, small)), statistics(small)
    assert adain(NOISE, small).shape == NOISE.shape
    assert all((a - b).abs().max() < 1e-3 for a, b in zip(result, expected, strict=True))


def test_amount_0_is_the_very_same_noise():
    assert blended_adain(NOISE, REFERENCE, 0) is NOISE
    assert blended_adain(NOISE, REFERENCE, 0.0) is NOISE


@pytest.mark.parametrize("amount", [0.25, 0.5, 1.0])
def test_an_amount_is_a_lerp_towards_adain(amount):
    expected = (1 - amount) * NOISE + amount * adain(NOISE, REFERENCE)
    assert (blended_adain(NOISE, REFERENCE, amount) - expected).abs().max() < 2e-6


def test_the_noise_itself_is_left_as_it_is():
    before = NOISE.clone()
    blended_adain(NOISE, REFERENCE, 1.0)
    assert torch.equal(NOISE, before)


CELL = torch.zeros(16, 16, dtype=torch.bool)
CELL[5, 7] = True


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_of_one_cell_the_mean_is_taken_over_and_nothing_else(amount):
    reference = REFERENCE[..., :16, :16]
    result = blended_adain(NOISE, reference, amount, CELL)
    shift = result - NOISE
    assert shift.isfinite().all()
    assert (shift - shift.mean((2, 3), keepdim=True)).abs().max() < 1e-6
    wanted = torch.lerp(NOISE.mean((2, 3)), reference[0, :, 5, 7][None], amount)
    assert (result.mean((2, 3)) - wanted).abs().max() < 1e-6
    assert torch.equal(result, tinted(NOISE, [Tint(reference, amount, CELL)]))


def test_noise_of_one_cell_becomes_the_references_mean():
    small = NOISE[..., :1, :1]
    assert (adain(small, REFERENCE) - REFERENCE.mean((2, 3), keepdim=True)).abs().max() < 1e-6
    assert (adain(small, REFERENCE[..., :1, :1]) - REFERENCE[..., :1, :1]).abs().max() < 1e-6


def test_two_cells_have_a_deviation():
    pair = CELL.clone()
    pair[0, 0] = True
    result = adain(NOISE, REFERENCE[..., :16, :16], pair)
    wanted = REFERENCE[0, :, [0, 5], [0, 7]]
    assert (result.mean((2, 3)) - wanted.mean(1)).abs().max() < 1e-5
    assert (result.std((2, 3)) - wanted.std(1)).abs().max() < 1e-2


def test_of_no_cell_nothing_is_taken_over():
    assert torch.equal(adain(NOISE, REFERENCE[..., :16, :16], torch.zeros_like(CELL)), NOISE)
