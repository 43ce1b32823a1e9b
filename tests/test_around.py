"""What stands around a host's function for as long as the extension is loaded goes again."""

from __future__ import annotations

import types

import pytest

from lib_indetail.hosts.webui.around import Around


@pytest.fixture
def place():
    return types.SimpleNamespace(double=lambda number: 2 * number)


def one_more(original, number):
    return original(number) + 1


def test_it_answers_in_the_place_of_the_function_and_can_ask_it(place):
    Around(place, "double", one_more).install()
    assert place.double(4) == 9


def test_it_is_gone_after_it_was_removed_and_can_be_put_there_again(place):
    original, around = place.double, Around(place, "double", one_more)
    for _ in range(2):
        around.install()
        assert place.double(4) == 9
        around.remove()
        assert place.double is original


def test_it_goes_without_having_been_there(place):
    original = place.double
    Around(place, "double", one_more).remove()
    assert place.double is original


def test_somebody_who_stands_around_it_by_now_is_not_taken_off(place):
    around = Around(place, "double", one_more)
    around.install()
    inner = place.double
    place.double = lambda number: -inner(number)
    around.remove()
    assert place.double(4) == -9


def test_where_it_could_not_be_taken_off_it_is_not_put_there_twice(place):
    around = Around(place, "double", one_more)
    around.install()
    inner = place.double
    place.double = lambda number: -inner(number)
    around.remove()
    around.install()
    assert place.double(4) == -9
