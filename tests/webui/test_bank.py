"""Prepared once: what later generations find, and that it makes no difference to the picture."""

from __future__ import annotations

import pytest

from tests.webui.host import difference, paper

WISH = paper(10)
KINDS = {
    "txt2img": {}, "batch": dict(batch_size=2), "two texts": dict(prompt="a star AND a circle"),
    "Heun": dict(sampler_name="Heun"), "SDE": dict(sampler_name="DPM++ SDE"), "DDIM": dict(sampler_name="DDIM"),
    "hires": dict(enable_hr=True, hr_scale=1.5, hr_upscaler="Latent", denoising_strength=0.6),
}


def records(host) -> int:
    """Record passes since the last call."""
    made = len(host.get("/probe/state")[1]["records"])
    host.post("/probe/forget")
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_records_nothing_and_gives_the_same_bytes(host, picture, kind):
    wish = {"image": picture, **WISH}
    first = host.make(indetail=wish, **KINDS[kind])
    recorded = records(host)
    assert host.make(indetail=wish, **KINDS[kind]) == first
    assert (recorded > 0, records(host)) == (True, 0)


def test_what_the_image_does_not_depend_on_finds_it(host, picture):
    wish = {"image": picture, "inversion_text": "empty", **WISH}
    host.make(indetail=wish)
    assert records(host) == 6
    changes = [dict(seed=8), dict(cfg_scale=9), dict(batch_size=3), dict(prompt="a heart"), dict(negative_prompt="x"),
               dict(sampler_name="Euler a")]
    for change in changes:
        host.make(indetail=wish, **change)
        assert records(host) == 0, change
    for change in (dict(lambda_image=0.9), dict(stratified_until=1), dict(strength=0.5), dict(adain=0),
                   dict(strength_schedule="0:0.7, 0.4:0.3"), dict(lambda_schedule="linear"), dict(colour_match=1),
                   dict(block_weights="detail"), dict(weight=0.5), dict(output_mask=picture),
                   dict(reference_mask=picture)):
        host.make(indetail={**wish, **change})
        assert records(host) == 0, change


@pytest.mark.parametrize("change", [dict(blocks="all"), dict(block_weights="strong"), dict(inversion_offset=0.5),
                                    dict(nodes=11), dict(inversion="refined"), dict(suffix=", x"),
                                    dict(inversion_text="own text", own_text="x")], ids=str)
def test_what_it_depends_on_does_not(host, picture, change):
    host.make(indetail={"image": picture, **WISH})
    records(host)
    host.make(indetail={"image": picture, **WISH, **change})
    assert records(host) == 6


def test_without_a_bank_everything_is_recorded_live_and_the_same(host, picture):
    wish = {"image": picture, **WISH}
    with_bank = host.make(indetail=wish)
    host.options(indetail_bank_mb=0)
    host.post("/probe/reset")
    for _ in range(2):
        assert difference(host.make(indetail=wish)[0], with_bank[0]) <= 1
        assert (len(host.get("/probe/state")[1]["ahead"]), records(host)) == (0, 6)
    assert host.get("/indetail/cache")[1]["bank_bytes"] == 0


def test_a_bank_too_small_for_a_run_is_used_as_far_as_it_goes(host, picture):
    wish = {"image": picture, **WISH, "blocks": "all"}
    wanted = host.make(indetail=wish, steps=20)
    full = host.get("/indetail/cache")[1]["bank_bytes"]
    host.post("/probe/reset")
    host.options(indetail_bank_mb=max(1, full // 2 // 2**20))
    host.make(indetail=wish, steps=20)
    assert records(host) == 20
    assert difference(host.make(indetail=wish, steps=20)[0], wanted[0]) <= 1
    assert 0 < records(host) < 20
    assert host.get("/indetail/cache")[1]["bank_bytes"] <= max(1, full // 2 // 2**20) * 2**20


@pytest.mark.parametrize("fields", [dict(), dict(sampler_name="DDIM"), dict(scheduler="Karras"), KINDS["two texts"],
                                    dict(mode="img2img", denoising_strength=0.5, steps=12)], ids=str)
def test_every_level_is_recorded_ahead_in_few_calls_and_comes_to_the_same_as_live(host, picture, fields):
    wish = {"image": picture, **WISH}
    fields = {**fields, **({"init_images": [picture]} if fields.get("mode") else {})}
    made = host.make(indetail=wish, **fields)
    state = host.get("/probe/state")[1]
    visited = len({f"{level:.6g}" for level in state["levels"]})
    assert (sum(state["ahead"]), len(state["ahead"]), len(state["records"])) == (visited, 1, visited)
    assert visited == (7 if fields.get("mode") else 6)
    assert max(state["records"]) < 1e-5
    host.post("/probe/reset")
    host.options(indetail_bank_mb=0)
    assert difference(made[0], host.make(indetail=wish, **fields)[0]) <= 1


def test_both_sides_banks_are_recorded_ahead_and_only_in_the_window(host, picture):
    host.make(indetail={"image": picture, **WISH, "guidance": 0.5})
    assert host.get("/probe/state")[1]["ahead"] == [6, 6]
    host.post("/probe/reset")
    host.make(indetail={"image": picture, **WISH, "start": 0.2, "end": 0.6})
    assert 0 < sum(host.get("/probe/state")[1]["ahead"]) < 5


@pytest.mark.parametrize("when", [2, 12])
def test_interrupting_the_preparation_makes_no_picture_wrong(host, picture, when):
    """Before the inversion's end, and within the recording of 20 levels."""
    wish = {"image": picture, **WISH}
    wanted = host.make(indetail=wish, steps=20)
    host.post("/probe/reset")
    host.post("/probe/then", {"after": when, "what": "interrupted"})
    host.ask(indetail=wish, steps=20)
    state = host.get("/probe/state")[1]
    assert (state["hooks"], len(state["levels"])) == (0, 0)
    assert difference(host.make(indetail=wish, steps=20)[0], wanted[0]) <= 1


@pytest.mark.parametrize(("inversion", "calls"), [("one pass", 7), ("parallel", 3)])
def test_a_one_pass_inversion_has_nothing_left_to_record(host, picture, inversion, calls):
    wish = {"image": picture, "inversion": inversion, "levels": "all"}
    made, = host.make(indetail=wish)
    assert (len(host.get("/probe/state")[1]["calls"]), records(host)) == (calls + 6, 0)
    assert host.make(indetail=wish) == [made]
    assert difference(made, host.make()[0]) > 20
    host.post("/probe/reset")
    host.options(indetail_bank_mb=0)
    assert difference(made, host.make(indetail=wish)[0]) <= 1
    assert records(host) == 6


@pytest.mark.parametrize("fields", [dict(sampler_name="DDIM"), dict(scheduler="Karras"), dict(sampler_name="Heun"),
                                    dict(mode="img2img", denoising_strength=0.5, steps=12),
                                    KINDS["hires"]], ids=str)
def test_a_one_pass_inversion_has_the_passs_own_levels(host, picture, fields):
    extra = {"init_images": [picture]} if fields.get("mode") else {}
    host.make(indetail={"image": picture, "inversion": "one pass"}, **fields, **extra)
    state = host.get("/probe/state")[1]
    between = 5 if fields.get("sampler_name") == "Heun" else 0
    assert len(state["records"]) <= between, state["records"]
    assert max(state["records"], default=0) < 1e-5


def test_an_inversion_is_there_after_a_restart_and_the_same(host, picture):
    wish = {"image": picture, **WISH}
    made = host.make(indetail=wish)
    host.post("/probe/restart")
    host.post("/probe/forget")
    assert host.make(indetail=wish) == made
    state = host.get("/probe/state")[1]
    note, = state["notes"]
    assert note.startswith("the image prompt's inversion was still there, on disk, and read at 6 noise levels in ")
    assert state["own_calls"] == 0


def test_no_disk_space_keeps_no_inversion_over_a_restart(host, picture):
    host.options(indetail_disk_mb=0)
    host.make(indetail={"image": picture, **WISH})
    assert host.get("/indetail/cache")[1]["inversions_on_disk"] == 0
    host.post("/probe/restart")
    host.post("/probe/forget")
    host.make(indetail={"image": picture, **WISH})
    assert "inverted in" in host.get("/probe/state")[1]["notes"][0]
