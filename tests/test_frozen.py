"""The comparison with an older commit: it asks for all that matters, names every setting, and sees a difference."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from lib_indetail.ask.page_order import POSITIONS
from lib_indetail.ask.settings import TASKS, Settings
from tests.frozen import asking
from tests.frozen.asking import NotSaid, added, body, in_full, named
from tests.frozen.comparing import Answer, apart, differences, moved_defaults, without
from tests.frozen.hosted import NEUTRAL
from tests.frozen.wishes import FIRST, WISHES, Frozen, picture, text_of

KNOWN = {"settings": [{"name": name, "default": field.default, "infotext": field.metadata["infotext"]}
                      for name, field in Settings.__dataclass_fields__.items()],
         "tasks": TASKS, "order": list(POSITIONS)}
AXES = [f"[InDetail] {field.metadata['label']}" for field in Settings.__dataclass_fields__.values()]


def sent(name: str, more=None) -> dict:
    return body(WISHES[name], KNOWN, more or {}, AXES, lambda of: f"infotext of {of}")


def test_sixty_requests_and_more_of_few_steps_differ_in_more_than_the_seed():
    bodies = {name: {**sent(name), "seed": 0} for name in WISHES}
    assert len({json.dumps([WISHES[name].mode, each], sort_keys=True) for name, each in bodies.items()}) == len(WISHES)
    assert len(WISHES) >= 60
    assert max(each.get("steps", 0) for each in bodies.values()) <= 4


@pytest.mark.parametrize("name", [name for name, each in WISHES.items() if each.wish is not None])
def test_every_setting_is_named(name):
    wish = WISHES[name]
    args = sent(name)["alwayson_scripts"]["InDetail"]["args"]
    given = dict(zip(POSITIONS, args, strict=False)) if wish.by_position else args[0]
    if "preset" in wish.wish:
        given = in_full(wish.saves[wish.wish["preset"]], KNOWN, {})
    assert set(named(KNOWN)) <= set(given)
    for each in given.get("images", ()):
        assert {"weight", "strength", "side"} <= set(each)


def test_a_task_brings_its_own_values_and_a_wish_stands_above_them():
    assert in_full({"task": "structure-guided"}, KNOWN, {})["control_uncond_from"] == 0.2
    assert in_full({"task": "structure-guided", "control_uncond_from": 0}, KNOWN, {})["control_uncond_from"] == 0


def test_what_the_older_commit_does_not_know_goes_to_the_newer_alone(monkeypatch):
    newer = {**KNOWN, "settings": [*KNOWN["settings"], {"name": "newest", "default": 6, "infotext": "InDetail newest"}]}
    with pytest.raises(NotSaid, match="newest"):
        added(KNOWN, newer)
    monkeypatch.setitem(asking.AS_BEFORE, "newest", 0)
    assert added(KNOWN, newer) == {"newest": 0} and added(newer, newer) == {}
    assert in_full({}, KNOWN, {"newest": 0})["newest"] == 0
    by_position = sent("by position", {"newest": 0})["alwayson_scripts"]["InDetail"]["args"]
    assert by_position[-1] == 0 and len(by_position) == len(POSITIONS) + 1


def test_an_infotext_is_sent_alone_and_axes_by_their_number():
    assert sent("infotext alone") == {"infotext": "infotext of own text"}
    assert sent("plot")["script_args"][0] == AXES.index("[InDetail] Lambda")
    assert body(Frozen(), KNOWN, {}, AXES, str) == FIRST


def changed_by_one() -> str:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[2, 1, 0] = 1
    return text_of(Image.fromarray(pixels))


@pytest.mark.parametrize(("changes", "word"), [
    ({"pictures": [changed_by_one()]}, "up to 1 grey levels"),
    ({"pictures": []}, "0 pictures in place of 1"), ({"status": 500, "said": "broken"}, "status 500"),
    ({"said": "other words"}, "other words"), ({"infotexts": ["Steps: 5, InDetail version: 1"]}, "Steps: 5"),
])
def test_every_difference_is_seen(changes, word):
    blank = text_of(Image.new("RGB", (4, 4)))
    older = {"status": 200, "pictures": [blank], "infotexts": ["Steps: 4, InDetail version: 1"], "said": ""}
    assert differences(Answer(**older), Answer(**older)) == []
    assert word in " ".join(differences(Answer(**older), Answer(**{**older, **changes})))


def test_the_version_and_new_labels_are_no_difference():
    old, new = "Steps: 4, InDetail version: 0.6.0", 'Steps: 4, InDetail levels: "a, b", InDetail version: 0.7.0'
    assert differences(Answer(200, [], [old]), Answer(200, [], [new]), {"InDetail levels"}) == []
    assert without('a: 1, b: "x, \\"y\\"", c: 2', ["b"]) == "a: 1, c: 2"


def test_a_default_that_has_moved_is_read_as_what_it_means():
    moved = moved_defaults({"settings": [{"infotext": "InDetail inversion", "default": "DDIM"}]},
                           {"settings": [{"infotext": "InDetail inversion", "default": "one pass"},
                                         {"infotext": "InDetail levels", "default": "3"}]})
    assert moved == {"InDetail inversion": ("DDIM", "one pass")}
    plain, ddim, one = (f"Steps: 4{said}, InDetail version: 1"
                        for said in ("", ", InDetail inversion: DDIM", ", InDetail inversion: one pass"))

    def found(old, new):
        return differences(Answer(200, [], [old]), Answer(200, [], [new]), (), moved)

    assert found(plain, ddim) == found(one, plain) == found("Steps: 4", "Steps: 4") == []
    assert found(plain, plain) == ["InDetail inversion: ['one pass'] in place of ['DDIM']"] and found(ddim, one)


def test_what_a_request_overrides_is_put_back():
    overridden = {option for wish in WISHES.values() for option in wish.fields.get("override_settings", {})}
    assert overridden - {"sd_model_checkpoint"} == set(NEUTRAL)


def test_where_only_rounding_has_changed_pictures_may_be_close():
    grey = np.full((64, 64, 3), 100, np.uint8)

    def off_by(values):
        other = grey.copy()
        other.reshape(-1)[:len(values)] += np.array(values, np.uint8)
        return [base64.b64encode(saved(each)).decode() for each in (grey, other)]

    assert apart(*off_by([1] * 12), close=True) == "" != apart(*off_by([1] * 12))
    assert apart(*off_by([1] * 13), close=True) and apart(*off_by([2]), close=True)


def saved(values):
    data = io.BytesIO()
    Image.fromarray(values).save(data, "PNG")
    return data.getvalue()


def test_pictures_are_drawn_the_same_each_time():
    assert len({picture(kind) for kind in range(3)}) == 3
    assert picture.__wrapped__(1) == picture(1)
