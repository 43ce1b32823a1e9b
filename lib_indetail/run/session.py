"""What is known of one generation while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lib_indetail.ask.request import Request
from lib_indetail.run.extras import Extras
from lib_indetail.run.strips import Frames


@dataclass(eq=False)
class Session:
    """`given` are the arguments that `request` was made of. `passed` says that the batch at hand was sampled through
    us, `claims` that the infotext names us, `skipped` that it goes on without InDetail, `error` why it is refused.
    `frames` are those of the batch's strips; of which one (from 0) a second pass is, says `frame`, and where on each
    strip it lies, `places`. `begun` is False while only the arguments were looked at."""

    given: Sequence[Any] = ()
    request: Request = field(default_factory=Request)
    extras: Extras = field(default_factory=Extras)
    begun: bool = False
    passed: bool = False
    claims: bool = True
    skipped: bool = False
    error: Exception | None = None
    frames: Frames | None = None
    frame: int = 0
    places: Sequence[float] = ()

    def is_of(self, given: Sequence[Any]) -> bool:
        """Whether the request was made of these arguments. Long texts are compared by identity first, also within
        objects."""
        return bool(self.given) and len(self.given) == len(given) and all(map(_is_same, self.given, given))


def copied(args: Sequence[Any]) -> list[Any]:
    """Arguments as they are now: objects may be changed later."""
    return [dict(each) if isinstance(each, Mapping) else each for each in args]


def _is_same(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, dict) and a == b)
