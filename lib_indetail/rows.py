"""Which rows of a UNet call are cond and which uncond: a cursor over the host's own list of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

Role = Literal["cond", "uncond", "other"]


class RowCursor:
    """One evaluation of the denoiser lists its rows once and sends them through the UNet front to back, in one
    call or in several of any size. `take(n)` says what the next n rows are.

    Rows beyond the list belong to somebody else's extra pass: "other". A list that is only known once the first
    call is due may be given as a function.
    """

    def __init__(self, roles: Sequence[Role] | Callable[[], Sequence[Role]]):
        self._listed = roles if callable(roles) else None
        self._roles: tuple[Role, ...] | None = None if callable(roles) else tuple(roles)
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

    def take(self, count: int) -> tuple[Role, ...]:
        roles = self.roles[self.consumed:self.consumed + count]
        self.consumed += count
        return roles + ("other",) * (count - len(roles))


def rows_with(roles: Sequence[Role], role: Role) -> slice | list[int]:
    """The rows of one role: a slice where they stand together (always so in the WebUI), else their numbers."""
    rows = [row for row, each in enumerate(roles) if each == role]
    if rows and rows[-1] - rows[0] + 1 == len(rows):
        return slice(rows[0], rows[-1] + 1)
    return rows
