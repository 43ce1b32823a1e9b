"""For other scripts: `from lib_indetail.webui import indetail`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from lib_indetail.ask.forms import is_on, with_changes
from lib_indetail.ask.settings import Settings
from lib_indetail.hosts.webui.refusal import refusal
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.pictures.as_seen import as_seen
from lib_indetail.pictures.convert import data_uri

TITLE = "InDetail"


def settings(p, **changes: Any) -> Settings | None:
    """The settings with which `p` will be generated, or None if InDetail is off for it.

    `changes` are named fields (also `enabled`, `image`, `task` and `preset`) that stand above the arguments of `p`
    from now on. Raises a Refusal, with one sentence, for values that cannot be used.
    """
    if changes:
        change(p, **changes)
    try:
        request = runtime.request(arguments(p))
    except ValueError as error:
        raise refusal(error, p) from None
    return request.settings if request.acts else None


def change(p, **changes: Any) -> None:
    """Named fields that stand above the arguments of `p` from now on. The arguments carry them, so that whoever sends
    them on sends the changes too; copies made of `p` before know nothing of it."""
    script = _script_of(p)
    if script is None:
        return
    args = list(p.script_args)
    args[script.args_from:script.args_to] = with_changes(arguments(p), _as_text(changes))
    p.script_args = args


def switched_on(p) -> bool:
    """Whether InDetail is on for `p`, whatever its values are."""
    return is_on(arguments(p))


@contextlib.contextmanager
def disabled(p) -> Iterator[None]:
    """`with disabled(p): process_images(p)` generates without InDetail."""
    before = p.script_args
    change(p, enabled=False)
    try:
        yield
    finally:
        p.script_args = before


def arguments(p) -> list[Any]:
    """InDetail's own part of the arguments of `p`; none if the script does not run for it."""
    script = _script_of(p)
    return [] if script is None else list(p.script_args[script.args_from:script.args_to])


def _script_of(p):
    scripts = getattr(p.scripts, "alwayson_scripts", None) or []
    return next((script for script in scripts if script.title() == TITLE), None)


def _as_text(value: Any) -> Any:
    """With every picture as text, so that it can be sent."""
    if isinstance(value, Image.Image):
        return data_uri(as_seen(value).rgba)
    if isinstance(value, Mapping):
        return {name: _as_text(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_as_text(each) for each in value]
    return value
