"""Settings under a name: those that come with InDetail, and a person's own in one JSON file."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib_indetail.ask.setting_kinds import checked, no_such
from lib_indetail.ask.settings import INTERPOLATING, TASKS, Settings, preset
from lib_indetail.errors import BadSetting
from lib_indetail.kept.limited_folder import write_whole

TABLE = {setting.name: setting for setting in dataclasses.fields(Settings) if setting.name not in INTERPOLATING}
"""A preset says how image prompts are read, not what strips are made."""
DEFAULT_TASK = next(iter(TASKS))
LONGEST_NAME = 80
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preset:
    """`values` by name, "task" among them, only what differs from the task's or the default; `why` says what speaks for
    them; `strange` is what another version may know: names, or names with values that cannot be used."""

    values: Mapping[str, Any]
    why: str = ""
    strange: Mapping[str, Any] = field(default_factory=dict)

    @property
    def complete(self) -> dict[str, Any]:
        """Every setting and the task: what is not named is at its default."""
        task = self.values.get("task", DEFAULT_TASK)
        return {**_expected(task), "task": task, **self.values}


def _expected(task: str) -> dict[str, Any]:
    """Every setting, as it is if only the task is chosen."""
    return {**{name: setting.default for name, setting in TABLE.items()}, **preset(task)}


BUILT_IN = {
    "Image variation": Preset(
        {},
        "For another image like the image prompt, with a prompt that describes it: the paper's settings, but for "
        "the quicker inversion."),
    "Structure-guided": Preset(
        {"task": "structure-guided"},
        "For the image prompt's details on a shape that a ControlNet unit gives: the paper's settings, but for "
        "the quicker inversion. The authors use CFG scale 5."),
    "Cross-prompt": Preset(
        {"task": "cross-prompt"},
        "For the image prompt's details on something else, which the prompt names: the paper's settings, but for "
        "the quicker inversion."),
    "Cross-prompt, all blocks": Preset(
        {"task": "cross-prompt", "blocks": "all", "levels": "7", "inversion": "parallel"},
        "For patterns that Cross-prompt loses: the whole UNet reads the image prompt. The prompt is followed a little "
        "less often."),
    "Pattern": Preset(
        {"task": "cross-prompt", "stratified_until": 1.0, "colour_match": 1.0, "detail": 1.0},
        "For the geometry of a pattern, such as grids, dots and stripes, on something that the prompt names. It takes "
        "hardly longer than Cross-prompt."),
    "Most detail": Preset(
        {"task": "cross-prompt", "blocks": "all", "stratified_until": 1.0, "colour_match": 1.0, "levels": "5",
         "detail": 1.0},
        "For as much of pattern and colours as possible, on something that the prompt names. The prompt is followed a "
        "little less often."),
    "Cross-prompt, colours matched": Preset(
        {"task": "cross-prompt", "stratified_until": 1.0, "colour_match": 1.0},
        "For colours as close to the image prompt's as possible, where its pattern matters less."),
    "As in the paper": Preset(
        {"inversion": "DDIM", "nodes": 50, "levels": "all"},
        "For the paper's inversion: a UNet call for each of its nodes, and one more for each step. The first image "
        "takes more than twice as long."),
    "One pass": Preset(
        {"levels": "all"},
        "For keys and values at every step's own noise: one UNet call for each step inverts the image prompt, and none "
        "is left to record it."),
    "Closest inversion": Preset(
        {"inversion": "refined", "levels": "all"},
        "For an image prompt whose details the preview of the inversion has lost: three UNet calls a node."),
}


def built_in(name: Any) -> Preset:
    """Raises BadSetting for a name that is none."""
    if name not in [*BUILT_IN]:
        raise no_such("preset", name, [*BUILT_IN])
    return BUILT_IN[name]


class Presets:
    """`where()` is the file of a person's own. It is written under another name and renamed. One that cannot be read is
    set aside under another name, and `notes` says so, once."""

    def __init__(self, where: Callable[[], Path]):
        self._where = where
        self._notes: list[str] = []

    def names(self) -> list[str]:
        """Those that come with InDetail first."""
        return [*BUILT_IN, *sorted(self._read()["presets"], key=str.casefold)]

    def get(self, name: Any) -> Preset:
        """Raises BadSetting for a name that is none."""
        if name in [*BUILT_IN]:
            return built_in(name)
        own = self._read()["presets"]
        if not isinstance(name, str) or name not in own:
            raise no_such("preset", name, [*BUILT_IN, *own])
        return _preset(own[name])

    def save(self, name: str, values: Mapping[str, Any]) -> None:
        """Settings and task by name, in the place of an older one; what that has and nobody here understands stays.
        Raises BadSetting."""
        name = _own_name(name)
        task = values.get("task", DEFAULT_TASK)
        settings = Settings.of({key: value for key, value in values.items() if key != "task"}, task)
        expected = _expected(task)
        kept = {key: value for key, value in vars(settings).items() if key in TABLE and value != expected[key]}
        document = self._read()
        before = document["presets"].get(name)
        strange = _preset(before).strange if isinstance(before, Mapping) else {}
        document["presets"][name] = {**strange, **({} if task == DEFAULT_TASK else {"task": task}), **kept}
        self._write(document)

    def rename(self, name: str, to: str) -> None:
        """Raises BadSetting if there is none, or if there is one of the new name."""
        document, to = self._read(), _own_name(to)
        if to != name and to in document["presets"]:
            raise BadSetting(f"There is a preset named {to} already.")
        self._own(document, name)
        document["presets"] = {to if key == name else key: value for key, value in document["presets"].items()}
        self._write(document)

    def delete(self, name: str) -> None:
        """Raises BadSetting."""
        document = self._read()
        self._own(document, name)
        del document["presets"][name]
        self._write(document)

    def notes(self) -> list[str]:
        """What there is to tell of the file, once."""
        notes, self._notes = self._notes, []
        return notes

    @staticmethod
    def _own(document: Mapping[str, Any], name: str) -> None:
        if name in BUILT_IN:
            raise BadSetting(f"{name} comes with InDetail and stays as it is; save it under another name.")
        if name not in document["presets"]:
            raise no_such("preset of your own", name, list(document["presets"]))

    def _read(self) -> dict[str, Any]:
        path = self._where()
        if not path.exists():
            return {"presets": {}}
        try:
            document = json.loads(path.read_text("utf-8"))
            if not isinstance(document, dict) or not isinstance(document.get("presets"), dict):
                raise ValueError("it holds no presets")
            return document
        except OSError as error:
            raise BadSetting(f"The presets could not be read: {error.strerror}.") from error
        except ValueError as error:
            self._set_aside(path, error)
            return {"presets": {}}

    def _set_aside(self, path: Path, error: ValueError) -> None:
        aside = next(each for number in range(1, 10_000)
                     if not (each := path.with_suffix(f".damaged-{number}.json")).exists())
        path.replace(aside)
        note = f"The presets could not be read ({error}); the file is kept as {aside.name}."
        logger.warning(note)
        self._notes.append(note)

    def _write(self, document: Mapping[str, Any]) -> None:
        try:
            write_whole(self._where(), (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
        except OSError as error:
            raise BadSetting(f"The presets could not be written: {error.strerror}.") from error


def _preset(given: Any) -> Preset:
    """As it stands in the file: what can be used, and what is strange."""
    values, strange = {}, {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        try:
            if name == "task":
                preset(value)
                values[name] = value
            else:
                values[name] = checked(TABLE[name], value)
        except (BadSetting, KeyError, TypeError):
            strange[name] = value
    return Preset(values, strange=strange)


def _own_name(name: Any) -> str:
    name = name.strip() if isinstance(name, str) else ""
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadSetting(f"A preset needs a name of 1 to {LONGEST_NAME} letters.")
    if name.casefold() in map(str.casefold, BUILT_IN):
        raise BadSetting(f"{name} comes with InDetail and stays as it is; take another name.")
    return name
