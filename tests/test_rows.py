"""The cursor over the host's rows."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.attention.rows import Row, RowCursor, as_rows, roles_by_text, together

ROLES = ("cond", "cond", "uncond", "cond", "uncond")
ROWS = as_rows(ROLES)
OTHER = Row("other")


def test_one_call_takes_the_whole_list():
    assert RowCursor(ROLES).take(5) == ROWS


@pytest.mark.parametrize("splits", [(1, 1, 1, 1, 1), (2, 3), (3, 2), (4, 1), (1, 4)])
def test_any_split_gives_the_same_roles_in_order(splits):
    cursor = RowCursor(ROLES)
    assert sum((cursor.take(count) for count in splits), ()) == ROWS
    assert cursor.consumed == 5


def test_rows_beyond_the_list_are_somebody_elses():
    cursor = RowCursor(ROLES)
    assert cursor.take(7) == (*ROWS, OTHER, OTHER)
    assert cursor.take(2) == (OTHER, OTHER)
    assert cursor.consumed == 9


def test_an_extra_pass_is_told_by_its_text():
    seen = []
    cursor = RowCursor(ROLES, lambda context: seen.append(context) or ("cond",) * len(context))
    assert cursor.take(5) == ROWS
    assert seen == []
    assert cursor.take(2) == (OTHER, OTHER)
    assert cursor.take(2, torch.zeros(2, 3, 4)) == as_rows(("cond", "cond"))
    assert len(seen) == 1


def test_text_tells_rows_apart_where_it_can():
    cond, uncond, same, longer = (torch.randn(1, tokens, 4) for tokens in (3, 3, 3, 6))
    assert roles_by_text(torch.cat([uncond, cond, same]), cond, uncond) == ("uncond", "cond", "other")
    assert roles_by_text(torch.cat([cond, cond]), torch.cat([uncond, cond]), None) == ("cond", "cond")
    assert roles_by_text(cond, cond, cond) == ("other",)
    assert roles_by_text(longer, cond, longer) == ("uncond",)
    assert roles_by_text(cond.half().float(), cond.half(), uncond) == ("cond",)


def test_an_empty_list_knows_no_row():
    assert RowCursor(()).take(2) == (OTHER, OTHER)


def test_the_cursor_keeps_its_own_copy_of_the_roles():
    roles = list(ROLES)
    cursor = RowCursor(roles)
    roles[0] = "uncond"
    assert cursor.take(1) == (Row("cond"),)


@pytest.mark.parametrize(("numbers", "expected"), [([0, 1], slice(0, 2)), ([1, 2], slice(1, 3)), ([0, 2], [0, 2]),
                                                   ([1], slice(1, 2)), ([], [])])
def test_neighbours_come_as_a_slice_and_others_as_numbers(numbers, expected):
    assert together(numbers) == expected


def test_a_row_may_say_which_image_it_belongs_to():
    rows = (Row("cond", 0), Row("cond", 1), Row("uncond", 0), Row("uncond", 1))
    cursor = RowCursor(rows)
    assert (cursor.take(1), cursor.cond_left, cursor.take(3)) == (rows[:1], 1, rows[1:])
