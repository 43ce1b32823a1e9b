"""What a person or a script asks for, from the page's values or the API's."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.picture import decoded_picture, upright_rgb
from lib_indetail.settings import TASKS, Settings

DEFAULT_TASK = next(iter(TASKS))
SETTINGS = tuple(setting.name for setting in dataclasses.fields(Settings))
POSITIONS = ("enabled", "image", "task", *SETTINGS)
"""The order of the page's values and of the API's positional arguments. Only ever appended to."""


@dataclass(frozen=True)
class Request:
    """A checked wish. `picture` is RGB; it may be None where nothing is to be done."""

    enabled: bool = False
    picture: Image.Image | None = None
    task: str = DEFAULT_TASK
    settings: Settings = dataclasses.field(default_factory=Settings)

    @property
    def acts(self) -> bool:
        return self.enabled and self.settings.acts

    @classmethod
    def of(cls, args: Sequence[Any], changes: Mapping[str, Any] | None = None) -> Request:
        """From positional values, or from one object with named fields in their place; `changes` come on top.

        Raises BadSetting or BadPicture, but not for a request that is switched off.
        """
        fields = _named(args, changes or {})
        enabled = fields.pop("enabled")
        if not isinstance(enabled, bool):
            raise BadSetting(f"Enabled must be true or false, not {reprlib.repr(enabled)}.")
        if not enabled:
            return cls()
        image, task = fields.pop("image"), fields.pop("task")
        if not isinstance(task, str) or task not in TASKS:
            raise BadSetting(f"Task must be one of {', '.join(TASKS)}, not {reprlib.repr(task)}.")
        settings = Settings.of(fields, task)
        return cls(True, _picture(image) if settings.acts else _picture_if_any(image), task, settings)


def _named(args: Sequence[Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request's fields by name. A preset's values stand above the page's own, whether the page chose the task or
    a change puts another in its place; a change to a value itself stands above all."""
    objects = [value for value in args if isinstance(value, Mapping)]
    if objects:
        if not isinstance(args[0], Mapping) or len(objects) > 1:
            raise BadSetting("InDetail takes one object with named fields as its first argument.")
        return {**_from_object(objects[0]), **changes}
    fields = {"enabled": False, "image": None, "task": DEFAULT_TASK, **dict(zip(POSITIONS, args))}
    fixed = {name for task in (fields["task"], changes.get("task")) if isinstance(task, str)
             for name in TASKS.get(task, {})}
    return {**{name: value for name, value in fields.items() if name not in fixed}, **changes}


def _from_object(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in POSITIONS:
            raise BadSetting(f"There is no field {reprlib.repr(name)}; the fields are {', '.join(POSITIONS)}.")
    return {"enabled": True, "image": None, "task": DEFAULT_TASK, **given}


def _picture(image: Any) -> Image.Image:
    if image is None or image == "":
        raise BadPicture("InDetail is on but has no picture: add one, or switch it off.")
    if isinstance(image, str):
        return decoded_picture(image)
    if isinstance(image, Image.Image):
        return upright_rgb(image)
    raise BadPicture(f"The image must be a picture as base64 or as a data URI, not {type(image).__name__}.")


def _picture_if_any(image: Any) -> Image.Image | None:
    try:
        return _picture(image)
    except BadPicture:
        return None
