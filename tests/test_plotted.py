"""Axes of a plot are confirmed together with those before them, and nothing of them stands on the generation."""

from __future__ import annotations

from lib_indetail.run.plotted import Plotted


class Generation:
    pass


def test_every_axis_is_combined_with_those_before_it():
    plotted, p = Plotted(), Generation()
    assert list(plotted.cells(p, "start", [0, 1])) == [{"start": 0}, {"start": 1}]
    assert list(plotted.cells(p, "end", [2, 3])) == [{"start": a, "end": b} for a in (0, 1) for b in (2, 3)]
    assert vars(p) == {}


def test_another_generation_begins_anew_also_where_the_first_is_gone():
    plotted, p = Plotted(), Generation()
    list(plotted.cells(p, "start", [0, 1]))
    assert list(plotted.cells(Generation(), "end", [2])) == [{"end": 2}]
    del p
    assert list(plotted.cells(Generation(), "end", [3])) == [{"end": 3}]
