"""Which rows of a UNet call are cond and which uncond: a cursor over the host's own list of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import torch

Role = Literal["cond", "uncond", "other"]


class Row(NamedTuple):
    """What a row is, and which image of the batch it belongs to."""

    role: Role
    image: int = 0


def as_rows(listed: Sequence[Row | Role]) -> tuple[Row, ...]:
    """Bare roles are rows of the first image."""
    return tuple(Row(each) if isinstance(each, str) else each for each in listed)


class Rows(Protocol):
    """The rows of one evaluation of the denoiser, call by call."""

    def take(self, count: int, context: torch.Tensor | None = None) -> tuple[Row, ...]:
        """What the rows of a call are, of which there are so many; `context` are their text rows [n, tokens, D]."""

    @property
    def cond_left(self) -> int:
        """How many cond rows no call has taken yet."""


class ToldRows:
    """Rows of an evaluation whose host says of every call what its rows are: `tell(rows)` before it. There will be
    `cond` cond rows in all. A call of other rows than those that were told last is somebody else's."""

    def __init__(self, cond: int):
        self.cond_left = cond
        self._told: tuple[Row, ...] = ()

    def tell(self, rows: Sequence[Row | Role]) -> None:
        self._told = as_rows(rows)

    def take(self, count: int, context: torch.Tensor | None = None) -> tuple[Row, ...]:
        rows, self._told = self._told, ()
        if len(rows) != count:
            return (Row("other"),) * count
        self.cond_left -= sum(row.role == "cond" for row in rows)
        return rows


class RowCursor:
    """One evaluation of the denoiser lists its rows once and sends them through the UNet front to back, in one
    call or in several of any size. `take(n)` says what the next n rows are. Rows may be listed by their roles alone.

    A list that is only known once the first call is due may be given as a function. Rows beyond the list belong to
    somebody else's extra pass (perturbed attention and the like): `extra(context)` says what they are, by their
    text rows [n, tokens, D]; without it they are "other".
    """

    def __init__(self, rows: Sequence[Row | Role] | Callable[[], Sequence[Row | Role]],
                 extra: Callable[[torch.Tensor], Sequence[Row | Role]] | None = None):
        self._listed = rows if callable(rows) else None
        self._rows: tuple[Row, ...] | None = None if callable(rows) else as_rows(rows)
        self._extra = extra
        self.consumed = 0

    @property
    def cond_left(self) -> int:
        return sum(row.role == "cond" for row in self.rows[self.consumed:])

    @property
    def rows(self) -> tuple[Row, ...]:
        if self._rows is None:
            self._rows = as_rows(self._listed())
        return self._rows

    def take(self, count: int, context: torch.Tensor | None = None) -> tuple[Row, ...]:
        rows = self.rows[self.consumed:self.consumed + count]
        self.consumed += count
        if not rows and self._extra and context is not None:
            return as_rows(self._extra(context))
        return rows + (Row("other"),) * (count - len(rows))


def roles_by_text(context: torch.Tensor, cond: torch.Tensor, uncond: torch.Tensor | None) -> tuple[Role, ...]:
    """What the rows of a call are, told by their text alone: context [n, tokens, D] against the evaluation's own
    cond and uncond rows. "other" where that says nothing, or both."""
    def among(row: torch.Tensor, rows: torch.Tensor | None) -> bool:
        return rows is not None and rows.shape[1:] == row.shape and bool((rows.to(row) == row).flatten(1).all(1).any())

    roles: dict[tuple[bool, bool], Role] = {(True, False): "cond", (False, True): "uncond"}
    return tuple(roles.get((among(row, cond), among(row, uncond)), "other") for row in context)


def together(rows: Sequence[int]) -> slice | list[int]:
    """Numbers of rows: a slice where they stand together (always so in the WebUI), else as they are."""
    if rows and rows[-1] - rows[0] + 1 == len(rows):
        return slice(rows[0], rows[-1] + 1)
    return list(rows)


def rows_but(others: Sequence[int], count: int) -> slice | list[int]:
    """Of `count` rows all others."""
    return together([row for row in range(count) if row not in others])


def row_numbers(rows: slice | list[int]) -> list[int]:
    """The numbers of what `together` gives."""
    return list(range(rows.start, rows.stop)) if isinstance(rows, slice) else rows
