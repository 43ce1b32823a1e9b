"""The extension's own routes, and who may use them."""

from __future__ import annotations

import base64
import contextlib
import http.cookiejar
import io
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
from PIL import Image

from lib_indetail import __version__
from lib_indetail.ask.page_order import POSITIONS, SETTINGS
from lib_indetail.ask.settings import TASKS, Settings
from lib_indetail.pictures.convert import picture_hash
from lib_indetail.pictures.opening import decoded_picture
from tests.webui.host import FORGE, Host, find_webui, own_copy, paper

ROUTES = [("GET", "/indetail/version"), ("GET", "/indetail/settings"), ("POST", "/indetail/invert"),
          ("GET", "/indetail/cache"), ("DELETE", "/indetail/cache"), ("GET", "/indetail/presets"),
          ("PUT", "/indetail/presets"), ("POST", "/indetail/presets/rename"), ("DELETE", "/indetail/presets")]


def ask(url: str, method: str = "GET", body=None, basic: str | None = None, opener=None) -> tuple[int, object]:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    if basic:
        request.add_header("Authorization", "Basic " + base64.b64encode(basic.encode()).decode())
    try:
        with (opener or urllib.request.build_opener()).open(request, timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def test_version_and_settings_are_the_tables(host):
    assert host.get("/indetail/version") == (200, {"version": __version__})
    status, answer = host.get("/indetail/settings")
    assert status == 200
    assert [setting["name"] for setting in answer["settings"]] == list(SETTINGS)
    assert Settings(**{setting["name"]: setting["default"] for setting in answer["settings"]}) == Settings()
    assert (answer["tasks"], answer["order"]) == (TASKS, list(POSITIONS))


def test_invert_answers_with_the_reconstruction_and_how_far_it_is_off(host, picture):
    body = {"image": picture, "prompt": "a circle", "width": 128, "height": 192, **paper(20), "inversion": "refined"}
    status, answer = host.post("/indetail/invert", body)
    assert status == 200
    made = Image.open(io.BytesIO(base64.b64decode(answer["image"])))
    wanted = np.asarray(decoded_picture(picture).resize(made.size)).astype(float)
    assert made.size == (128, 192)
    assert answer["picture"] == picture_hash(decoded_picture(picture))
    assert 0 < answer["latent_error"] < 0.1 and answer["psnr"] > 25
    assert "inverted in" in answer["note"]
    ddim = host.post("/indetail/invert", {**body, "inversion": "DDIM"})[1]
    assert ddim["latent_error"] > 2 * answer["latent_error"]
    square = host.post("/indetail/invert", {**body, "height": 128})[1]
    made = np.asarray(Image.open(io.BytesIO(base64.b64decode(square["image"])))).astype(float)
    wanted = np.asarray(decoded_picture(picture).resize((128, 128), Image.Resampling.LANCZOS)).astype(float)
    assert np.abs(made - wanted).mean() < 12
    assert "still there" in host.post("/indetail/invert", body)[1]["note"]


BAD = [({}, "has no image prompt"), ({"image": 5}, "not 5"), ({"image": "x"}, "base64"), ({"y": 2}, "no field 'y'"),
       ({"width": 130}, "Width must be a multiple of 8 from 64 to 4096"), ({"height": 1e9}, "Height"),
       ({"width": "512"}, "Width"), ({"height": True}, "Height"), ({"prompt": None}, "Prompt must be a text"),
       ({"enabled": False}, "off, or its strength is 0"), ({"strength": 0}, "strength is 0"), ({"nodes": 0}, "nodes"),
       ({"task": "x"}, "Task must be one of")]


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_bad_input_is_answered_with_one_sentence_and_no_call(host, picture, change, sentence):
    body = change if "image" in change or not change else {"image": picture, **change}
    status, answer = host.post("/indetail/invert", body)
    assert (status, sentence in answer["detail"]) == (422, True), answer
    assert host.get("/probe/state")[1]["calls"] == []


@pytest.mark.parametrize("body", [[], "x", None, 3])
def test_a_body_that_is_no_object_is_refused(host, body):
    assert ask(host.url + "/indetail/invert", "POST", body)[0] == 422


def test_the_cache_can_be_seen_and_cleared(host, picture):
    empty = dict.fromkeys(("pictures", "inversions", "levels", "bytes", "bank_bytes", "inversions_on_disk",
                           "disk_bytes"), 0)
    assert host.get("/indetail/cache")[1].items() >= empty.items()
    host.make(indetail={"image": picture, **paper(10)})
    held = host.get("/indetail/cache")[1]
    assert (held["pictures"], held["inversions"], held["levels"], held["inversions_on_disk"]) == (1, 1, 6, 1)
    assert held["disk_bytes"] > 11 * 4 * 16 * 16 * 4
    assert held["bytes"] == 12 * 4 * 16 * 16 * 4
    assert ask(host.url + "/indetail/cache", "DELETE") == (200, held)
    left = host.get("/indetail/cache")[1]
    assert left.items() >= empty.items() and left["kept_pictures"] == held["kept_pictures"] > 0
    host.make(indetail={"image": picture, **paper(10)})
    assert "inverted in" in host.get("/probe/state")[1]["notes"][-1]


def test_they_stand_in_the_hosts_openapi_page(host):
    described = host.get("/openapi.json")[1]["paths"]
    for method, path in ROUTES:
        assert described[path][method.lower()]["tags"] == ["InDetail"]
    body = described["/indetail/invert"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(SETTINGS) < set(body["properties"])
    assert body["properties"]["lambda_image"]["maximum"] == 1.0


def test_an_inversion_waits_for_a_generation_in_the_hosts_queue(host, picture):
    ended = {}

    def run(name, call):
        assert call()[0] == 200
        ended[name] = time.monotonic()

    generation = threading.Thread(target=run, args=("generation", lambda: host.ask(steps=60)))
    generation.start()
    limit = time.monotonic() + 60
    while not host.get("/probe/state")[1]["calls"] and time.monotonic() < limit:
        time.sleep(0.05)
    body = {"image": picture, "width": 64, "height": 64, "inversion": "re-noise", "nodes": 2}
    inversion = threading.Thread(target=run, args=("inversion", lambda: host.post("/indetail/invert", body)))
    inversion.start()
    assert host.get("/indetail/version")[0] == 200 and "generation" not in ended
    generation.join()
    inversion.join()
    calls = host.get("/probe/state")[1]["calls"]
    assert ended["generation"] < ended["inversion"]
    assert calls[1:60] == [2] * 59 and set(calls[60:]) == {1}
    assert calls[0] == 2 or FORGE  # some of its hosts begin without the negative prompt


GUARDS = {"api": ("--api-auth", "me:secret,you:proper"), "page": ("--gradio-auth", "her:word"),
          "api and page": ("--api-auth", "me:secret,you:proper", "--gradio-auth", "her:word")}


@pytest.fixture(scope="module", params=GUARDS)
def guarded(request, tmp_path_factory):
    """A WebUI that asks for credentials, and for whose."""
    host = Host(find_webui(), tmp_path_factory.mktemp("guarded"),
                {"sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension"))}, flags=GUARDS[request.param],
                basic="me:secret" if "api" in request.param else None)
    try:
        yield host.start(), request.param
    finally:
        host.stop()


def logged_in(host: Host, user: str, password: str):
    """A browser that has filled in the page's login form."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = urllib.parse.urlencode({"username": user, "password": password}).encode()
    with contextlib.suppress(urllib.error.HTTPError):
        opener.open(host.url + "/login", form, timeout=60)
    return opener


def test_the_routes_ask_for_the_hosts_own_credentials(guarded, picture):
    host, guard = guarded
    body = {"image": picture, "width": 64, "height": 64, "inversion": "re-noise", "nodes": 2}
    browsers = {"nobody": None, "her": logged_in(host, "her", "word"), "her, mistyped": logged_in(host, "her", "wort")}
    for method, path in ROUTES:
        given = body if method == "POST" else None
        statuses = {who: ask(host.url + path, method, given, opener=opener)[0] for who, opener in browsers.items()}
        for basic in ("me:secret", "you:proper", "me:proper", "me:", "him:secret", "her:word"):
            statuses[basic] = ask(host.url + path, method, given, basic=basic)[0]
        allowed = {"api": {"me:secret", "you:proper"}, "page": {"her"},
                   "api and page": {"me:secret", "you:proper", "her"}}[guard]
        answer = 422 if "/presets" in path and method != "GET" else 200  # nothing is asked for by name
        assert {who for who, status in statuses.items() if status == answer} == allowed, (path, statuses)
        assert {status for who, status in statuses.items() if who not in allowed} == {401}
