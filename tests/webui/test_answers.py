"""What the WebUI answers to questions of the core that no setting asks yet: tokens, texts, sizes; and what it holds."""

from __future__ import annotations

import pytest

from tests.webui.host import difference, paper, pixels
from tests.webui.test_off import KINDS

WISH = {**paper(6), "task": "cross-prompt"}
HIRES = dict(enable_hr=True, hr_scale=1.5, hr_upscaler="Latent", denoising_strength=0.6)


@pytest.mark.parametrize("name", ["sd1", "sd2-v", "sdxl"])
def test_a_prompts_tokens_have_the_places_of_their_rows(controlled, name):
    controlled.options(sd_model_checkpoint=f"{name}.safetensors")

    def asked(*prompts):
        status, answer = controlled.post("/probe/tokens", {"prompts": prompts})
        assert status == 200, answer
        return answer

    answer = asked("a (red cube:1.2), star", "a (red cube:1.2), ring")
    assert answer["tokens"] == [["a", [1]], ["red", [2]], ["cube", [3]], [",", [4]], ["star", [5]]]
    assert asked("a red cube, star", "a red cube, ring")["differs_at"] == 5
    stars = " ".join(["star"] * 80)
    answer = asked(f"{stars} cube", f"{stars} ring")
    assert [places for _, places in answer["tokens"]][74:] == [[75], [78], [79], [80], [81], [82], [83]]
    assert answer["differs_at"] == answer["tokens"][-1][1][0] == 83


@pytest.mark.parametrize("fields", [{}, {"batch_size": 2}, {"sampler_name": "DDIM"},
                                    {"override_settings": {"batch_cond_uncond": False}}])
def test_an_evaluations_texts_can_be_replaced(host, picture, fields):
    wanted = host.make(indetail={"image": picture, **WISH}, prompt="a ring", **fields)
    own = host.make(indetail={"image": picture, **WISH}, **fields)
    assert host.post("/probe/texts", {"prompt": "a ring"})[0] == 200
    replaced = host.make(indetail={"image": picture, **WISH}, **fields)
    assert [difference(*pair) for pair in zip(replaced, wanted, strict=True)] == [0] * len(wanted)
    assert min(difference(*pair) for pair in zip(replaced, own, strict=True)) > 2


def test_a_text_of_sdxl_can_be_replaced(controlled, picture):
    fields = {"override_settings": {"sd_model_checkpoint": "sdxl.safetensors"}, "steps": 3}
    wish = {"image": picture, **WISH, **paper(2)}
    own, = controlled.make(indetail=wish, **fields)
    controlled.post("/probe/texts", {"prompt": "a ring"})
    replaced, = controlled.make(indetail=wish, **fields)
    assert difference(replaced, own) > 2


@pytest.mark.parametrize("fields", [{}, HIRES])
def test_a_generations_size_can_be_changed_before_it_begins(host, picture, fields):
    host.post("/probe/size", {"size": [192, 128]})
    made, = host.make(indetail={"image": picture, **WISH}, **fields)
    host.post("/probe/size", {"size": None})
    wanted, = host.make(indetail={"image": picture, **WISH}, width=192, **fields)
    assert pixels(made).shape == pixels(wanted).shape and difference(made, wanted) == 0


PLAIN = {"title": "", "batch": [0], "from_noise": True, "inpainted": None, "frame": [128, 128], "free": None,
         "conditioning": None}


@pytest.mark.parametrize(("kind", "passes"), [
    ("txt2img", [{"batch": [0, 1]}]), ("img2img", [{"from_noise": False}]),
    ("hires", [{"title": "first pass"}, {"title": "second pass", "from_noise": False, "frame": [192, 192]}])])
def test_a_pass_is_known_before_it_begins(host, picture, kind, passes):
    host.make(**KINDS[kind], indetail={"image": picture, **WISH})
    assert host.get("/probe/state")[1]["passes"] == [{**PLAIN, **each} for each in passes]


def test_what_inpainting_keeps_is_known_and_the_part_that_it_makes(host, picture):
    told = {}
    for full_size in (False, True):
        host.post("/probe/forget")
        host.make(**{**KINDS["only masked"], "inpaint_full_res": full_size, "mask_blur": 0},
                  indetail={"image": picture, **WISH})
        told[full_size], = host.get("/probe/state")[1]["passes"]
    assert told[False] == {**PLAIN, "from_noise": False, "free": [0.25, 1, 4, 16, 16]}
    assert told[True]["inpainted"] == [24 / 128, 24 / 128, 104 / 128, 104 / 128]
    assert 0.5 < told[True]["free"][0] < 1


def test_an_inpainting_models_conditioning_is_known(controlled, picture):
    checkpoint = {"override_settings": {"sd_model_checkpoint": "inpainting.safetensors"}, "steps": 2}
    controlled.make(**{**KINDS["inpaint"], **checkpoint}, indetail={"image": picture, **WISH, **paper(2)})
    told, = controlled.get("/probe/state")[1]["passes"]
    assert told["conditioning"] == [1, 5, 16, 16]


def test_nothing_of_a_generation_is_held_when_it_is_over_or_while_it_is_off(host, picture):
    for wish in ({"image": picture, **WISH}, None, {"enabled": False}):
        host.make(indetail=wish)
        assert host.get("/probe/state")[1]["held"] is False


def test_a_checkpoint_whose_file_is_gone_is_refused_with_its_name(host, picture):
    path = next((host.folder / "models" / "Stable-diffusion").glob("*.safetensors"))
    away = path.with_suffix(".away")
    plain = host.make()
    path.rename(away)
    try:
        status, answer = host.ask(indetail={"image": picture, **WISH})
        assert (status, answer["error"]) == (422, "Error"), answer
        assert answer["detail"] == f"InDetail cannot act: the checkpoint's file {path.name} is not there any more."
    finally:
        away.rename(path)
    assert host.make() == plain and host.make(indetail={"image": picture, **WISH}) != plain

