"""Where a strip's frames lie and which are chosen is what the authors' code says; how even it is, by their formulas."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from lib_indetail.strip.coefficients import EVEN, UNKNOWN, Beta, fitted, next_even_t, next_t, place_of, quantiles
from lib_indetail.strip.exploring import BEGINNING, Explored
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


def features(ts, way):
    """Of images that have gone `way(t)` of a quarter turn: 1 - cos of two is that of the angle between them."""
    return [torch.tensor([np.cos(np.pi / 2 * way(t)), np.sin(np.pi / 2 * way(t))]) for t in ts]


def tried(way, count, **given):
    strip = Explored(features(BEGINNING, way), **given)
    while len(strip.ts) < count:
        t = strip.next()
        strip.add(t, features([t], way)[0])
    return strip


def test_images_are_tried_where_the_way_is_longest():
    strip = tried(lambda t: t ** 4, 10)  # nearly all of it in the last half
    assert strip.ts == sorted(strip.ts) and len(strip.ts) == 10
    assert sum(t > 0.5 for t in strip.ts) >= 6 and sum(t < 0.4 for t in strip.ts) <= 2


def test_those_are_chosen_that_make_the_smoothest_strip():
    way, ts = (lambda t: t ** 4), quantiles(5)
    strip = tried(way, 10)
    numbers = strip.chosen(5)
    of_chosen = evenness([strip.distances[a][b] for a, b in pairwise(numbers)])
    even = features(ts, way)
    of_even = evenness([apart(a, b) for a, b in pairwise(even)])
    assert numbers[0] == 0 and numbers[-1] == 9
    assert of_chosen.smoothness > 0.8 > 0.4 > of_even.smoothness


def test_even_tries_look_at_places_alone():
    assert tried(lambda t: t ** 4, 9, even=True).ts == quantiles(9)


@pytest.mark.parametrize("way", [lambda t: 0.0, lambda t: float("nan"), lambda t: float(t == 1)])
def test_a_way_that_tells_of_nothing_is_tried_evenly_or_ends_at_an_end(way):
    """Nothing moves, nothing can be compared, or all of it is one jump: no two tries are one."""
    strip = tried(way, 12)
    assert len(set(strip.ts)) == 12 and all(0 <= t <= 1 for t in strip.ts)
    assert len(strip.chosen(5)) == 5
