"""Presets: built-in ones that can be used, and a person's own that nothing loses."""

from __future__ import annotations

import json

import pytest

from lib_indetail.ask.presets import BUILT_IN, Presets
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import TASKS, Settings
from lib_indetail.errors import BadSetting


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "presets.json"


@pytest.fixture
def presets(file):
    return Presets(lambda: file)


def test_every_built_in_preset_can_be_used_and_says_what_speaks_for_it(presets):
    for name in BUILT_IN:
        values = presets.get(name).complete
        task = values.pop("task")
        assert Settings(**values) == Settings.of({k: v for k, v in BUILT_IN[name].values.items() if k != "task"}, task)
        assert BUILT_IN[name].why.endswith(".")
    assert {preset.complete["task"] for preset in BUILT_IN.values()} == set(TASKS)
    assert presets.names() == list(BUILT_IN)


def test_what_is_saved_comes_back_and_names_only_what_differs(presets, file):
    presets.save(" mine ", {"task": "cross-prompt", "lambda_image": 0.3, "inversion_text": "empty", "strength": 1.0})
    assert json.loads(file.read_text())["presets"] == {"mine": {"task": "cross-prompt", "lambda_image": 0.3}}
    complete = Presets(lambda: file).get("mine").complete
    assert (complete["task"], complete["lambda_image"], complete["inversion_text"]) == ("cross-prompt", 0.3, "empty")
    assert complete["nodes"] == Settings().nodes
    assert presets.names() == [*BUILT_IN, "mine"]


def test_a_preset_is_renamed_overwritten_and_deleted(presets):
    presets.save("a", {"strength": 0.5})
    presets.save("b", {"strength": 0.6})
    presets.rename("a", "c")
    assert presets.names()[-2:] == ["b", "c"] and presets.get("c").values == {"strength": 0.5}
    presets.save("c", {"lambda_image": 0.1})
    assert presets.get("c").values == {"lambda_image": 0.1}
    presets.delete("b")
    assert presets.names()[len(BUILT_IN):] == ["c"]
    with pytest.raises(BadSetting, match="There is a preset named c already"):
        presets.save("d", {})
        presets.rename("d", "c")


@pytest.mark.parametrize("act", [
    lambda presets: presets.get("None"), lambda presets: presets.get(3), lambda presets: presets.delete("None"),
    lambda presets: presets.rename("None", "x"), lambda presets: presets.save("", {}),
    lambda presets: presets.save("a\nb", {}), lambda presets: presets.save("x" * 81, {}),
    lambda presets: presets.save("x", {"strength": 3}), lambda presets: presets.save("x", {"strenght": 1}),
    lambda presets: presets.save("x", {"task": "none"}), lambda presets: presets.save("one pass", {}),
    lambda presets: presets.delete("One pass"), lambda presets: presets.rename("One pass", "x")])
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(presets, file, act):
    presets.save("mine", {"strength": 0.5})
    before = file.read_bytes()
    with pytest.raises(BadSetting) as error:
        act(presets)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)
    assert file.read_bytes() == before


def test_what_another_version_wrote_is_kept_and_named(presets, file):
    file.parent.mkdir()
    file.write_text(json.dumps({"written by": "99", "presets": {
        "mine": {"strength": 0.5, "aura": 3, "nodes": "many"}, "odd": [1], "task": {"task": "dream"}}}))
    mine = presets.get("mine")
    assert (mine.values, mine.strange) == ({"strength": 0.5}, {"aura": 3, "nodes": "many"})
    assert presets.get("odd").values == {} and presets.get("task").strange == {"task": "dream"}
    presets.save("mine", {"strength": 0.6, "nodes": 21})
    presets.save("other", {})
    presets.rename("other", "another")
    document = json.loads(file.read_text())
    assert document["written by"] == "99" and document["presets"]["odd"] == [1]
    assert document["presets"]["mine"] == {"aura": 3, "strength": 0.6, "nodes": 21}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"presets": 3}', b"\xff\xfe{}"])
def test_a_damaged_file_is_set_aside_and_that_is_said_once(presets, file, content):
    file.parent.mkdir()
    for number in (1, 2):
        file.write_bytes(content)
        assert presets.names() == list(BUILT_IN)
        aside = file.with_name(f"presets.damaged-{number}.json")
        assert aside.read_bytes() == content and not file.exists()
        note, = presets.notes()
        assert aside.name in note and presets.notes() == []
    presets.save("mine", {})
    assert presets.names()[-1] == "mine"


def test_a_disk_that_refuses_is_said_and_loses_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match="could not be written"):
        Presets(lambda: tmp_path / "file" / "presets.json").save("mine", {})


def test_a_request_by_name_takes_a_preset_and_what_is_given_stands_above_it(presets):
    presets.save("mine", {"task": "cross-prompt", "lambda_image": 0.3, "strength": 0.0})
    request = Request.of([{"preset": "mine", "lambda_image": 0.4}], presets=presets)
    assert (request.task, request.settings.lambda_image, request.settings.inversion_text) == (
        "cross-prompt", 0.4, "empty")
    page = [True, None, "image variation", 0.2, 0.5, 0.9]
    request = Request.of(page, {"preset": "mine"}, presets)
    assert (request.task, request.settings.strength, request.settings.stratified_until) == ("cross-prompt", 0.0, 0.2)
    with pytest.raises(BadSetting, match="There is no preset 'min'; you may mean mine"):
        Request.of([{"preset": "min"}], presets=presets)
    assert Request.of([{"preset": "Image variation", "strength": 0}]).task == "image variation"


def test_a_preset_says_nothing_of_strips(presets):
    presets.save("mine", {"lambda_image": 0.3, "interpolate": "prompts", "frames": 7})
    assert presets.get("mine").values == {"lambda_image": 0.3}
    request = Request.of([{"preset": "mine", "interpolate": "prompts", "frames": 7}], presets=presets)
    assert (request.settings.lambda_image, request.settings.frames, request.settings.interpolates) == (0.3, 7, True)
