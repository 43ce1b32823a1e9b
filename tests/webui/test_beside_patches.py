"""Beside what changes attention in the hosts themselves: rows of the negative prompt stay what they are without us,
those of the prompt change, and nothing is left behind."""

from __future__ import annotations

import pytest

from tests.webui.host import difference

SETTINGS = {"blocks": "all"}


def script(title: str, *args) -> dict:
    return {"alwayson_scripts": {title: {"args": list(args)}}}


def reference(picture: str) -> dict:
    """With a weight at which it acts in layers as narrow as the embedded model's."""
    unit = {"enabled": True, "module": "reference_only", "model": "None", "image": picture, "weight": 1.17,
            "resize_mode": "Crop and Resize", "control_mode": "Balanced", "pixel_perfect": False,
            "guidance_start": 0.0, "guidance_end": 1.0, "threshold_a": 0.5}
    return script("ControlNet", unit)


BESIDE = {
    "nothing": lambda picture: {},
    "merged tokens": lambda picture: {"override_settings": {"token_merging_ratio": 0.5}},
    "reference_only": reference,
    "self-attention guidance": lambda picture: script("SelfAttentionGuidance Integrated", True, 0.5, 2.0),
    "FreeU": lambda picture: script("FreeU Integrated", True, 1.3, 1.4, 0.9, 0.2),
}
NEEDS = {"reference_only": "controlnet", "self-attention guidance": "selfattentionguidance integrated",
         "FreeU": "freeu integrated"}


@pytest.fixture(scope="module")
def known(running):
    """The scripts of the host."""
    return {name.lower() for name in running.get("/sdapi/v1/scripts")[1]["txt2img"]}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("batch", [1, 2])
def test_rows_of_the_negative_prompt_stay_and_those_of_the_prompt_change(host, picture, other, known, name, batch):
    if name in NEEDS and NEEDS[name] not in known:
        pytest.skip(f"NOT THERE: no script {NEEDS[name]!r} (extensions-builtin)")
    host.options(token_merging_ratio=0)
    fields = {"negative_prompt": "a heart", "batch_size": batch, **BESIDE[name](other)}
    plain = host.make(**fields)
    host.post("/probe/twice")
    made = host.make(indetail={"image": picture, **SETTINGS}, **fields)
    moved = host.get("/probe/moved")[1]
    host.post("/probe/forget")
    rows = [row for call in moved for row in call]
    uncond = [by for role, by in rows if role == "uncond"]
    cond = [by for role, by in rows if role == "cond"]
    assert len(cond) >= 6 * batch and len(uncond) == 6 * batch
    assert max(uncond) == 0 and min(cond) > 0.01
    assert difference(plain[0], made[0]) > 10
    assert host.get("/probe/state")[1]["hooks"] == 0
    again = host.make(**fields)
    assert again == plain


def test_a_call_for_the_negative_prompt_is_left_alone_whatever_its_rows_are_said_to_be(host, picture):
    """Guidance that asks for it once more hands it over in the prompt's place."""
    if not host.is_forge:
        pytest.skip("NOT THERE: no patcher that takes a function after guidance (modules)")
    host.post("/probe/obstacle", {"what": "negative asked again"})
    host.post("/probe/twice")
    host.make(indetail={"image": picture, **SETTINGS}, negative_prompt="a heart")
    rows = [row for call in host.get("/probe/moved")[1] for row in call]
    host.post("/probe/reset")
    assert [len([by for role, by in rows if role == each]) for each in ("cond", "uncond")] == [6, 6]
    assert max(by for role, by in rows if role == "uncond") == 0


def test_tiles_of_attention_are_refused_before_anything_is_lost(host, picture, known):
    """Each of its tiles comes as a row of its own."""
    if "hypertile integrated" not in known:
        pytest.skip("NOT THERE: no script 'hypertile integrated' (extensions-builtin)")
    fields = {**script("HyperTile Integrated", True, 64, 2, 0, False), "width": 256, "height": 256}
    plain = host.make(**fields)
    status, answer = host.ask(indetail={"image": picture, **SETTINGS}, **fields)
    assert status == 422 and "has put something else in the place of the attention of input_blocks" in answer["errors"]
    assert host.get("/probe/state")[1]["hooks"] == 0
    assert host.make(**fields) == plain
