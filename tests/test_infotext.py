"""Settings go into the infotext and come back; checked with the host's own way of writing and reading."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image

from lib_indetail import __version__
from lib_indetail.ask.infotext import LABELS, read, written
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import TASKS, Settings
from lib_indetail.pictures.convert import picture_hash

FIELDS = {setting.name: setting for setting in dataclasses.fields(Settings)}
PICTURE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
TEXTS = ["a star", "a star, sharp: very", "two\nlines", " blank before", "blank after ", '"quoted"', '"half', 'half"',
         "2x3", "12x",
         "Steps: 20, Sampler: Euler", "a \\ b", "emoji ✨ 星", "tab\tend", 'a "word" within', "True", "1.5", ","]
_LINE = re.compile(r"""\s*(\w[\w /-]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)""")


def through_the_host(lines: dict) -> dict:
    """As the WebUI 1.10 writes a line of values and reads it back (webui-host notes, section 5)."""
    lines = {"Steps": 20, "Sampler": "Euler", **lines, "Version": "v1.10.1"}
    quoted = [f"{key}: {json.dumps(value, ensure_ascii=False) if set(str(value)) & set(',:' + chr(10)) else value}"
              for key, value in lines.items()]
    text, parsed = ", ".join(quoted).strip().replace("\r", "\n").split("\n")[-1], {}
    for key, value in _LINE.findall(text):
        if value and value[0] == value[-1] == '"':
            with contextlib.suppress(ValueError):
                value = json.loads(value)
        size = re.fullmatch(r"(\d+)x(\d+)", value)
        parsed |= {f"{key}-1": size[1], f"{key}-2": size[2]} if size else {key: value}
    return parsed


SCHEDULES = ("linear", "cosine", "0:1", "0:0.7, 0.4:0.3,1:0", "0.25")
VARYING = {"levels": ("1", "7", "100"), "block_weights": ("detail", "structure", "strong", "0:1, 0.5:0"),
           "hires_lambda": ("", "0.25", "linear"), "frame_at": ("0", "0.25", "1"),
           "places": ("beta", "adaptive", "0, 0.4, 0.5, 1")}


def restored(request: Request):
    return read(through_the_host(written(request)))


def first(values):
    """Without those of the further pictures."""
    return {name: value for name, value in values.items() if not name[-1].isdigit()}


def wish(task: str = "image variation", **values) -> Request:
    return Request(True, PICTURE, task, Settings.of(values, task))


def changed_values():
    for name, setting in FIELDS.items():
        meta = setting.metadata
        if "choices" in meta:
            yield from ((name, choice) for choice in meta["choices"])
        elif "low" in meta:
            middle = type(setting.default)((meta["low"] + meta["high"]) / 2 + meta["step"])
            yield from ((name, value) for value in (meta["low"], middle, meta["high"]))
        else:
            yield from ((name, text) for text in VARYING.get(name, SCHEDULES if "names" in meta else TEXTS))


@pytest.mark.parametrize(("name", "value"), changed_values())
def test_every_value_comes_back(name, value):
    beside = {"start": {"end": 1.0, "strength": 0.0}, "end": {"strength": 0.0}}.get(name, {})
    request = wish(**{**beside, name: value})
    got = restored(request)
    assert first(got.values) == {"enabled": True, "task": "image variation", **dataclasses.asdict(request.settings)}
    assert got.notes == ()


def test_defaults_are_not_written():
    assert written(wish()) == {"InDetail image": picture_hash(PICTURE), "InDetail version": __version__}


def test_off_writes_nothing():
    assert written(Request()) == {}


def test_strength_zero_is_written_with_the_picture():
    request = Request.of([{"image": PICTURE, "strength": 0}])
    assert written(request) == {"InDetail strength": 0.0, "InDetail image": picture_hash(PICTURE),
                                "InDetail version": __version__}
    assert "InDetail image" not in written(Request.of([{"image": "broken", "strength": 0}]))


@pytest.mark.parametrize("task", TASKS)
def test_a_task_comes_back_with_its_values(task):
    got = restored(wish(task))
    assert got.values["task"] == task
    assert first(got.values) == {"enabled": True, "task": task, **dataclasses.asdict(Settings.of({}, task))}


def test_a_task_whose_values_were_overruled_comes_back_as_those_values():
    got = restored(wish("structure-guided", stratified_until=0.3))
    again = Request.of([{**first(got.values), "image": PICTURE}])
    assert (got.values["task"], again.settings.stratified_until) == ("image variation", 0.3)
    assert again.settings.control_uncond_from == 0.2


def test_labels_are_what_the_host_can_read():
    lines = through_the_host(dict.fromkeys(LABELS, "1"))
    assert set(LABELS) <= set(lines)
    assert all(re.fullmatch(r"\w[\w \-/]+", label) for label in LABELS)


def test_a_floats_tail_is_not_written():
    assert written(wish(lambda_image=0.1 + 0.2))["InDetail lambda"] == 0.3


def test_a_picture_made_without_us_restores_nothing():
    assert read(through_the_host({"Seed": 1})) is None
    assert read(through_the_host({"InDetail skipped": "InDetail cannot act."})) is None


@pytest.mark.parametrize("version", ["0.0.1", "none", "", __version__])
def test_older_and_strange_versions_are_read_as_far_as_they_go(version):
    got = read({"InDetail lambda": "0.3", "InDetail version": version})
    assert got.values["lambda_image"] == 0.3
    assert got.notes == ()


@pytest.mark.parametrize(("version", "nodes"), [("0.3.0", 50), ("0.1", 50), (__version__, 20), ("99.0", 20)])
def test_what_an_older_version_left_at_its_default_comes_back_as_it_was_then(version, nodes):
    assert read({"InDetail lambda": "0.3", "InDetail version": version}).values["nodes"] == nodes
    assert read({"InDetail nodes": "7", "InDetail version": version}).values["nodes"] == 7


def test_a_version_key_is_not_needed():
    assert read({"InDetail lambda": "0.3"}).values["lambda_image"] == 0.3


def test_what_a_newer_version_wrote_is_read_as_far_as_it_goes_and_the_rest_is_said():
    got = read({"InDetail version": "99.1.0", "InDetail lambda": "0.3", "InDetail blocks": "every second",
                "InDetail colour": "0.5", "InDetail nodes": "many", "InDetail task": "portrait"})
    assert first(got.values) == {"enabled": True, "task": "image variation",
                          **dataclasses.asdict(Settings(lambda_image=0.3))}
    assert got.notes[0] == f"These settings are from InDetail 99.1.0, which is newer than this one ({__version__})."
    for strange in ("InDetail blocks: every second", "InDetail colour: 0.5", "InDetail nodes: many",
                    "InDetail task: portrait"):
        assert strange in got.notes[1]


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "2", "1e999", "", "0.5.1"])
def test_numbers_that_cannot_be_used_stay_at_the_default_and_are_named(value):
    got = read({"InDetail lambda": value})
    assert got.values["lambda_image"] == 0.5
    assert f"InDetail lambda: {value}" in got.notes[0]
