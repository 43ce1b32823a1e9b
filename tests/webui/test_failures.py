"""Bad input is answered with 422 and one sentence; what fails or is stopped leaves nothing behind."""

from __future__ import annotations

import itertools

import pytest

from tests.test_request import BAD
from tests.webui.host import difference, paper


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_the_first_call(host, name):
    given, _ = BAD[name]
    status, answer = host.ask(indetail=given)
    state = host.get("/probe/state")[1]
    assert status == 422
    assert answer["error"] in ("InDetail", "Error")
    assert answer["detail"] == answer["errors"]
    assert answer["detail"].endswith(".") and "\n" not in answer["detail"]
    assert state["calls"] == [] and state["hooks"] == 0


def test_the_server_works_on_after_bad_input(host, picture):
    before = host.make()
    for given, _ in BAD.values():
        host.ask(indetail=given)
    assert host.make() == before
    assert len(host.make(indetail={"image": picture})) == 1


@pytest.mark.parametrize("what", ["interrupted", "skipped"])
@pytest.mark.parametrize("after", [0, 3, 22, 25])
def test_stopping_at_any_call_leaves_nothing(host, picture, what, after):
    """20 calls belong to the inversion, the rest to sampling."""
    before = host.make()
    host.post("/probe/reset")
    host.post("/probe/then", {"after": after, "what": what})
    status, answer = host.ask(indetail={"image": picture, **paper(20)})
    assert status == 200, answer
    state = host.get("/probe/state")[1]
    assert state["hooks"] == 0
    assert state["chains"] == (1 if after >= 20 else 0)
    assert len(state["calls"]) <= after + 2
    assert host.make() == before


@pytest.mark.parametrize("after", [0, 7, 20, 24])
def test_an_error_at_any_call_reaches_the_person_and_leaves_nothing(host, picture, after):
    before = host.make()
    host.post("/probe/reset")
    host.post("/probe/then", {"after": after, "what": "raise"})
    status, answer = host.ask(indetail={"image": picture, **paper(20)})
    assert status == 500
    assert "the probe broke this call" in answer["errors"]
    assert host.get("/probe/state")[1]["hooks"] == 0
    assert host.make() == before
    again = host.make(indetail={"image": picture, **paper(20)})
    host.post("/probe/reset")
    assert difference(again[0], host.make(indetail={"image": picture, **paper(20)})[0]) == 0


def test_reloading_the_page_twice_applies_it_once(host, picture):
    wish = {"image": picture, **paper(20)}
    before = host.make(indetail=wish)
    for _ in range(2):
        starts = host.starts()
        host.post("/probe/reload")
        host.wait(starts + 1)
    state = host.get("/probe/state")[1]
    assert sum("DenoiserCallback" in name for name in state["callbacks"]) == 1
    assert host.make(indetail=wish) == before


def test_two_hundred_generations_do_not_grow(host, picture):
    """Memory is looked at five times: what a generation leaves behind shows in each stretch of forty, where what the
    allocator takes at once shows in one."""
    for _ in range(5):
        host.make(steps=2, indetail={"image": picture, **paper(5)})
    states = [host.get("/probe/state")[1]]
    for seed in range(200):
        host.make(steps=2, seed=seed, indetail={"image": picture, **paper(5), "strength": 1 - seed / 400})
        if seed % 40 == 39:
            states.append(host.get("/probe/state")[1])
    grown = sorted(later["memory_mb"] - earlier["memory_mb"] for earlier, later in itertools.pairwise(states))
    assert grown[len(grown) // 2] < 8, grown
    assert states[-1]["tensors"] <= states[0]["tensors"] + 20
    assert states[-1]["hooks"] == 0


def test_many_pictures_stay_within_the_budget(host):
    from PIL import Image

    from tests.webui.host import encoded

    host.options(indetail_cache_mb=1)
    for shade in range(0, 250, 25):
        host.make(steps=1, indetail={"image": encoded(Image.new("RGB", (32, 32), (shade, 90, 20))), **paper(50)})
    state = host.get("/probe/state")[1]
    assert 0 < state["bytes"] <= 2**20
    assert 0 < state["chains"] < 10


def test_inner_generations_are_left_alone_unless_asked_for(host, picture):
    for switch, expected in ((False, "left out of an inner pass"), (True, "the image prompt")):
        host.options(indetail_inner=switch)
        host.post("/probe/reset")
        host.post("/probe/nested")
        host.make(indetail={"image": picture, **paper(20)})
        inner = [note for note in host.get("/probe/state")[1]["notes"] if note.startswith("inner:")]
        assert len(inner) == 1 and expected in inner[0]
        assert host.get("/probe/state")[1]["hooks"] == 0


def test_other_scripts_can_ask_change_and_switch_off(host):
    seen = host.get("/probe/external")[1]
    assert seen["before"] and seen["inside"]
    assert (seen["lambda"], seen["after"]) == (0.3, 0.3)
    assert seen["error"] == "Lambda must be a number from 0.0 to 1.0, not 3."
