"""Which rows of a UNet call are cond and which uncond: a cursor over the host's own list of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch

Role = Literal["cond", "uncond", "other"]


class RowCursor:
    """One evaluation of the denoiser lists its rows once and sends them through the UNet front to back, in one
    call or in several of any size. `take(n)` says what the next n rows are.

    A list that is only known once the first call is due may be given as a function. Rows beyond the list belong to
    somebody else's extra pass (perturbed attention and the like): `extra(context)` says what they are, by their
    text rows [n, tokens, D]; without it they are "other".
    """

    def __init__(self, roles: Sequence[Role] | Callable[[], Sequence[Role]],
                 extra: Callable[[torch.Tensor], Sequence[Role]] | None = None):
        self._listed = roles if callable(roles) else None
        self._roles: tuple[Role, ...] | None = None if callable(roles) else tuple(roles)
        self._extra = extra
        self.consumed = 0

    @property
    def cond_left(self) -> int:
        """How many cond rows no call has taken yet."""
        return self.roles[self.consumed:].count("cond")

    @property
    def roles(self) -> tuple[Role, ...]:
        if self._roles is None:
            self._roles = tuple(self._listed())
        return self._roles

    def take(self, count: int, context: torch.Tensor | None = None) -> tuple[Role, ...]:
        roles = self.roles[self.consumed:self.consumed + count]
        self.consumed += count
        if not roles and self._extra and context is not None:
            return tuple(self._extra(context))
        return roles + ("other",) * (count - len(roles))


def roles_by_text(context: torch.Tensor, cond: torch.Tensor, uncond: torch.Tensor | None) -> tuple[Role, ...]:
    """What the rows of a call are, told by their text alone: context [n, tokens, D] against the evaluation's own
    cond and uncond rows. "other" where that says nothing, or both."""
    def among(row: torch.Tensor, rows: torch.Tensor | None) -> bool:
        return rows is not None and rows.shape[1:] == row.shape and bool((rows.to(row) == row).flatten(1).all(1).any())

    roles: dict[tuple[bool, bool], Role] = {(True, False): "cond", (False, True): "uncond"}
    return tuple(roles.get((among(row, cond), among(row, uncond)), "other") for row in context)


def rows_with(roles: Sequence[Role], role: Role) -> slice | list[int]:
    """The rows of one role: a slice where they stand together (always so in the WebUI), else their numbers."""
    return _together([row for row, each in enumerate(roles) if each == role])


def rows_but(others: Sequence[int], count: int) -> slice | list[int]:
    """Of `count` rows all others."""
    return _together([row for row in range(count) if row not in others])


def _together(rows: list[int]) -> slice | list[int]:
    if rows and rows[-1] - rows[0] + 1 == len(rows):
        return slice(rows[0], rows[-1] + 1)
    return rows


def row_numbers(rows: slice | list[int]) -> list[int]:
    """The numbers of what `rows_with` gives."""
    return list(range(rows.start, rows.stop)) if isinstance(rows, slice) else rows
