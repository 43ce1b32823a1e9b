"""The pictures that the embedded model is trained and measured on."""

from __future__ import annotations

import numpy as np
import pytest

from embedded.pictures import (
    EMPTY_SHARE,
    PATTERN_SHARE,
    PATTERNS,
    SHAPES,
    SIZE,
    draw,
    edge_map,
    is_held_out,
    random_scene,
    shape_mask,
    training_scenes,
    with_shape,
)


@pytest.fixture(scope="module")
def training():
    return list(training_scenes(1, 3000))


def test_there_are_twelve_shapes_and_twelve_patterns():
    assert len(set(SHAPES)) == len(set(PATTERNS)) == 12


def test_training_never_draws_a_held_out_combination(training):
    assert not any(scene.held_out for scene in training)


def test_one_combination_in_ten_is_held_out_of_every_shape_and_pattern():
    grid = np.array([[[is_held_out(s, p, hue) for hue in range(12)] for p in PATTERNS] for s in SHAPES])
    assert grid.mean() == pytest.approx(0.1, abs=0.01)
    assert grid.any((1, 2)).all() and grid.any((0, 2)).all()


def test_captions_name_the_shape_never_a_colour_and_seldom_the_pattern(training):
    said = [s for s in training if s.caption]
    assert all(item.shape in s.caption for s in said for item in s.items)
    assert len(said) / len(training) == pytest.approx(1 - EMPTY_SHARE, abs=0.02)
    patterned = [s for s in training if any(p in s.caption for p in PATTERNS)]
    assert len(patterned) / len(training) == pytest.approx(PATTERN_SHARE, abs=0.02)
    colours = ("red", "green", "blue", "yellow", "white", "black", "pink", "purple", "orange")
    assert not any(f" {colour} " in f" {s.caption} " for s in training for colour in colours)


def test_a_scene_is_drawn_the_same_from_the_same_seed():
    pictures = [draw(random_scene(np.random.default_rng(5))) for _ in range(2)]
    assert pictures[0].shape == (SIZE, SIZE, 3) and pictures[0].dtype == np.uint8
    assert (pictures[0] == pictures[1]).all()


def test_every_pattern_inks_between_a_tenth_and_nine_tenths_of_a_square():
    for pattern in PATTERNS:
        scene = random_scene(np.random.default_rng(3), shape="square", pattern=pattern)
        inside = shape_mask(scene.items[0]) > 0.99
        colours = draw(scene)[inside].astype(float) / 255
        nearer = (np.linalg.norm(colours - scene.material.ink, axis=1)
                  < np.linalg.norm(colours - scene.material.base, axis=1))
        assert 0.1 < nearer.mean() < 0.9, pattern


def test_outside_the_shape_the_background_is_plain():
    scene = random_scene(np.random.default_rng(4))
    outside = shape_mask(scene.items[0]) == 0
    assert (draw(scene)[outside] == np.round(np.array(scene.background) * 255)).all()


def test_the_edge_map_outlines_the_shape_and_knows_nothing_of_the_pattern():
    scene = random_scene(np.random.default_rng(6), shape="star", pattern="dotted")
    edges = edge_map(scene)
    inside = shape_mask(scene.items[0])
    assert edges.max() == 255
    assert (edges[(inside == 1)][:, 0] > 0).mean() < 0.2
    other = random_scene(np.random.default_rng(7), shape="star", pattern="striped")
    moved = with_shape(scene, "star")
    assert (edge_map(moved) == edges).all() and (edge_map(other) != edges).any()
