"""Where a strip's frames lie and which are chosen is what the authors' code says; how even it is, by their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib_indetail.strip.coefficients import EVEN, UNKNOWN, Beta, fitted, next_even_t, next_t, place_of, quantiles
from lib_indetail.strip.neighbours import apart, block_means, evenness
from lib_indetail.strip.smoothest import chosen, smoothest
from tests.paid_cases import SELECTION


@pytest.mark.parametrize("unit", SELECTION["beta_quantiles"])
def test_quantiles_are_the_authors(unit):
    assert quantiles(unit["n"], Beta(unit["alpha"], unit["beta"])) == pytest.approx(unit["t"], abs=1e-6)


def test_even_frames_are_even():
    assert quantiles(5) == quantiles(5, EVEN) == [0, 0.25, 0.5, 0.75, 1]


def test_a_larger_alpha_brings_frames_nearer_to_the_end():
    assert all(a < b for a, b in zip(quantiles(5, Beta(2, 3))[1:-1], quantiles(5, Beta(6, 3))[1:-1], strict=True))


@pytest.mark.parametrize("unit", SELECTION["gini"])
def test_evenness_is_the_authors(unit):
    assert evenness(unit["d"]) == pytest.approx((unit["consistency"], unit["smoothness"], unit["max"]), abs=1e-9)


def test_a_strip_that_does_not_move_is_smooth():
    assert evenness([0.0, 0.0]) == (0, 1, 0)


@pytest.mark.parametrize("unit", SELECTION["fit"])
def test_a_fit_is_the_authors(unit):
    assert fitted(unit["xs"], unit["ds"]) == pytest.approx((unit["alpha"], unit["beta"]), rel=1e-3)


@pytest.mark.parametrize("unit", SELECTION["next_point"])
def test_the_next_image_is_where_the_authors_want_it(unit):
    assert next_t(unit["xs"], unit["ds"], Beta(unit["alpha"], unit["beta"])) == pytest.approx(unit["t"], abs=1e-6)


def test_by_coefficients_alone_the_next_image_is_in_the_widest_gap():
    assert next_even_t([0, 0.25, 0.5, 1]) == 0.75 and next_even_t([0, 0.5, 1]) == 0.25
    assert place_of(0.75, [0, 0.5, 1]) == 2
    assert next_t([0, 0.5, 1], [0.1, 0.2], UNKNOWN) == pytest.approx(1 - next_t([0, 0.5, 1], [0.2, 0.1], UNKNOWN))


@pytest.mark.parametrize("unit", SELECTION["path"])
def test_the_smoothest_path_is_the_authors(unit):
    assert chosen(unit["distances"], unit["n"]) == unit["path"]
    assert smoothest(unit["distances"], unit["n"]) == (unit["path"] or list(range(unit["m"])))


def line(*places: float) -> list[list[float]]:
    return [[abs(a - b) for b in places] for a in places]


def test_of_images_in_a_line_those_of_even_steps_are_chosen():
    assert smoothest(line(0, 1, 2, 2.5, 3, 4), 5) == [0, 1, 2, 4, 5]


def test_where_the_authors_find_nothing_the_longest_step_counts_too():
    distances = line(0, 3, 4)
    assert chosen(distances, 2) is None and smoothest(distances, 2) == [0, 2]


@pytest.mark.parametrize("frames", [1, 4])
def test_more_frames_than_images_or_less_than_two_are_refused(frames):
    with pytest.raises(ValueError, match=f"{frames} frames cannot be chosen among 3 images"):
        smoothest(line(0, 1, 2), frames)


def test_a_picture_is_compared_by_the_means_of_its_blocks():
    picture = np.zeros((16, 20, 3), np.uint8)
    picture[:8, 8:16] = 255
    means = block_means(picture).view(2, 2, 3)
    assert means.flatten().tolist() == [-0.5] * 3 + [0.5] * 3 + [-0.5] * 6


def test_alike_is_no_distance_and_opposite_is_two():
    feature = torch.tensor([1.0, -2.0, 3.0])
    assert apart(feature, 2 * feature) == pytest.approx(0, abs=1e-6) and apart(feature, -feature) == pytest.approx(2)
