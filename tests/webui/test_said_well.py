"""What a person is told: once, in words that fit, in the console and in the API's answer, with the page and without."""

from __future__ import annotations

import io
import re
import time

import pytest
from PIL import Image

from tests.webui.host import FORGE, HELPER, Host, encoded, find_webui, own_copy
from tests.webui.test_xyz import options, plot

MISTAKES = {
    "a bad value": dict(indetail={"image": "{picture}", "strength": 7.25}),
    "a bad file": dict(indetail={"image": "bm8gcGljdHVyZSBhdCBhbGw="}),
    "a path": dict(indetail={"image": "/home/me/cat.png"}),
    "no image prompt": dict(indetail={}),
    "an unknown field": dict(indetail={"image": "{picture}", "lambda": 0.5}),
    "a thin picture": dict(indetail={"image": "{thin}", "resize": "fit"}),
    "the folder script without pictures": dict(indetail={"image": "{picture}"}, script_name="InDetail folder",
                                               script_args=["all together", [], ""]),
}


@pytest.fixture(scope="module")
def without_page(tmp_path_factory):
    """A WebUI that has no page, and whose log has handlers of its own."""
    host = Host(find_webui(), tmp_path_factory.mktemp("without"), {
        "sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension")), "test-probe": HELPER},
        ("--nowebui", "--loglevel", "INFO"))
    try:
        yield host.start()
    finally:
        host.stop()


def said(host: Host, act) -> list[str]:
    """The lines that the console has more afterwards."""
    before = len(host.tail(None))
    answer = act()
    time.sleep(0.3)
    return [answer, *filter(None, host.tail(None)[before:].splitlines())]


def filled(fields, picture: str):
    thin = encoded(Image.new("RGB", (4000, 3), "red"))
    if isinstance(fields, dict):
        return {name: filled(value, picture) for name, value in fields.items()}
    return {"{picture}": picture, "{thin}": thin}.get(fields, fields) if isinstance(fields, str) else fields


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("page", ["with the page", "without it"])
def test_a_mistake_by_api_is_one_line_in_the_console(request, picture, page, name):
    host = request.getfixturevalue("host" if page == "with the page" else "without_page")
    (status, answer), *lines = said(host, lambda: host.ask(**filled(MISTAKES[name], picture)))
    ours = [line for line in lines if "InDetail" in line]
    assert status == 422 and answer["error"] in ("InDetail", "Error") and answer["errors"] == answer["detail"]
    assert ours == [f"InDetail ERROR: {answer['errors']}"], lines
    assert not any("Traceback" in line for line in lines)
    assert answer["errors"].count(answer["errors"].rstrip(".").rpartition(": ")[2]) == 1


def test_a_mistake_on_our_own_routes_is_one_line_too(host, picture):
    for path, body in (("invert", {"image": picture, "strength": 3}), ("invert", {"image": "a cat!"}),
                       ("presets/rename", {"name": "nobody's", "to": "mine"})):
        (status, answer), *lines = said(host, lambda path=path, body=body: host.post(f"/indetail/{path}", body))
        assert status == 422 and [line for line in lines if "InDetail" in line] == [
            f"InDetail ERROR: {answer['detail']}"], lines


def test_a_warning_is_said_once_whatever_log_the_host_has(without_page, picture):
    _, *lines = said(without_page, lambda: without_page.make(indetail={"image": picture, "task": "structure-guided"}))
    assert [line for line in lines if "InDetail WARNING" in line] == [
        "InDetail WARNING: the task is structure-guided, but no ControlNet unit is active: nothing gives the structure"]


def test_the_same_axes_and_routes_are_there_without_the_page(host, without_page, picture):
    without_page.make()
    axes = [[label for label in options(each) if label.startswith("[InDetail]")] for each in (host, without_page)]
    assert axes[0] == axes[1] and len(axes[0]) > 40
    routes = [{path: sorted(methods) for path, methods in each.get("/openapi.json")[1]["paths"].items()
               if path.startswith("/indetail")} for each in (host, without_page)]
    assert routes[0] == routes[1] and len(routes[0]) >= 6
    kept = [{name for name in each.get("/sdapi/v1/options")[1] if name.startswith("indetail_")}
            for each in (host, without_page)]
    assert kept[0] == kept[1] and len(kept[0]) in ((0, 9) if FORGE else (9,))  # reForge's API names no extension's


def test_a_plot_is_made_without_the_page(without_page, picture):
    status, answer = plot(without_page, {"image": picture}, (".Lambda", "0.1, 0.9"), (".Blocks", "decoder, all"),
                          steps=2)
    assert status == 200 and len(answer["images"]) >= 5


def test_options_are_kept_without_the_page(without_page, picture):
    without_page.options(indetail_bank_mb=0, indetail_log="ERROR")
    _, *lines = said(without_page, lambda: without_page.make(indetail={"image": picture, "task": "structure-guided"}))
    assert not any("InDetail WARNING" in line for line in lines)
    assert without_page.get("/indetail/cache")[1]["levels"] == 0
    without_page.options(indetail_bank_mb=-1, indetail_log="WARNING")


def test_a_profile_that_cannot_be_used_is_told_and_the_picture_is_read(host):
    data = io.BytesIO()
    Image.new("RGB", (128, 128), "orange").save(data, "PNG", icc_profile=b"junk" * 40)
    _, *lines = said(host, lambda: host.make(indetail={"image": encoded(data.getvalue())}))
    sentence = "image prompt 1: its colour profile cannot be used, so its colours are read as sRGB"
    assert [line for line in lines if "InDetail" in line] == [f"InDetail WARNING: {sentence}"]
    assert f"InDetail: {sentence}." in host.get("/probe/state")[1]["comments"]


@pytest.mark.parametrize(("task", "told"), [("structure-guided", True), ("cross-prompt", False)])
def test_structure_without_a_unit_is_told_before_sampling(host, picture, task, told):
    host.make(indetail={"image": picture, "task": task})
    comments = host.get("/probe/state")[1]["comments"]
    assert any("no ControlNet unit is active" in each for each in comments) is told
    assert not told or re.match("InDetail: the task is structure-guided", comments[0])
