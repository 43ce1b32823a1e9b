"""Presets in the real WebUI: by API, in the page, in the plot."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request

import pytest

from tests.webui.host import difference
from tests.webui.test_infotext import infotext
from tests.webui.test_xyz import cells, plot, same


@pytest.fixture(autouse=True)
def file(host):
    """A person's own presets, gone afterwards."""
    yield host.folder / "indetail_presets.json"
    for path in host.folder.glob("indetail_presets*.json"):
        path.unlink()


def put(host, **body) -> tuple:
    request = urllib.request.Request(f"{host.url}/indetail/presets", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"}, method="PUT")
    return host._ask(request)


def delete(host, name: str) -> tuple:
    return host._ask(urllib.request.Request(f"{host.url}/indetail/presets?name={urllib.parse.quote(name)}",
                                            method="DELETE"))


def test_a_preset_by_api_is_its_values(host, picture):
    assert put(host, name="mine", task="cross-prompt", lambda_image=0.3, nodes=10)[0] == 200
    answer = host.get("/indetail/presets")[1]
    assert answer["presets"]["mine"]["values"] == {"task": "cross-prompt", "lambda_image": 0.3, "nodes": 10}
    made, = host.make(indetail={"image": picture, "preset": "mine"})
    wanted, = host.make(indetail={"image": picture, "task": "cross-prompt", "lambda_image": 0.3, "nodes": 10})
    assert same(made, wanted) and "InDetail lambda: 0.3" in infotext(made)
    other, = host.make(indetail={"image": picture, "preset": "mine", "lambda_image": 0.9})
    assert difference(other, made) > 2 and "InDetail lambda: 0.9" in infotext(other)


def test_presets_are_renamed_and_deleted_and_what_is_wrong_is_refused(host, picture):
    put(host, name="mine", strength=0.5)
    assert host.post("/indetail/presets/rename", {"name": "mine", "to": "ours"})[0] == 200
    assert "ours" in host.get("/indetail/presets")[1]["presets"]
    for status, answer in (put(host, name="ours", strength=7), put(host, name="", strength=1), delete(host, "mine"),
                           delete(host, "One pass"), host.post("/indetail/presets/rename", {"name": "ours"})):
        assert status == 422 and answer["detail"].endswith("."), answer
    status, answer = host.ask(indetail={"image": picture, "preset": "mine"})
    assert status == 422 and "There is no preset 'mine'; there are Image variation, Structure-" in answer["errors"]
    assert host.get("/probe/state")[1]["calls"] == []
    assert delete(host, "ours")[0] == 200 and "ours" not in host.get("/indetail/presets")[1]["presets"]


def test_a_damaged_file_is_set_aside_and_a_generation_goes_on(host, picture, file):
    file.write_text("{")
    answer = host.get("/indetail/presets")[1]
    assert "damaged-1" in answer["notes"][0] and (host.folder / "indetail_presets.damaged-1.json").read_text() == "{"
    host.make(indetail={"image": picture, "preset": "Image variation", "nodes": 10})


def test_presets_are_an_axis_of_the_plot(host, picture):
    put(host, name="mine", lambda_image=0.9, nodes=10)
    wish = {"image": picture, "nodes": 10}
    made = cells(host, wish, x=(".Preset", '"Cross-prompt","mine"'), y=(".Strength", "0.5, 1"))
    wanted = [host.make(indetail={"image": picture, "preset": preset, "strength": strength})[0]
              for strength in (0.5, 1) for preset in ("Cross-prompt", "mine")]
    assert [same(*pair) for pair in zip(made, wanted, strict=True)] == [True] * 4
    status, answer = plot(host, wish, x=(".Preset", "Cross-prompt, none"))
    assert status == 422 and "There is no preset" in answer["errors"]


def test_a_person_saves_applies_renames_and_deletes_a_preset(person, picture, file):
    person.enable()
    person.drop(picture)
    person.own("presets").locator(".label-wrap").first.click()
    person.task("cross-prompt")
    person.set("lambda_image", 0.35)
    person.own("preset_name").locator("input, textarea").first.fill("My look")
    person.own("save_preset").click()
    person.wait_for("preset_said", "My look is saved.")
    assert json.loads(file.read_text())["presets"] == {"My look": {"task": "cross-prompt", "lambda_image": 0.35}}
    person.choose("#script_txt2img_indetail_preset", "Structure-guided")
    person.wait_for("preset_said", "a ControlNet unit gives")
    assert (person.chosen("task"), person.number("lambda_image").input_value()) == ("structure-guided", "0.5")
    person.choose("#script_txt2img_indetail_preset", "My look")
    person.wait_for("preset_said", "My look is in force.")
    assert (person.chosen("task"), person.number("lambda_image").input_value()) == ("cross-prompt", "0.35")
    person.page.wait_for_function("() => document.querySelector('#script_txt2img_indetail_inversion_text "
                                  "input').disabled", timeout=20_000)
    assert person.has_picture()
    person.shot("presets")
    person.own("preset_name").locator("input, textarea").first.fill("Her look")
    person.own("rename_preset").click()
    person.wait_for("preset_said", "My look is called Her look now.")
    person.own("delete_preset").click()
    person.wait_for("preset_said", "Her look is deleted.")
    assert json.loads(file.read_text())["presets"] == {}
    person.own("delete_preset").click()
    person.wait_for("preset_said", "There is no preset")
    assert person.own_errors() == []


def test_what_is_not_understood_and_a_damaged_file_are_said_in_the_page(person, file):
    file.write_text(json.dumps({"presets": {"From tomorrow": {"lambda_image": 0.2, "aura": 3}}}))
    person.enable()
    person.own("presets").locator(".label-wrap").first.click()
    person.own("refresh_presets").click()
    person.page.wait_for_timeout(700)
    person.choose("#script_txt2img_indetail_preset", "From tomorrow")
    person.wait_for("preset_said", "Not understood, and left at their defaults: aura: 3.")
    assert person.number("lambda_image").input_value() == "0.2"
    file.write_text("{")
    person.own("preset_name").locator("input, textarea").first.fill("again")
    person.own("save_preset").click()
    person.wait_for("preset_said", "the file is kept as indetail_presets.damaged-1.json")
    assert "again" in json.loads(file.read_text())["presets"]
