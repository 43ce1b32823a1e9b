"""For other scripts: `from lib_indetail.webui import indetail`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from lib_indetail.errors import InDetailError
from lib_indetail.settings import Settings
from lib_indetail.webui.runtime import OVERRIDES, runtime

TITLE = "InDetail"


def settings(p, **changes: Any) -> Settings | None:
    """The settings with which `p` will be generated, or None if InDetail is off for it.

    `changes` are named fields (also `enabled`, `image`, `task` and `preset`) that stand above the arguments of `p`
    from now on. Raises InDetailError, with one sentence, for values that cannot be used.
    """
    if changes:
        change(p, **changes)
    try:
        request = runtime.request(arguments(p), overrides(p))
    except ValueError as error:
        raise InDetailError(str(error)) from error
    return request.settings if request.acts else None


def change(p, **changes: Any) -> None:
    """Named fields that stand above the arguments of `p` from now on; copies made of `p` before know nothing of it."""
    setattr(p, OVERRIDES, {**overrides(p), **changes})


def switched_on(p) -> bool:
    """Whether InDetail is on for `p`, whatever its values are."""
    first = next(iter(arguments(p)), False)
    on = first.get("enabled", True) if isinstance(first, Mapping) else first
    return overrides(p).get("enabled", on) is True


@contextlib.contextmanager
def disabled(p) -> Iterator[None]:
    """`with disabled(p): process_images(p)` generates without InDetail."""
    before = getattr(p, OVERRIDES, None)
    change(p, enabled=False)
    try:
        yield
    finally:
        if before is None:
            delattr(p, OVERRIDES)
        else:
            setattr(p, OVERRIDES, before)


def overrides(p) -> Mapping[str, Any]:
    """What stands above the arguments of `p`."""
    return getattr(p, OVERRIDES, {})


def arguments(p) -> list[Any]:
    """InDetail's own part of the arguments of `p`; none if the script does not run for it."""
    for script in getattr(p.scripts, "alwayson_scripts", []):
        if script.title() == TITLE:
            return list(p.script_args[script.args_from:script.args_to])
    return []
