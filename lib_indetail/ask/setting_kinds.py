"""The kinds of settings that a table can have: their fields, what is refused, and how they are shown."""

from __future__ import annotations

import dataclasses
import difflib
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from lib_indetail.errors import BadSetting

MOST_NAMED = 12


def number(label: str, default: float, low: float, high: float, step: float, infotext: str, help: str,
            advanced: bool = False):
    return field(default=default, metadata=dict(label=label, low=low, high=high, step=step,
                                                infotext=infotext, help=help, advanced=advanced))


def choice(label: str, default: str, choices: tuple[str, ...], infotext: str, help: str, advanced: bool = False):
    return field(default=default, metadata=dict(label=label, choices=choices, infotext=infotext, help=help,
                                                advanced=advanced))


def text(label: str, default: str, infotext: str, help: str, advanced: bool = False):
    return field(default=default, metadata=dict(label=label, infotext=infotext, help=help, advanced=advanced))


def varying(label: str, default: str, check: Callable[[str, str], object], names: tuple[str, ...], infotext: str,
            help: str, beside: str = "points"):
    """A number that varies: `check(label, text)` refuses what is none, `names` are those with a name, and `beside` them
    stands what else it may be."""
    return field(default=default, metadata=dict(label=label, infotext=infotext, help=help, advanced=True, check=check,
                                                names=names, beside=beside))


def count_or(name: str, label: str, default: str, highest: int, infotext: str, help: str):
    """A whole number from 1 on, as text, or what has the name."""
    def check(label: str, text: str) -> None:
        if text != name and not (text.isdecimal() and 1 <= int(text) <= highest):
            raise BadSetting(f"must be {name}, or a whole number from 1 to {highest}, not {reprlib.repr(text)}.", label,
                             text)

    return varying(label, default, check, (name,), infotext, help, f"1 .. {highest}")


def no_such(kind: str, name: Any, known: Sequence[str]) -> BadSetting:
    """An error that says what was probably meant, or what there is; where that is much, where it is listed."""
    likely = difflib.get_close_matches(str(name), known)
    if likely:
        hint = f"you may mean {', '.join(likely)}"
    elif len(known) > MOST_NAMED:
        hint = "docs/settings.md has them all"
    else:
        hint = f"there are {', '.join(known)}" if known else "there are none"
    return BadSetting(f"There is no {kind} {reprlib.repr(name)}; {hint}.")


_TRUTHS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def truth(label: str, value: Any) -> bool:
    """True or false, also as 1 and 0 and as the words of other programs. Raises BadSetting."""
    spelled = str(int(value)) if isinstance(value, bool | int) or value in (0.0, 1.0) else value
    if not isinstance(spelled, str) or spelled.strip().lower() not in _TRUTHS:
        raise BadSetting(f"must be true or false, not {reprlib.repr(value)}.", label, value)
    return _TRUTHS[spelled.strip().lower()]


def checked(setting: dataclasses.Field, value: Any) -> Any:
    """The value as the setting keeps it; numbers may come as text, and where a text can be a number, as numbers. Raises
    BadSetting."""
    meta = setting.metadata
    if "choices" in meta:
        if value not in meta["choices"]:
            raise BadSetting(f"must be one of {', '.join(meta['choices'])}, not {reprlib.repr(value)}.", meta["label"],
                             value)
        return value
    if isinstance(setting.default, str):
        if "check" in meta and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise BadSetting(f"must be a text, not {reprlib.repr(value)}.", meta["label"], value)
        if "check" in meta:
            meta["check"](meta["label"], value)
        return value
    return _checked_number(meta, value, whole=isinstance(setting.default, int))


def _checked_number(meta: Mapping[str, Any], value: Any, whole: bool) -> float | int:
    kind = "a whole number" if whole else "a number"
    wrong = BadSetting(f"must be {kind} from {meta['low']} to {meta['high']}, not {reprlib.repr(value)}.",
                       meta["label"], value)
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong
    if not meta["low"] <= value <= meta["high"] or (whole and value != int(value)):
        raise wrong
    return int(value) if whole else float(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def markdown_table(of: type) -> str:
    """The table of a dataclass of settings in docs/settings.md."""
    lines = ["| setting | default | values | meaning |", "| --- | --- | --- | --- |"]
    for setting in dataclasses.fields(of):
        meta = setting.metadata
        values = _values(meta)
        default = setting.default if setting.default != "" else "empty"
        lines.append(f"| {meta['label']} (`{setting.name}`) | {default} | {values} | {meta['help']} |")
    return "\n".join(lines)


def _values(meta: Mapping[str, Any]) -> str:
    if "choices" in meta:
        return ", ".join(meta["choices"])
    if "low" in meta:
        return f"{meta['low']} .. {meta['high']}"
    return ", ".join((*(name or "empty" for name in meta["names"]), meta["beside"])) if "names" in meta else "any text"
