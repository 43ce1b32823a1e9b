"""The forms in which a wish may come, and the one that all of them become: a nested object.

    {"enabled": true, "task": "cross-prompt", "preset": "mine",
     "prompts": [{"image": ..., "weight": 1.0, ...}, ...],     # all alike: a picture, masks, settings
     "shared": {"lambda_image": 0.4, ...},                     # what the prompts have in common
     "show": ["masks"]}

A prompt's own settings stand above the shared ones, and these above the preset's. Older forms are the page's values in
their order (`page_order`), and an object whose fields are the first prompt's, with `images` for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib_indetail.ask.image_prompt import is_canvas, is_empty
from lib_indetail.ask.page_order import (
    ALWAYS_OWN,
    FURTHER,
    IF_OWN,
    MOST_PICTURES,
    PICTURE,
    POSITIONS,
    SETTINGS,
    numbered,
)
from lib_indetail.ask.presets import Presets, built_in
from lib_indetail.ask.setting_kinds import no_such, truth
from lib_indetail.ask.settings import SHARED, TASKS
from lib_indetail.errors import BadPicture, BadSetting

DEFAULT_TASK = next(iter(TASKS))
FIELDS = ("enabled", "task", "preset", "prompts", "shared", "show")
FIELDS_OF_PROMPTS = (*PICTURE, *(name for name in SETTINGS if name not in SHARED))
OLDER_FIELDS = ("enabled", "task", *PICTURE, *SETTINGS, "images", "preset", "show")
CHANGED = {"given", "changes"}
"""In the first argument's place there may be an object of both: what stood there, and named fields that stand above all
arguments. So whoever sends the arguments on sends what a script has changed with them."""
TOP = ("enabled", "task", "show")
EMPTY = {"enabled": True, "task": DEFAULT_TASK, "show": None, "prompts": [{"image": None}], "shared": {}}


def nested(args: Sequence[Any], changes: Mapping[str, Any] | None = None,
           presets: Presets | None = None) -> dict[str, Any]:
    """The nested object of any form; changes that the arguments carry come on top, then `changes`. Without `presets`
    there are only the built-in ones. Raises BadSetting and BadPicture for what is none."""
    args, carried = without_changes(args)
    changes = _expanded({**carried, **(changes or {})}, presets)
    if args and is_canvas(args[0]):
        args = [{"image": args[0]}]
    objects = [value for value in args if isinstance(value, Mapping) and not is_canvas(value)]
    if not objects:
        return changed(EMPTY, _of_page(args, changes))
    if not isinstance(args[0], Mapping) or len(objects) > 1:
        raise BadSetting("InDetail takes one object with named fields as its first argument.")
    if {"prompts", "shared"} & set(args[0]):
        return changed(_whole(args[0], presets), changes)
    return changed(EMPTY, {**_of_older(_expanded(args[0], presets)), **changes})


def changed(wish: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """A nested object with flat fields above its own: `lambda_image` is that of all prompts which have none of their
    own, `lambda_image 3` the third's; `image` may be a list, of all prompts, each a picture or an object with its
    masks."""
    made = {**wish, "prompts": [dict(each) for each in wish["prompts"]], "shared": dict(wish["shared"])}
    for name, value in _one_by_one(fields).items():
        base, number = _place(name)
        if base in TOP:
            made[base] = value
        elif number is None:
            made["shared"][base] = value
            for first in made["prompts"][:1]:
                first.pop(base, None)
        else:
            made["prompts"] += [{} for _ in range(number - len(made["prompts"]))]
            made["prompts"][number - 1][base] = value
    return made


def _place(name: str) -> tuple[str, int | None]:
    """A flat field's name in the nested object, and the number of its prompt; None where it is not of one."""
    base, _, number = name.rpartition(" ")
    if number.isdigit() and int(number) in FURTHER:
        return base, int(number)
    return name, 1 if name in (*PICTURE, *ALWAYS_OWN) else None


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


def _of_page(args: Sequence[Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Flat fields. A task's and a preset's values stand above the page's own, whether the page chose the task or a
    change puts another in its place; a change to a value itself stands above all."""
    fields = {"enabled": False, "image": None, "task": DEFAULT_TASK, **dict(zip(POSITIONS, args, strict=False))}
    left_out = {name for task in (fields["task"], changes.get("task")) if isinstance(task, str)
                for name in TASKS.get(task, {})}
    left_out |= {numbered(name, number) for number in FURTHER
                 if not truth("Settings of its own", fields.get(numbered("own", number)) or False)
                 for name in IF_OWN}
    return {**{name: value for name, value in fields.items() if name not in left_out}, **changes}


def _of_older(given: Mapping[str, Any]) -> dict[str, Any]:
    """Flat fields of an object of the first prompt's, with `images` for the others."""
    _refuse_unknown(given, OLDER_FIELDS, "field")
    fields = {"enabled": True, "image": None, "task": DEFAULT_TASK, **given}
    images = fields.pop("images", None) or []
    if not isinstance(images, list | tuple) or not all(isinstance(each, Mapping) for each in images):
        raise BadSetting("Images must be a list of objects, one for each further image prompt.")
    _refuse_too_many(1 + len(images))
    for number, each in zip(FURTHER, images, strict=False):
        fields |= {numbered(name, number): value for name, value in _complete(each, number).items()}
    return fields


def _whole(given: Mapping[str, Any], presets: Presets | None) -> dict[str, Any]:
    """A nested object as it is sent."""
    _refuse_unknown(given, FIELDS, "field")
    prompts, shared = given.get("prompts") or [], given.get("shared") or {}
    if not isinstance(prompts, list | tuple) or not all(isinstance(each, Mapping) for each in prompts):
        raise BadSetting("Prompts must be a list of objects, one for each image prompt.")
    if not isinstance(shared, Mapping):
        raise BadSetting("Shared must be an object, of settings that all image prompts have in common.")
    _refuse_too_many(len(prompts))
    _refuse_unknown(shared, SETTINGS, "shared field")
    of_preset = dict(_expanded({name: given[name] for name in ("enabled", "preset") if name in given}, presets))
    task = given.get("task", of_preset.pop("task", DEFAULT_TASK))
    of_preset.pop("enabled", None)
    return {**EMPTY, "enabled": given.get("enabled", True), "task": task, "show": given.get("show"),
            "prompts": [_complete(each, number) for number, each in enumerate(prompts, 1)],
            "shared": {**of_preset, **shared}}


def _complete(prompt: Mapping[str, Any], number: int) -> dict[str, Any]:
    _refuse_unknown(prompt, FIELDS_OF_PROMPTS, "field of a further image prompt" if number > 1
                    else "field of an image prompt")
    if number > 1 and is_empty(prompt.get("image")):
        raise BadPicture(f"Image prompt {number} has no image.")
    return dict(prompt)


def _expanded(fields: Mapping[str, Any], presets: Presets | None) -> Mapping[str, Any]:
    """Named fields with a preset's values in the place of its name."""
    if "preset" not in fields:
        return fields
    rest = {name: value for name, value in fields.items() if name != "preset"}
    if not is_on([rest]):
        return rest
    preset = presets.get(fields["preset"]) if presets else built_in(fields["preset"])
    return {**preset.complete, **rest}


def _one_by_one(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """In the place of the image there may be a list: of all image prompts, each a picture or an object with its masks.
    It is what an infotext lacks."""
    images = fields.get("image")
    if not isinstance(images, list | tuple):
        return fields
    _refuse_too_many(len(images))
    made = {**fields, "image": None}
    for number, each in enumerate(images, 1):
        pictures = each if isinstance(each, Mapping) and not is_canvas(each) else {"image": each}
        _refuse_unknown(pictures, PICTURE, "field of an image")
        made |= {numbered(name, number): value for name, value in pictures.items()}
    return made


def _refuse_too_many(count: int) -> None:
    if count > MOST_PICTURES:
        raise BadSetting(f"At most {MOST_PICTURES} image prompts can act together, not {count}.")


def _refuse_unknown(given: Mapping[str, Any], known: Sequence[str], kind: str) -> None:
    for name in given:
        if name not in known:
            raise no_such(kind, name, known)
