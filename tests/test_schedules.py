"""Numbers over the trajectory."""

from __future__ import annotations

import pytest

from lib_indetail.ask.schedules import curve
from lib_indetail.errors import BadSetting
from lib_indetail.noise.window import Window

WINDOW = Window(0.2, 0.6)


@pytest.mark.parametrize(("shape", "values"), [("constant", [0.8, 0.8, 0.8]), ("linear", [0.8, 0.4, 0.0]),
                                               ("cosine", [0.8, 0.4, 0.0])])
def test_a_shape_falls_over_the_window_and_is_level_outside(shape, values):
    at = curve("Lambda", shape, 0.8, WINDOW)
    assert [at(u) for u in (0.2, 0.4, 0.6)] == pytest.approx(values)
    assert (at(0.0), at(1.0)) == pytest.approx((values[0], values[-1]))


def test_a_cosine_is_above_the_line_first_and_below_it_later():
    line, bow = (curve("Lambda", shape, 1.0, WINDOW) for shape in ("linear", "cosine"))
    assert bow(0.3) == pytest.approx(0.5 + 0.5**1.5) and bow(0.3) > line(0.3)
    assert bow(0.5) < line(0.5)


def test_points_take_the_values_place_with_straight_lines_and_level_ends():
    at = curve("Lambda", "0.1:0.7, 0.5:0.3,0.9 : 1", 0.2, WINDOW)
    assert [at(u) for u in (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1)] == pytest.approx([0.7, 0.7, 0.5, 0.3, 0.65, 1, 1])
    assert [curve("Lambda", text, 1, WINDOW)(u) for text in ("0:0.4", "0.4") for u in (0, 0.5, 1)] == [0.4] * 6


@pytest.mark.parametrize("text", ["", "quadratic", "0:0.5, 2", "0:1.5", "-1:0.2", "0:0.5,,1:0.2", "0:1.2.3", "0:nan"])
def test_what_is_no_schedule_is_refused_by_its_label(text):
    with pytest.raises(BadSetting, match=r"^Lambda schedule must be constant, linear, cosine, or points"):
        curve("Lambda schedule", text, 1, WINDOW)


@pytest.mark.parametrize("text", ["0.5:1, 0.2:0", "0.5:1, 0.5:0"])
def test_points_go_from_left_to_right(text):
    with pytest.raises(BadSetting, match="from left to right"):
        curve("Lambda schedule", text, 1, WINDOW)
