"""What a person or a script asks for, checked: made of the nested object that every form becomes (`forms`)."""

from __future__ import annotations

import contextlib
import dataclasses
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from lib_indetail.ask.forms import DEFAULT_TASK, nested
from lib_indetail.ask.image_prompt import ImagePrompt, image_prompt, is_empty
from lib_indetail.ask.interpolating import PICTURES
from lib_indetail.ask.page_order import PICTURE
from lib_indetail.ask.presets import Presets
from lib_indetail.ask.setting_kinds import truth
from lib_indetail.ask.settings import TASKS, Settings
from lib_indetail.errors import BadPicture, BadSetting, CannotAct

SHOWN = ("reconstruction", "masks", "attention")
"""Extra pictures that one may ask for: they come behind all others."""


@dataclass(frozen=True)
class Request:
    """A checked wish. `picture` is RGB; it may be None where nothing is to be done, or where only `further` ones act.
    `settings` are the first picture's, and those that all share; `notes` say what of its file could not be followed."""

    enabled: bool = False
    picture: Image.Image | None = None
    task: str = DEFAULT_TASK
    settings: Settings = dataclasses.field(default_factory=Settings)
    take: Image.Image | None = None
    put: Image.Image | None = None
    further: tuple[ImagePrompt, ...] = ()
    show: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> ImagePrompt:
        return ImagePrompt(1, self.picture, self.settings, self.take, self.put, self.notes)

    @property
    def prompts(self) -> tuple[ImagePrompt, ...]:
        """Those that act, with their pictures."""
        return tuple(each for each in (self.first, *self.further) if each.picture is not None and each.settings.acts)

    @property
    def acts(self) -> bool:
        return self.enabled and (bool(self.prompts) or self.settings.interpolates)

    @classmethod
    def of(cls, args: Sequence[Any], changes: Mapping[str, Any] | None = None,
           presets: Presets | None = None) -> Request:
        """From any form; `changes` are flat fields that stand above all. Without `presets` there are only the built-in
        ones.

        Raises BadSetting or BadPicture, but not for a request that is switched off.
        """
        wish = nested(args, changes, presets)
        if not truth("Enabled", wish["enabled"]):
            return cls()
        task = wish["task"]
        if not isinstance(task, str) or task not in TASKS:
            raise BadSetting(f"must be one of {', '.join(TASKS)}, not {reprlib.repr(task)}.", "Task", task)
        show = _shown(wish["show"])
        (picture, settings), *others = [_of_prompt(prompt, wish["shared"]) for prompt in wish["prompts"] or [{}]]
        settings = Settings.of(settings, task)
        further = _further(others, task)
        alone = not (further or settings.interpolates)
        wanted = settings.acts and (alone or not is_empty(picture["image"]))
        first = image_prompt(1, settings, picture, wanted)
        made = cls(True, first.picture, task, settings, first.take, first.put, further, show, first.notes)
        _refuse_ends(made)
        return made


def _refuse_ends(request: Request) -> None:
    """Where a strip's ends are pictures there are just as many."""
    kind = request.settings.interpolate
    wanted, there = PICTURES.get(kind), len(request.prompts)
    if wanted not in (None, there):
        takes = "two image prompts, from the first to the second" if wanted == 2 else "one image prompt"
        raise BadSetting(f"{kind} takes {takes}; there {'is' if there == 1 else 'are'} {there or 'none'}.",
                         "Interpolate:", kind)
    if wanted and any(each.settings.side == "negative" for each in request.prompts):
        raise BadSetting(f"{kind} goes between image prompts of the positive side.", "Interpolate:", kind)


def _shown(given: Any) -> tuple[str, ...]:
    if not isinstance(given or [], list | tuple) or not all(each in SHOWN for each in given or ()):
        raise BadSetting(f"must be a list of any of {', '.join(SHOWN)}, not {reprlib.repr(given)}.", "Show", given)
    return tuple(given or ())


def _of_prompt(prompt: Mapping[str, Any], shared: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its picture with masks, and its settings; `own` says of the page's alone that there are some."""
    own = {name: value for name, value in prompt.items() if name not in (*PICTURE, "own")}
    return {name: prompt.get(name) for name in PICTURE}, {**shared, **own}


def _further(others: Sequence[tuple[dict[str, Any], dict[str, Any]]], task: str) -> tuple[ImagePrompt, ...]:
    """Those that have a picture."""
    prompts = []
    for number, (picture, fields) in enumerate(others, 2):
        if not is_empty(picture["image"]):
            with of_picture(number):
                settings = Settings.of(fields, task)
                prompts.append(image_prompt(number, settings, picture, settings.acts))
    return tuple(prompts)


@contextlib.contextmanager
def of_picture(number: int) -> Iterator[None]:
    """Says which picture an error is about."""
    try:
        yield
    except (BadSetting, BadPicture, CannotAct) as error:
        raise error.of_prompt(number) from None
