"""What the bank will need is told before anything is recorded, and is what is kept then."""

from __future__ import annotations

import html

import pytest
import torch

from benchmarks.device.unet import SD15, SDXL, UNet
from lib_indetail.ask.settings import Settings
from lib_indetail.bank.need import level_bytes
from lib_indetail.run.needed import Need, need, patches
from lib_indetail.run.status import plan_text, room_text
from lib_indetail.run.wish import Wish
from tests.fake_host import PAPER, FakeHost, Frame
from tests.frozen.wishes import picture

WISH = {"image": picture(0, 64, 64), **PAPER}
NODES = list(range(950, 0, -100))
MB = 2**20


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


@pytest.fixture
def foreseen(host, monkeypatch):
    """What is told of the wishes of every pass."""
    told = []
    before = host.owner.preparer.prepare_all

    def prepare_all(model, wishes):
        told.append(need(model, wishes))
        return before(model, wishes)

    monkeypatch.setattr(host.owner.preparer, "prepare_all", prepare_all)
    return told


@pytest.mark.parametrize("wish", [
    {}, {"levels": 3}, {"levels": 3, "inversion": "one pass"}, {"inversion": "one pass"}, {"blocks": "all"},
    {"guidance": 0.5}, {"guidance": 0.5, "levels": 4}, {"start": 0.3, "end": 0.7}, {"start": 0.3, "levels": 5},
    {"side": "negative", "levels": 2}, {"levels": 100}, {"inversion": "parallel", "levels": 5, "end": 0.5},
    {"inversion": "one pass", "end": 0.4}, {"inversion": "one pass", "inversion_offset": 0.3, "levels": 3}])
@pytest.mark.parametrize("frame", [Frame(64, 64, 4), Frame(128, 64, 4)])
def test_what_is_foreseen_is_what_is_kept(host, foreseen, wish, frame):
    host.generate({**WISH, **wish}, passes=[{"nodes": NODES}], frame=frame)
    counts = host.owner.counts()
    assert (foreseen[0].levels, foreseen[0].bytes) == (counts["levels"], counts["bank_bytes"]) and counts["levels"]


def test_two_passes_and_two_image_prompts_are_added(host, foreseen):
    wish = {**WISH, "levels": 3, "images": [{"image": picture(1, 64, 64)}]}
    host.generate(wish, passes=[{"title": "first pass", "nodes": NODES},
                                {"title": "second pass", "from_noise": False, "nodes": [401, 301, 201, 101]}])
    counts = host.owner.counts()
    assert sum(each.levels for each in foreseen) == counts["levels"] == 10
    assert sum(each.bytes for each in foreseen) == counts["bank_bytes"]


def test_detail_compares_the_patches_of_the_largest_size_it_has():
    small, wide = Frame(128, 128, 4), Frame(256, 128, 4)
    wishes = [Wish(settings=Settings(detail=0.5), text="", frame=frame) for frame in (small, wide)]
    assert patches(wishes[:1]) == 12 * 12 and patches(wishes) == 12 * 28
    off = [Wish(settings=settings, text="", frame=wide) for settings in (
        Settings(), Settings(detail=0.5, side="negative"))]
    assert patches([wishes[0], *off]) == 12 * 12 and patches(off) == 0


@pytest.mark.parametrize(("shape", "blocks", "cells", "megabytes"), [
    (SD15, "decoder", (64, 64), 26.25), (SD15, "all", (64, 64), 44.06), (SDXL, "decoder", (128, 128), 210.0),
    (SDXL, "decoder", (96, 168), 206.72)])
def test_the_real_unets_take_what_their_shapes_say(shape, blocks, cells, megabytes):
    with torch.device("meta"):
        unet = UNet(shape)
    assert level_bytes(unet, blocks, cells, 2) / MB == pytest.approx(megabytes, abs=0.05)


@pytest.mark.parametrize(("size", "levels", "room", "said"), [
    (0, 0, 0, ""),
    (524 * MB, 20, 600 * MB, "It needs 524 MB of keys and values at 20 noise levels, kept in main memory."),
    (13 * MB + MB // 10, 1, 2**40, "It needs 13.1 MB of keys and values at 1 noise level, kept in main memory."),
    (4506 * MB, 20, 1024 * MB, "It needs 4.40 GB of keys and values at 20 noise levels; main memory keeps 1.00 GB of "
                               "them, the others are made while sampling."),
    (524 * MB, 20, 0, "It needs 524 MB of keys and values at 20 noise levels; none are kept, each is made while "
                      "sampling.")])
def test_it_is_said_what_is_needed_and_where_it_will_be(size, levels, room, said):
    assert room_text(Need(levels, size), room).strip() == said


def test_the_plan_asks_for_the_pictures_that_act():
    asked = []
    text = plan_text(True, {1: (64, 64), 2: (64, 64)}, 0, width=96, height=96,
                     room=lambda numbers: asked.append(list(numbers)) or " So much.")
    assert asked == [[2]] and html.unescape(text).endswith("inverted at 96x96. So much.</p>")
