"""What the page or the API sends, and how it is refused."""

from __future__ import annotations

import base64
import io
import json
import math

import pytest
from PIL import Image

from lib_indetail.ask.forms import is_on, with_changes, without_changes
from lib_indetail.ask.page_order import POSITIONS
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import Settings
from lib_indetail.errors import BadPicture, BadSetting


def encoded(picture: Image.Image, kind: str = "PNG") -> str:
    data = io.BytesIO()
    picture.save(data, kind)
    return base64.b64encode(data.getvalue()).decode()


PICTURE = encoded(Image.new("RGB", (8, 6), (10, 20, 30)))


def test_named_fields_switch_it_on_and_start_from_the_defaults():
    request = Request.of([{"image": PICTURE, "lambda_image": 0.3}])
    assert request.acts
    assert request.settings == Settings(lambda_image=0.3)
    assert request.picture.size == (8, 6)
    assert request.picture.getpixel((3, 3)) == (10, 20, 30)


def test_named_fields_ignore_the_pages_defaults_behind_them():
    request = Request.of([{"image": PICTURE}, None, "image variation", 0.1, 0.9])
    assert request.settings == Settings()


def test_positional_values_follow_the_page():
    values = {"enabled": True, "image": Image.new("RGB", (4, 4)), "task": "image variation", "strength": 0.7,
              "lambda_image": 0.2}
    request = Request.of(list(values.values()))
    assert POSITIONS[:5] == tuple(values)
    assert (request.settings.strength, request.settings.lambda_image) == (0.7, 0.2)


def test_on_the_page_a_task_stands_above_the_controls_it_greys():
    page = [True, PICTURE, "structure-guided", 1.0, 0.5, 0.2]
    assert Request.of(page).settings.stratified_until == 0.5


def test_a_named_field_stands_above_the_task():
    request = Request.of([{"image": PICTURE, "task": "structure-guided", "stratified_until": 0.3}])
    assert request.settings.stratified_until == 0.3


def test_changes_stand_above_everything():
    request = Request.of([{"image": PICTURE, "lambda_image": 0.3}], {"lambda_image": 0.9})
    assert request.settings.lambda_image == 0.9
    assert not Request.of([{"image": PICTURE}], {"enabled": False}).acts


@pytest.mark.parametrize(("page", "change", "stratified"), [
    ("image variation", "structure-guided", 0.5), ("structure-guided", "image variation", 0.2),
    ("cross-prompt", "structure-guided", 0.5), ("cross-prompt", "image variation", 0.35)])
def test_a_changed_task_brings_its_own_values_and_takes_the_others_away(page, change, stratified):
    shown = {"image variation": 0.35, "structure-guided": 0.5, "cross-prompt": 0.35}[page]
    request = Request.of([True, PICTURE, page, 1.0, 0.5, shown], {"task": change})
    assert (request.task, request.settings.stratified_until) == (change, stratified)
    changes = {"task": change, "stratified_until": 0.8}
    assert Request.of([True, PICTURE, page, 1.0, 0.5, shown], changes).settings.stratified_until == 0.8


def test_off_asks_for_nothing():
    assert Request.of([False, "not a picture", "no task", math.nan]) == Request()
    assert Request.of([]) == Request()


def test_strength_zero_needs_no_picture():
    assert not Request.of([{"strength": 0}]).acts


@pytest.mark.parametrize("text", [PICTURE, "data:image/png;base64," + PICTURE, PICTURE[:20] + "\n" + PICTURE[20:]])
def test_pictures_come_as_base64_or_data_uri(text):
    assert Request.of([{"image": text}]).picture.size == (8, 6)


BAD = {
    "unknown field": ({"image": PICTURE, "lamda": 1}, "There is no field 'lamda'"),
    "two objects": ([{"image": PICTURE}, {"image": PICTURE}], "one object"),
    "object not first": ([True, {"image": PICTURE}], "one object"),
    "no image prompt": ({"image": None}, "has no image prompt"),
    "empty picture": ({"image": ""}, "has no image prompt"),
    "not base64": ({"image": "///...!"}, "base64"),
    "an address": ({"image": "http://example.com/a.png"}, "base64"),
    "a path": ({"image": "/etc/passwd.png"}, "base64"),
    "not a picture": ({"image": base64.b64encode(b"hello there").decode()}, "not a picture"),
    "half a picture": ({"image": PICTURE[:40]}, "picture|broken"),
    "a number for a picture": ({"image": 7}, "not 7"),
    "a list within the list of image prompts": ({"image": [[PICTURE]]}, "not a list of 1"),
    "text for enabled": ({"image": PICTURE, "enabled": "perhaps"}, "Enabled must be"),
    "number for enabled": ({"image": PICTURE, "enabled": 2}, "Enabled must be"),
    "unknown task": ({"image": PICTURE, "task": "portrait"}, "Task must be one of"),
    "number for task": ({"image": PICTURE, "task": 3}, "Task must be one of"),
    "list for task": ({"image": PICTURE, "task": ["image variation"]}, "Task must be one of"),
    "strength above": ({"image": PICTURE, "strength": 1.01}, "Strength must be a number from 0"),
    "strength below": ({"image": PICTURE, "strength": -0.1}, "Strength must be"),
    "strength text": ({"image": PICTURE, "strength": "strong"}, "Strength must be"),
    "strength true": ({"image": PICTURE, "strength": True}, "Strength must be"),
    "strength null": ({"image": PICTURE, "strength": None}, "Strength must be"),
    "strength NaN": ({"image": PICTURE, "strength": math.nan}, "Strength must be"),
    "strength infinite": ({"image": PICTURE, "strength": math.inf}, "Strength must be"),
    "lambda above": ({"image": PICTURE, "lambda_image": 8}, "Lambda must be"),
    "lambda list": ({"image": PICTURE, "lambda_image": [0.5]}, "Lambda must be"),
    "stratified NaN": ({"image": PICTURE, "stratified_until": math.nan}, "Stratified until must be"),
    "stratified below": ({"image": PICTURE, "stratified_until": -1}, "Stratified until must be"),
    "guidance above": ({"image": PICTURE, "guidance": 2}, "guidance must be"),
    "start above": ({"image": PICTURE, "start": 1.5}, "Start must be"),
    "end below": ({"image": PICTURE, "end": -0.5}, "End must be"),
    "start after end": ({"image": PICTURE, "start": 0.6, "end": 0.5}, "Start must be less than End"),
    "start at end": ({"image": PICTURE, "start": 0.5, "end": 0.5}, "Start must be less than End"),
    "replacement above": ({"image": PICTURE, "replacement_until": 1.1}, "Replacement until must be"),
    "adain below": ({"image": PICTURE, "adain": -0.2}, "AdaIN must be"),
    "unknown inversion": ({"image": PICTURE, "inversion": "euler"}, "Inversion must be one of"),
    "no nodes": ({"image": PICTURE, "nodes": 0}, "nodes must be a whole number"),
    "many nodes": ({"image": PICTURE, "nodes": 501}, "nodes must be"),
    "half a node": ({"image": PICTURE, "nodes": 20.5}, "nodes must be"),
    "unknown blocks": ({"image": PICTURE, "blocks": "encoder"}, "Blocks must be one of"),
    "unknown text mode": ({"image": PICTURE, "inversion_text": "auto"}, "Inversion text must be one of"),
    "number for own text": ({"image": PICTURE, "own_text": 5}, "Own text must be a text"),
    "list for suffix": ({"image": PICTURE, "suffix": ["x"]}, "suffix must be a text"),
    "unknown resize": ({"image": PICTURE, "resize": "pad"}, "Resize mode must be one of"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_one_short_sentence(name):
    given, expected = BAD[name]
    with pytest.raises((BadSetting, BadPicture), match=expected) as caught:
        Request.of(given if isinstance(given, list) else [given])
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 400


def test_a_huge_wrong_value_is_not_repeated_in_full():
    with pytest.raises(BadSetting) as caught:
        Request.of([{"image": PICTURE, "strength": "9" * 1_000_000}])
    assert len(str(caught.value)) < 200


def test_extra_pictures_are_asked_for_by_name():
    assert Request.of([{"image": PICTURE, "show": ["attention", "masks"]}]).show == ("attention", "masks")
    assert Request.of([{"image": PICTURE}]).show == ()
    for wrong in (["heat"], "attention", {"masks": True}, 3, [["masks"]]):
        with pytest.raises(BadSetting, match="Show must be a list"):
            Request.of([{"image": PICTURE, "show": wrong}])


PAGE = [True, PICTURE, "cross-prompt", 0.7, 0.2]
CARRIED = [({"lambda_image": 0.9},), ({"lambda_image": 0.9}, {"strength": 0.3}), ({"task": "structure-guided"},),
           ({"task": "structure-guided"}, {"stratified_until": 0.1}),
           ({"preset": "Most detail"}, {"lambda_image": 0.1}),
           ({"enabled": False},), ({"enabled": False}, {"enabled": True}), ({"image": [{"image": PICTURE}]},)]


@pytest.mark.parametrize("changes", CARRIED)
@pytest.mark.parametrize("args", [PAGE, [{"image": PICTURE, "lambda_image": 0.3}, *PAGE[1:]]])
def test_arguments_carry_changes_as_if_they_stood_beside_them(args, changes):
    carrying, together = args, {}
    for each in changes:
        carrying = with_changes(carrying, each)
        together |= each
    wanted, sent = Request.of(args, together), Request.of(json.loads(json.dumps(carrying)))
    assert len(carrying) == len(args) and carrying[1:] == args[1:]
    assert (sent.acts, sent.task, sent.settings) == (wanted.acts, wanted.task, wanted.settings)
    assert without_changes(carrying) == (args, together)
    assert is_on(carrying) == together.get("enabled", True)


def test_no_arguments_carry_nothing():
    assert with_changes([], {"lambda_image": 0.3}) == [] and not is_on([])


def test_what_is_given_is_left_as_it_is():
    args = [{"image": PICTURE}, None]
    with_changes(with_changes(args, {"strength": 0.1}), {"strength": 0.2})
    assert args == [{"image": PICTURE}, None]
