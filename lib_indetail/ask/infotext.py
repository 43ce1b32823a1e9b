"""Settings in a picture's infotext: written by label, and read back."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib_indetail import __version__
from lib_indetail.ask.forms import DEFAULT_TASK
from lib_indetail.ask.image_prompt import ImagePrompt
from lib_indetail.ask.page_order import ALWAYS_OWN, FURTHER, IF_OWN, numbered
from lib_indetail.ask.request import Request
from lib_indetail.ask.setting_kinds import checked
from lib_indetail.ask.settings import SHARED, TASKS, Settings
from lib_indetail.errors import BadSetting
from lib_indetail.pictures.convert import picture_hash

PREFIX = "InDetail "
VERSION, IMAGE, TASK, NOT_ACTING = "InDetail version", "InDetail image", "InDetail task", "InDetail skipped"
ROWS = "InDetail rows"
"""In how many rows an image was made with others: in as many it comes back bit for bit on the same machine."""
_MASKS = {"reference_mask": "InDetail reference mask", "output_mask": "InDetail output mask"}
_TABLE = {setting.metadata["infotext"]: setting for setting in dataclasses.fields(Settings)}
_OF_FURTHER = {label: setting for label, setting in _TABLE.items() if setting.name not in SHARED}
_ON_THE_PAGE = (*ALWAYS_OWN, *IF_OWN)
_FORMER_DEFAULTS = {(0, 4): {"nodes": 50}, (0, 7): {"inversion": "DDIM", "levels": "all"}}
"""Of all versions before that one: an infotext leaves out what is at its own version's default."""


def _labelled(label: str, number: int) -> str:
    """A label for a further picture: InDetail 2 weight."""
    return f"{PREFIX}{number} {label.removeprefix(PREFIX)}"


_PICTURES = {number: {name: _labelled(label, number) for name, label in {"image": IMAGE, **_MASKS}.items()}
             for number in FURTHER} | {1: {"image": IMAGE, **_MASKS}}
"""Labels of the hashes of each picture and its masks."""
FRAME_AT, SEED_B = (Settings.__dataclass_fields__[name].metadata["infotext"] for name in ("frame_at", "seed_b"))
LABELS = (VERSION, TASK, NOT_ACTING, ROWS, *_TABLE,
          *(label for labels in _PICTURES.values() for label in labels.values()),
          *(_labelled(label, number) for number in FURTHER for label in _OF_FURTHER))


def of_frames(ts: Sequence[Sequence[float]], rows: int, seeds: Sequence[int] | None) -> dict[str, list[float | int]]:
    """What goes there beside of the frames of strips at the places `ts` of each, by label: of each frame its own."""
    of_ends = {} if seeds is None else {SEED_B: [seed for seed, own in zip(seeds, ts, strict=True) for _ in own]}
    places = [t for own in ts for t in own]
    return {FRAME_AT: places, ROWS: [rows] * len(places), **of_ends}


def written(request: Request) -> dict[str, str | float | int]:
    """What goes into the infotext, by label: nothing when off, else what differs from its default; of further pictures
    what differs from the first one's."""
    if not request.enabled:
        return {}
    lines = {label: _line(getattr(request.settings, setting.name)) for label, setting in _TABLE.items()
             if getattr(request.settings, setting.name) != setting.default}
    if request.task != DEFAULT_TASK and _as_preset(request):
        lines = {TASK: request.task, **lines}
    for prompt in (request.first, *request.further):
        lines |= _hashes(prompt)
        if prompt.number > 1:
            lines |= _differences(prompt, request.settings)
    return {**lines, VERSION: __version__}


def _hashes(prompt: ImagePrompt) -> dict[str, str]:
    pictures = {"image": prompt.picture, "reference_mask": prompt.take, "output_mask": prompt.put}
    return {label: picture_hash(pictures[name]) for name, label in _PICTURES[prompt.number].items()
            if pictures[name] is not None}


def _differences(prompt: ImagePrompt, first: Settings) -> dict[str, str | float | int]:
    """Of a further picture's settings."""
    lines = {}
    for label, setting in _OF_FURTHER.items():
        value = getattr(prompt.settings, setting.name)
        expected = setting.default if setting.name in ALWAYS_OWN else getattr(first, setting.name)
        if value != expected:
            lines[_labelled(label, prompt.number)] = _line(value)
    return lines


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
    """Read from an infotext: values by field name (all but pictures and masks), the hashes of those by field name, what
    to tell of it."""

    values: Mapping[str, Any]
    images: Mapping[str, str]
    notes: tuple[str, ...]


def read(lines: Mapping[str, Any]) -> Restored | None:
    """From an infotext's values by label, as the host parses them; None if InDetail had no part in the picture.

    What it does not name was at its default. What cannot be read stays at its default and is named in the notes.
    """
    own = {label: str(value) for label, value in _joined(lines).items()
           if label.startswith(PREFIX) and label != NOT_ACTING}
    if not own:
        return None
    values: dict[str, Any] = {"enabled": True, "task": own.get(TASK, DEFAULT_TASK)}
    strange = [label for label in own if label not in LABELS]
    if values["task"] not in TASKS:
        values["task"] = DEFAULT_TASK
        strange.append(TASK)
    values |= _settings_read(own, dict(_TABLE), _former_defaults(own.get(VERSION)), strange)
    for number in FURTHER:
        values |= _further_read(own, number, values, strange)
    images = {numbered(name, number): own[label]
              for number, labels in _PICTURES.items() for name, label in labels.items() if label in own}
    return Restored(values, images, _notes(own.get(VERSION), [f"{label}: {own[label]}" for label in strange]))


def _settings_read(own: Mapping[str, str], table: Mapping[str, dataclasses.Field], expected: Mapping[str, Any],
                   strange: list[str]) -> dict[str, Any]:
    """By name; what is not there is as expected, or at its default."""
    values = {}
    for label, setting in table.items():
        values[setting.name] = expected.get(setting.name, setting.default)
        try:
            values[setting.name] = _value(setting, own[label]) if label in own else values[setting.name]
        except (BadSetting, ValueError):
            strange.append(label)
    return values


def _further_read(own: Mapping[str, str], number: int, first: Mapping[str, Any], strange: list[str]) -> dict[str, Any]:
    """The fields that the page has of a further picture; others are named as strange."""
    table = {_labelled(label, number): setting for label, setting in _OF_FURTHER.items()}
    shown = {label: setting for label, setting in table.items() if setting.name in _ON_THE_PAGE}
    strange.extend(label for label in own if label in table and label not in shown)
    has_own = any(label in own for label, setting in shown.items() if setting.name in IF_OWN)
    expected = {name: first[name] for name in IF_OWN} if has_own else {}
    values = {**_settings_read(own, shown, expected, strange), "own": has_own}
    return {numbered(name, number): value for name, value in values.items()}


def _joined(lines: Mapping[str, Any]) -> dict[str, Any]:
    """The host splits every value of the form 2x3, also where it is a text of ours."""
    joined = dict(lines)
    for label in LABELS:
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


def _former_defaults(version: str | None) -> dict[str, Any]:
    """By name, where that version had another default."""
    return {name: value for before, defaults in _FORMER_DEFAULTS.items()
            if version is not None and _numbers(version) < before for name, value in defaults.items()}


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version or "0"))
