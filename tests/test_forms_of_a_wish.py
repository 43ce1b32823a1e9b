"""All forms of a wish become one nested object, in which all image prompts are alike."""

from __future__ import annotations

import pytest
from PIL import Image

from lib_indetail.ask.forms import nested
from lib_indetail.ask.page_order import POSITIONS
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import Settings
from lib_indetail.errors import BadPicture, BadSetting
from tests.test_request import encoded

RED, BLUE = (encoded(Image.new("RGB", (8, 8), colour)) for colour in ("red", "blue"))


def settings(*args, **changes):
    return [(each.number, each.settings) for each in Request.of(list(args), changes).prompts]


def test_prompts_stand_above_what_they_share_and_that_above_the_preset():
    wish = {"preset": "Most detail", "shared": {"blocks": "decoder", "lambda_image": 0.4, "weight": 0.5},
            "prompts": [{"image": RED, "lambda_image": 0.2}, {"image": BLUE, "weight": 1.5, "nodes": 7}]}
    (_, first), (_, second) = settings(wish)
    assert (first.lambda_image, first.weight, first.nodes) == (0.2, 0.5, Settings().nodes)
    assert (second.lambda_image, second.weight, second.nodes) == (0.4, 1.5, 7)
    for each in (first, second):
        assert (each.blocks, each.detail, each.inversion_text, each.levels) == ("decoder", 1.0, "empty", "5")


def test_the_first_prompt_is_like_the_others():
    prompts = [{"image": RED, "lambda_image": 0.2, "strength": 0.7}, {"image": BLUE, "side": "negative"}]
    there = settings({"prompts": prompts})
    back = settings({"prompts": prompts[::-1]})
    assert [each for _, each in there] == [each for _, each in back[::-1]]
    assert there[1][1] == Settings(side="negative")


@pytest.mark.parametrize("older", [
    {"image": RED, "lambda_image": 0.3, "weight": 0.4, "images": [{"image": BLUE, "nodes": 7}], "show": ["masks"]},
    [True, RED, "cross-prompt", 0.8, 0.4, 0.6]])
def test_older_forms_are_short_for_it(older):
    args = older if isinstance(older, list) else [older]
    wish = nested(args)
    again = Request.of([{name: value for name, value in wish.items() if value is not None}])
    assert again.settings == Request.of(args).settings and again.show == Request.of(args).show
    assert [each.settings for each in again.prompts] == [each.settings for each in Request.of(args).prompts]


def test_what_the_first_has_is_shared_in_the_older_forms_but_for_what_is_always_its_own():
    wish = nested([{"image": RED, "lambda_image": 0.3, "weight": 0.4, "images": [{"image": BLUE, "nodes": 7}]}])
    assert wish["shared"] == {"lambda_image": 0.3}
    assert wish["prompts"] == [{"image": RED, "weight": 0.4}, {"image": BLUE, "nodes": 7}]


def test_a_change_is_above_the_first_and_below_what_others_have_of_their_own():
    wish = {"shared": {"nodes": 5}, "prompts": [{"image": RED, "lambda_image": 0.2},
                                                {"image": BLUE, "lambda_image": 0.3}, {"image": BLUE}]}
    changed = settings(wish, lambda_image=0.9, **{"nodes 3": 9})
    assert [(each.lambda_image, each.nodes) for _, each in changed] == [(0.9, 5), (0.3, 5), (0.9, 9)]
    assert wish["prompts"][0]["lambda_image"] == 0.2


def test_pictures_may_come_as_changes_to_any_form():
    for args in ([{"prompts": [{}], "shared": {"nodes": 5}}], [{"nodes": 5}]):
        assert [each.nodes for _, each in settings(*args, image=[RED, BLUE])] == [5, 5]


@pytest.mark.parametrize(("wish", "sentence"), [
    ({"prompts": [{"image": RED}], "lambda_image": 0.3}, "There is no field 'lambda_image'"),
    ({"prompts": [{"image": RED, "lamda": 0.3}]}, "There is no field of an image prompt 'lamda'"),
    ({"prompts": [{"image": RED, "guidance": 0.3}]}, "There is no field of an image prompt 'guidance'"),
    ({"prompts": [{"image": RED}], "shared": {"image": RED}}, "There is no shared field 'image'"),
    ({"prompts": [{"image": RED}], "shared": 3}, "Shared must be an object"),
    ({"prompts": RED}, "Prompts must be a list of objects"),
    ({"prompts": [RED]}, "Prompts must be a list of objects"),
    ({"prompts": [{"image": RED}, {"weight": 1}]}, "Image prompt 2 has no image."),
    ({"prompts": [{"image": RED}] * 9}, "At most 8 image prompts can act together, not 9."),
    ({"prompts": []}, "InDetail is on but has no image prompt"),
    ({"shared": {"lambda_image": 0.3}}, "InDetail is on but has no image prompt"),
    ({"prompts": [{"image": RED}, {"image": BLUE, "weight": 3}]}, "Image prompt 2: Weight must be a number"),
    ({"prompts": [{"image": RED}], "shared": {"weight": 3}}, "Weight must be a number"),
    ({"prompts": [{"image": RED}], "preset": "none such"}, "There is no preset 'none such'"),
    ({"prompts": [{"image": RED}], "task": "portrait"}, "Task must be one of")])
def test_what_is_wrong_with_it_is_said(wish, sentence):
    with pytest.raises((BadPicture, BadSetting)) as refused:
        Request.of([wish])
    assert str(refused.value).startswith(sentence)


def test_what_is_off_asks_for_nothing():
    assert Request.of([{"enabled": False, "prompts": [{"image": "broken"}], "preset": "none such"}]) == Request()
    assert "show" in POSITIONS and not Request.of([{"prompts": [{"image": RED, "strength": 0}]}]).acts


@pytest.mark.parametrize("name", ["lambda_image 9", "lambda_image 1", "lambda_image 12"])
def test_a_change_to_a_prompt_that_cannot_be_is_refused_by_its_name(name):
    with pytest.raises(BadSetting, match=name):
        Request.of([{"prompts": [{"image": RED}, {"image": BLUE}]}], {name: 0.3})
