"""Whose a function is, by the folder of the extension that its code lies in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path

from modules import paths_internal

_OURS = Path(__file__).parents[3]
_FOLDERS = paths_internal.extensions_dir, paths_internal.extensions_builtin_dir


def extension_of(function: Callable | None) -> str | None:
    """The folder name of the extension, other than ours."""
    function = getattr(function, "func", function)  # of a partial
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    file = Path(code.co_filename) if code else None
    if file is None or file.is_relative_to(_OURS):
        return None
    return next((file.relative_to(folder).parts[0] for folder in _FOLDERS if file.is_relative_to(folder)), None)


def extensions_of(functions: Iterable[Callable | None]) -> tuple[str, ...]:
    """Of several, each once."""
    return tuple(sorted({name for function in functions if (name := extension_of(function))}))
