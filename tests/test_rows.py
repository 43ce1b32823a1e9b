"""The cursor over the host's rows."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.rows import RowCursor, roles_by_text, rows_with

ROLES = ("cond", "cond", "uncond", "cond", "uncond")


def test_one_call_takes_the_whole_list():
    assert RowCursor(ROLES).take(5) == ROLES


@pytest.mark.parametrize("splits", [(1, 1, 1, 1, 1), (2, 3), (3, 2), (4, 1), (1, 4)])
def test_any_split_gives_the_same_roles_in_order(splits):
    cursor = RowCursor(ROLES)
    assert sum((cursor.take(count) for count in splits), ()) == ROLES
    assert cursor.consumed == 5


def test_rows_beyond_the_list_are_somebody_elses():
    cursor = RowCursor(ROLES)
    assert cursor.take(7) == (*ROLES, "other", "other")
    assert cursor.take(2) == ("other", "other")
    assert cursor.consumed == 9


def test_an_extra_pass_is_told_by_its_text():
    seen = []
    cursor = RowCursor(ROLES, lambda context: seen.append(context) or ("cond",) * len(context))
    assert cursor.take(5) == ROLES
    assert seen == []
    assert cursor.take(2) == ("other", "other")
    assert cursor.take(2, torch.zeros(2, 3, 4)) == ("cond", "cond")
    assert len(seen) == 1


def test_text_tells_rows_apart_where_it_can():
    cond, uncond, same, longer = (torch.randn(1, tokens, 4) for tokens in (3, 3, 3, 6))
    assert roles_by_text(torch.cat([uncond, cond, same]), cond, uncond) == ("uncond", "cond", "other")
    assert roles_by_text(torch.cat([cond, cond]), torch.cat([uncond, cond]), None) == ("cond", "cond")
    assert roles_by_text(cond, cond, cond) == ("other",)
    assert roles_by_text(longer, cond, longer) == ("uncond",)
    assert roles_by_text(cond.half().float(), cond.half(), uncond) == ("cond",)


def test_an_empty_list_knows_no_row():
    assert RowCursor(()).take(2) == ("other", "other")


def test_the_cursor_keeps_its_own_copy_of_the_roles():
    roles = list(ROLES)
    cursor = RowCursor(roles)
    roles[0] = "uncond"
    assert cursor.take(1) == ("cond",)


@pytest.mark.parametrize(("roles", "expected"), [
    (("cond", "cond", "uncond"), slice(0, 2)),
    (("uncond", "cond", "cond"), slice(1, 3)),
    (("cond", "uncond", "cond"), [0, 2]),
    (("uncond", "cond", "other"), slice(1, 2)),
    (("uncond", "other"), []),
    ((), []),
])
def test_neighbours_come_as_a_slice_and_others_as_numbers(roles, expected):
    assert rows_with(roles, "cond") == expected
