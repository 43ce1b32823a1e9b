"""What a person or a script asks for, from the page's values or the API's."""

from __future__ import annotations

import contextlib
import dataclasses
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from PIL import Image

from lib_indetail.ask.image_prompt import ImagePrompt, image_prompt, is_canvas, is_empty
from lib_indetail.ask.presets import Presets, built_in
from lib_indetail.ask.setting_kinds import no_such, truth
from lib_indetail.ask.settings import SHARED, TASKS, Settings
from lib_indetail.errors import BadPicture, BadSetting, CannotAct

DEFAULT_TASK = next(iter(TASKS))
SETTINGS = tuple(setting.name for setting in dataclasses.fields(Settings))
PICTURE = ("image", "reference_mask", "output_mask")
MOST_PICTURES = 8
FURTHER = tuple(range(2, MOST_PICTURES + 1))
"""The numbers of pictures beside the first."""
ALWAYS_OWN = ("weight", "strength", "side")
"""What a further picture never takes over from the first."""
IF_OWN = ("lambda_image", "stratified_until", "start", "end", "inversion_text", "own_text", "blocks", "block_weights")
"""What the page offers of a further picture that has settings of its own."""
SHOWN = ("reconstruction", "masks", "attention")
"""Extra pictures that one may ask for: they come behind all others."""
OF_FURTHER = (*PICTURE, *ALWAYS_OWN, "own", *IF_OWN)


def numbered(name: str, number: int) -> str:
    """A further picture's field among all."""
    return f"{name} {number}"


LATER: tuple[str, ...] = ("levels", "detail", "detail_schedule")
"""Settings that were added after the others had their positions, in the order in which they came."""
POSITIONS = ("enabled", "image", "task", *(name for name in SETTINGS if name not in LATER), "reference_mask",
             "output_mask", *(numbered(name, number) for number in FURTHER for name in OF_FURTHER), "show", *LATER)
"""The order of the page's values and of the API's positional arguments. Only ever appended to."""
FIELDS = ("enabled", "task", *PICTURE, *SETTINGS, "images", "preset", "show")
"""What one object may have in their place; "images" is a list of objects, one for each further picture; "preset" is
the name of settings above which the others stand; "show" is a list of extra pictures."""
CHANGED = {"given", "changes"}
"""In the first argument's place there may be an object of both: what stood there, and named fields that stand above all
arguments. So whoever sends the arguments on sends what a script has changed with them."""
FIELDS_OF_IMAGES = (*PICTURE, *(name for name in SETTINGS if name not in SHARED))


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
        return self.enabled and bool(self.prompts)

    @classmethod
    def of(cls, args: Sequence[Any], changes: Mapping[str, Any] | None = None,
           presets: Presets | None = None) -> Request:
        """From positional values, or from one object with named fields in their place; changes that the arguments carry
        come on top, then `changes`. Without `presets` there are only the built-in ones.

        Raises BadSetting or BadPicture, but not for a request that is switched off.
        """
        expanded = partial(_expanded, presets)
        args, carried = without_changes(args)
        changes = expanded({**carried, **(changes or {})})
        fields = _one_by_one(_named([expanded(args[0]), *args[1:]] if args else [], changes))
        if not truth("Enabled", fields.pop("enabled")):
            return cls()
        task = fields.pop("task")
        if not isinstance(task, str) or task not in TASKS:
            raise BadSetting(f"must be one of {', '.join(TASKS)}, not {reprlib.repr(task)}.", "Task", task)
        show = _shown(fields.pop("show", None))
        further = {number: _taken_out(fields, number) for number in FURTHER}
        picture = {name: fields.pop(name, None) for name in PICTURE}
        settings = Settings.of(fields, task)
        prompts = _further(further, fields, task)
        wanted = settings.acts and not (prompts and is_empty(picture["image"]))
        first = image_prompt(1, settings, picture, wanted)
        return cls(True, first.picture, task, settings, first.take, first.put, prompts, show, first.notes)


def with_changes(args: Sequence[Any], changes: Mapping[str, Any]) -> list[Any]:
    """Arguments that carry changes, above those that they carry already; what is given is left as it is."""
    bare, carried = without_changes(args)
    return [{"given": bare[0], "changes": {**carried, **changes}}, *bare[1:]] if bare else []


def without_changes(args: Sequence[Any]) -> tuple[list[Any], Mapping[str, Any]]:
    """Arguments as they were given, and the changes that they carry."""
    if args and isinstance(args[0], Mapping) and set(args[0]) == CHANGED and isinstance(args[0]["changes"], Mapping):
        return [args[0]["given"], *args[1:]], args[0]["changes"]
    return list(args), {}


def is_on(args: Sequence[Any]) -> bool:
    """Whether arguments switch InDetail on, whatever else they say."""
    bare, changes = without_changes(args)
    first = bare[0] if bare else False
    on = first.get("enabled", True) if isinstance(first, Mapping) else first
    try:
        return truth("Enabled", changes.get("enabled", on))
    except BadSetting:
        return False


def _shown(given: Any) -> tuple[str, ...]:
    if not isinstance(given or [], list | tuple) or not all(each in SHOWN for each in given or ()):
        raise BadSetting(f"must be a list of any of {', '.join(SHOWN)}, not {reprlib.repr(given)}.", "Show", given)
    return tuple(given or ())


def _further(further: Mapping[int, dict[str, Any]], common: Mapping[str, Any],
             task: str) -> tuple[ImagePrompt, ...]:
    """Those that have a picture; what is not their own they have in common with the first."""
    common = {name: value for name, value in common.items() if name not in ALWAYS_OWN}
    prompts = []
    for number, fields in further.items():
        picture = {name: fields.pop(name, None) for name in PICTURE}
        if is_empty(picture["image"]):
            continue
        with of_picture(number):
            settings = Settings.of({**common, **fields}, task)
            prompts.append(image_prompt(number, settings, picture, settings.acts))
    return tuple(prompts)


@contextlib.contextmanager
def of_picture(number: int) -> Iterator[None]:
    """Says which picture an error is about."""
    try:
        yield
    except (BadSetting, BadPicture, CannotAct) as error:
        raise error.of_prompt(number) from None


def _taken_out(fields: dict[str, Any], number: int) -> dict[str, Any]:
    """A further picture's fields, by their own names."""
    names = [name for name in fields if name.endswith(f" {number}")]
    taken = {name.removesuffix(f" {number}"): fields.pop(name) for name in names}
    taken.pop("own", None)
    return taken


def _named(args: Sequence[Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request's fields by name. A preset's values stand above the page's own, whether the page chose the task or
    a change puts another in its place; a change to a value itself stands above all."""
    if args and is_canvas(args[0]):
        args = [{"image": args[0]}]
    objects = [value for value in args if isinstance(value, Mapping) and not is_canvas(value)]
    if objects:
        if not isinstance(args[0], Mapping) or len(objects) > 1:
            raise BadSetting("InDetail takes one object with named fields as its first argument.")
        return {**_from_object(objects[0]), **changes}
    fields = {"enabled": False, "image": None, "task": DEFAULT_TASK, **dict(zip(POSITIONS, args, strict=False))}
    left_out = {name for task in (fields["task"], changes.get("task")) if isinstance(task, str)
                for name in TASKS.get(task, {})}
    left_out |= {numbered(name, number) for number in FURTHER
                 if not truth("Settings of its own", fields.get(numbered("own", number)) or False)
                 for name in IF_OWN}
    return {**{name: value for name, value in fields.items() if name not in left_out}, **changes}


def _expanded(presets: Presets | None, fields: Any) -> Any:
    """Named fields with a preset's values in the place of its name."""
    if not isinstance(fields, Mapping) or "preset" not in fields:
        return fields
    rest = {name: value for name, value in fields.items() if name != "preset"}
    if not is_on([rest]):
        return rest
    preset = presets.get(fields["preset"]) if presets else built_in(fields["preset"])
    return {**preset.complete, **rest}


def _one_by_one(fields: dict[str, Any]) -> dict[str, Any]:
    """In the place of the image there may be a list: of all image prompts, each a picture or an object with its masks.
    It is what an infotext lacks."""
    images = fields["image"]
    if not isinstance(images, list | tuple):
        return fields
    if len(images) > MOST_PICTURES:
        raise BadSetting(f"At most {MOST_PICTURES} image prompts can act together, not {len(images)}.")
    fields = {**fields, "image": None}
    for number, each in enumerate(images, 1):
        pictures = each if isinstance(each, Mapping) and not is_canvas(each) else {"image": each}
        _refuse_unknown(pictures, PICTURE, "field of an image")
        fields |= {name if number == 1 else numbered(name, number): value for name, value in pictures.items()}
    return fields


def _from_object(given: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unknown(given, FIELDS, "field")
    fields = {"enabled": True, "image": None, "task": DEFAULT_TASK, **given}
    images = fields.pop("images", None) or []
    if not isinstance(images, list | tuple) or not all(isinstance(each, Mapping) for each in images):
        raise BadSetting("Images must be a list of objects, one for each further image prompt.")
    if len(images) > len(FURTHER):
        raise BadSetting(f"At most {MOST_PICTURES} image prompts can act together, not {1 + len(images)}.")
    for number, each in zip(FURTHER, images, strict=False):
        _refuse_unknown(each, FIELDS_OF_IMAGES, "field of a further image prompt")
        if is_empty(each.get("image")):
            raise BadPicture(f"Image prompt {number} has no image.")
        fields |= {numbered(name, number): value for name, value in each.items()}
    return fields


def _refuse_unknown(given: Mapping[str, Any], known: Sequence[str], kind: str) -> None:
    for name in given:
        if name not in known:
            raise no_such(kind, name, known)
