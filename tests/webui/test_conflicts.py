"""Where InDetail cannot act it says why, before sampling if it can; or it steps aside, if the person wants that."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.webui.host import difference, pixels

BEFORE = {"depth model": "a depth model wants a depth map", "SD Unet": "another UNet is chosen in Settings",
          "video": "a video module (AnimateDiff) is in the UNet"}
WITHIN = {"tiles": "another extension (test-probe) runs the UNet on a size of its own (8x16 instead of 16x16",
          "other UNet": "another extension or a model switch has put a different UNet in its place"}


def infotext(png: bytes) -> str:
    return Image.open(io.BytesIO(png)).text["parameters"]


@pytest.mark.parametrize("what", [*BEFORE, "no decoder"])
def test_what_is_in_the_way_from_the_start_is_named_before_any_call(host, picture, what):
    host.post("/probe/obstacle", {"what": what})
    status, answer = host.ask(indetail={"image": picture})
    assert status == 422
    assert BEFORE.get(what, "not this kind of model") in answer["detail"]
    state = host.get("/probe/state")[1]
    assert (state["calls"], state["chains"]) == ([], 0)


@pytest.mark.parametrize("what", WITHIN)
def test_what_gets_in_the_way_while_sampling_is_named(host, picture, what):
    before = host.make()
    host.post("/probe/obstacle", {"what": what})
    status, answer = host.ask(indetail={"image": picture})
    assert status == 422
    assert WITHIN[what] in answer["detail"]
    assert host.get("/probe/state")[1]["hooks"] == 0
    host.post("/probe/reset")
    assert host.make() == before


@pytest.mark.parametrize("what", [*BEFORE, *WITHIN])
def test_go_on_without_indetail_gives_the_plain_picture_and_says_so(host, picture, what):
    host.options(indetail_go_on=True)
    host.post("/probe/obstacle", {"what": what})
    plain, = host.make()
    ours, = host.make(indetail={"image": picture, "adain": 0})
    assert difference(plain, ours) == 0
    sentence = {**BEFORE, **WITHIN}[what].split(" (")[0]
    assert "InDetail skipped" not in infotext(plain)
    assert "InDetail skipped" in infotext(ours) and sentence in infotext(ours)
    comments = host.get("/probe/state")[1]["comments"]
    assert any(comment.startswith("InDetail: skipped: ") and sentence in comment for comment in comments)
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_going_on_is_not_for_bad_input(host):
    host.options(indetail_go_on=True)
    status, answer = host.ask(indetail={"image": None})
    assert (status, "has no image prompt" in answer["detail"]) == (422, True)


def test_without_an_obstacle_nothing_is_skipped(host, picture):
    host.options(indetail_go_on=True)
    ours, = host.make(indetail={"image": picture})
    assert "InDetail skipped" not in infotext(ours)
    assert abs(pixels(ours) - pixels(host.make()[0])).mean() > 3
