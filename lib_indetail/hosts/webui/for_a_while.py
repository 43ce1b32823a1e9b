"""Other attributes of one of the host's objects, for as long as something runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def with_others(thing: Any, **attributes: Any) -> Iterator[None]:
    """Its own ones afterwards are those that it had before; what it has from its class it has from there again."""
    before = {name: vars(thing)[name] for name in attributes if name in vars(thing)}
    vars(thing).update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            vars(thing).pop(name, None)
        vars(thing).update(before)
