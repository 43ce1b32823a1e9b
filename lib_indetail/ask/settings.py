"""The one table of settings: it generates validation, parsing, the page, infotext, XYZ axes and docs/settings.md."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib_indetail.ask.interpolating import Interpolating
from lib_indetail.ask.reading import Reading
from lib_indetail.ask.setting_kinds import no_such
from lib_indetail.errors import BadSetting


@dataclass(frozen=True)
class Settings(Interpolating, Reading):
    """How image prompts act, and what is made between two ends.

    Raises BadSetting for a value of the wrong type or out of range.
    """

    @classmethod
    def of(cls, values: Mapping[str, Any], task: str | None = None) -> Settings:
        """Settings from named values, over a task's preset. Raises BadSetting for an unknown name."""
        names = [setting.name for setting in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise no_such("setting", name, names)
        return cls(**{**preset(task), **values})


INTERPOLATING = tuple(setting.name for setting in dataclasses.fields(Interpolating))
"""What says what is made between two ends."""
SHARED = ("guidance", "passes", "control_uncond_from", "spread", "inpaint_reference", "colour_until", *INTERPOLATING)
"""What holds for a whole generation; of several pictures each may have all others for itself."""

TASKS: dict[str, dict[str, Any]] = {
    "image variation": {},
    "structure-guided": {"stratified_until": 0.5, "control_uncond_from": 0.2},
    "cross-prompt": {"inversion_text": "empty"},
}


def preset(task: str | None) -> dict[str, Any]:
    """What a task sets differently from the defaults (methods of the paper, section 4)."""
    if task is None:
        return {}
    if task not in TASKS:
        raise BadSetting(f"must be one of {', '.join(TASKS)}, not {reprlib.repr(task)}.", "Task", task)
    return TASKS[task]
