"""Settings in a picture's infotext: written by label, and read back."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib_indetail import __version__
from lib_indetail.errors import BadSetting
from lib_indetail.picture import picture_hash
from lib_indetail.request import DEFAULT_TASK, Request
from lib_indetail.settings import TASKS, Settings, checked

PREFIX = "InDetail "
VERSION, IMAGE, TASK, NOT_ACTING = "InDetail version", "InDetail image", "InDetail task", "InDetail skipped"
_TABLE = {setting.metadata["infotext"]: setting for setting in dataclasses.fields(Settings)}
LABELS = (VERSION, IMAGE, TASK, NOT_ACTING, *_TABLE)


def written(request: Request) -> dict[str, str | float | int]:
    """What goes into the infotext, by label: nothing when off, else what differs from its default."""
    if not request.enabled:
        return {}
    lines = {label: _line(getattr(request.settings, setting.name)) for label, setting in _TABLE.items()
             if getattr(request.settings, setting.name) != setting.default}
    if request.task != DEFAULT_TASK and _as_preset(request):
        lines = {TASK: request.task, **lines}
    if request.picture is not None:
        lines[IMAGE] = picture_hash(request.picture)
    return {**lines, VERSION: __version__}


def _as_preset(request: Request) -> bool:
    """Whether the task's values are in force: read back, a task would put them in place of others."""
    return all(getattr(request.settings, name) == value for name, value in TASKS[request.task].items())


def _line(value: Any) -> str | float | int:
    """Numbers without the float's tail. A text in quotes if it would not come back as it is: with blanks or quotes at
    its ends, or control characters. Where one has a comma, a colon or a new line the host puts the quotes."""
    if not isinstance(value, str):
        return round(value, 8)
    as_it_is = re.search("[,:\n]", value) or re.fullmatch(r'[^\s"]([^\x00-\x1f]*[^\s"])?', value)
    return value if as_it_is else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Restored:
    """Read from an infotext: values by field name (all but the picture), the picture's hash, what to tell of it."""

    values: Mapping[str, Any]
    image: str | None
    notes: tuple[str, ...]


def read(lines: Mapping[str, Any]) -> Restored | None:
    """From an infotext's values by label, as the host parses them; None if InDetail had no part in the picture.

    What it does not name was at its default. What cannot be read stays at its default and is named in the notes.
    """
    lines = _joined(lines)
    own = {label: str(value) for label, value in lines.items() if label.startswith(PREFIX) and label != NOT_ACTING}
    if not own:
        return None
    values: dict[str, Any] = {"enabled": True, "task": own.get(TASK, DEFAULT_TASK)}
    strange = [label for label in own if label not in LABELS]
    if values["task"] not in TASKS:
        values["task"] = DEFAULT_TASK
        strange.append(TASK)
    for label, setting in _TABLE.items():
        try:
            values[setting.name] = _value(setting, own[label]) if label in own else setting.default
        except (BadSetting, ValueError):
            values[setting.name] = setting.default
            strange.append(label)
    return Restored(values, own.get(IMAGE), _notes(own.get(VERSION), [f"{label}: {own[label]}" for label in strange]))


def _joined(lines: Mapping[str, Any]) -> dict[str, Any]:
    """The host splits every value of the form 2x3, also where it is a text of ours."""
    joined = dict(lines)
    for label in _TABLE:
        if f"{label}-1" in lines:
            joined[label] = f"{joined.pop(f'{label}-1')}x{joined.pop(f'{label}-2')}"
    return joined


def _value(setting: dataclasses.Field, text: str) -> Any:
    return checked(setting, float(text) if "low" in setting.metadata else text)


def _notes(version: str | None, strange: list[str]) -> tuple[str, ...]:
    newer = _numbers(version) > _numbers(__version__)
    notes = [f"These settings are from InDetail {version}, which is newer than this one ({__version__})."] * newer
    if strange:
        notes.append(f"Not understood, and left at their defaults: {', '.join(strange)}.")
    return tuple(notes)


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version or "0"))
