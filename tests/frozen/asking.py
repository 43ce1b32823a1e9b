"""From a frozen request to what is sent: every setting that the older commit knows is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.frozen.wishes import FIRST, Frozen

Known = Mapping[str, Any]
"""What `GET /indetail/settings` answers: the table, the tasks, the order by position, the fields."""

AS_BEFORE: dict[str, Any] = {
    "levels": "all", "detail": 0.0, "detail_schedule": "constant",
    "interpolate": "off", "prompt_b": "", "guide_prompt": "", "frames": 5, "frame_at": "", "between": "layout",
    "interpolated_share": 0.5, "places": "even", "places_alpha": 6.0, "places_beta": 3.0,
    "places_tried": 0, "between_after": "texts alone", "seed_b": -1, "text_blend": "linear",
    "sheet": "strip and steps", "animation": "none"}
"""Of every setting that came after the first frozen commit, the value that means: as before there was any."""
OF_EACH = ("weight", "strength", "side")
"""What a further image prompt does not take over from the first."""


class NotSaid(Exception):
    """A new setting without a value that means: as before."""


def named(known: Known) -> dict[str, Any]:
    """Every setting at its default."""
    return {setting["name"]: setting["default"] for setting in known["settings"]}


def added(older: Known, newer: Known) -> dict[str, Any]:
    """What the older commit does not know, at the value that means: as before. Raises NotSaid."""
    names = [name for name in named(newer) if name not in named(older)]
    for name in names:
        if name not in AS_BEFORE:
            raise NotSaid(f"{name} is new: tests/frozen/asking.py must say which value means as before.")
    return {name: AS_BEFORE[name] for name in names}


def in_full(wish: Mapping[str, Any], older: Known, more: Mapping[str, Any]) -> dict[str, Any]:
    """The wish over its task's values over the older commit's defaults, and `more`, which that one does not know. A
    wish with a preset has its settings from there."""
    if "preset" in wish:
        return {**more, **wish}
    values = {**named(older), **older["tasks"][wish.get("task", next(iter(older["tasks"])))], **more}
    full = {**values, **wish}
    if "images" in full:
        of_each = {name: values[name] for name in OF_EACH}
        full["images"] = [{**of_each, **each} for each in full["images"]]
    return full


def by_position(wish: Mapping[str, Any], known: Known, more: Mapping[str, Any]) -> list[Any]:
    """As the page sends it: in the older commit's order, and what that one lacks behind."""
    values = {"enabled": True, "show": [], **named(known), **wish}
    return [*(values.get(name) for name in known["order"]), *more.values()]


def body(frozen: Frozen, older: Known, more: Mapping[str, Any], axes: Sequence[str],
         infotext_of: Callable[[str], str]) -> dict[str, Any]:
    """The request's JSON. `axes` are the names that the plot offers here, `infotext_of` another request's infotext."""
    if frozen.after:
        return {"infotext": infotext_of(frozen.after)}
    sent = {**FIRST, **frozen.fields}
    if frozen.wish is not None:
        args = (by_position(frozen.wish, older, more) if frozen.by_position else [in_full(frozen.wish, older, more)])
        sent["alwayson_scripts"] = {**sent.get("alwayson_scripts", {}), "InDetail": {"args": args}}
    if sent.get("script_name") == "x/y/z plot":
        sent["script_args"] = [axes.index(f"[InDetail] {each[1:]}") if _is_axis(each) else each
                               for each in sent["script_args"]]
    return sent


def _is_axis(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(".")
