"""What version 0.4 sent, wrote and saved means the same today. `data/from_0_4.json` was made by that version's own
code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from lib_indetail.ask.infotext import read
from lib_indetail.ask.page_order import POSITIONS
from lib_indetail.ask.presets import Presets
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import Settings
from lib_indetail.pictures.convert import picture_hash
from tests.test_infotext import through_the_host

OLD = json.loads((Path(__file__).parent / "data" / "from_0_4.json").read_text("utf-8"))
CASES, NAMES = OLD["cases"], [setting["name"] for setting in OLD["settings"]]
TABLE = {setting.name: setting for setting in dataclasses.fields(Settings)}
MOVED = {"inversion": "one pass"}
"""Defaults that have moved since, where a call says nothing."""
RENAMED = {"spread": "Several image prompts"}
"""By version 0.5: its saved value is back at the default."""


def told(request, left_out=()):
    return [{"number": each.number, "picture": list(each.picture.getpixel((0, 0))),
             "settings": {name: getattr(each.settings, name) for name in NAMES if name not in left_out}}
            for each in request.prompts]


def wanted(name, left_out=()):
    return [{**prompt, "settings": {key: value for key, value in prompt["settings"].items() if key not in left_out}}
            for prompt in CASES[name]["prompts"]]


def test_the_positions_are_the_first_of_todays():
    assert list(POSITIONS[:len(OLD["positions"])]) == OLD["positions"] and len(OLD["positions"]) == 140


@pytest.mark.parametrize("name", [name for name in CASES if name != "a preset"])
def test_arguments_ask_for_the_same(name):
    is_silent = name in ("the first few values", "an object")
    request = Request.of(CASES[name]["args"])
    left_out = MOVED if is_silent else ()
    assert (request.task, told(request, left_out)) == (CASES[name]["task"], wanted(name, left_out))
    for key, value in MOVED.items() if is_silent else ():
        assert getattr(request.settings, key) == value


@pytest.mark.parametrize("name", CASES)
def test_an_infotext_asks_for_the_same(name):
    request = Request.of(CASES[name]["args"])
    restored = read(through_the_host(CASES[name]["infotext"]))
    pictures = {picture_hash(each.picture): each.picture for each in request.prompts}
    values = {**restored.values, **{field: pictures[key] for field, key in restored.images.items()}}
    pasted = Request.of([values.get(position, "") for position in POSITIONS])
    assert restored.notes == ()
    assert told(pasted) == wanted(name)


def test_saved_presets_are_the_same(tmp_path):
    path = tmp_path / "presets.json"
    path.write_text(json.dumps(OLD["presets"]), "utf-8")
    presets = Presets(lambda: path)
    for name, complete in OLD["complete"].items():
        assert {**complete, **MOVED}.items() <= presets.get(name).complete.items()
        assert presets.get(name).strange == {}


@pytest.mark.parametrize("old", OLD["settings"], ids=lambda old: old["name"])
def test_a_control_keeps_its_label_and_takes_what_it_took(old):
    """A page's saved values go by label: one that is renamed, or narrower, loses them."""
    meta = TABLE[old["name"]].metadata
    assert meta["label"] == RENAMED.get(old["name"], old["label"])
    assert set(old.get("choices", ())) <= set(meta.get("choices", ()))
    if "low" in old:
        assert meta["low"] <= old["low"] and old["high"] <= meta["high"] and meta["step"] <= old["step"]
