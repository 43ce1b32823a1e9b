"""What a person may see of it: reconstruction, masks and attention, behind all other pictures and only if asked for."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from lib_indetail.pictures.heat_map import LINE, MARGIN, PAPER, colours
from tests.webui.host import FORGE, paper, pixels
from tests.webui.test_controlnet import units
from tests.webui.test_off import KINDS
from tests.webui.test_several import BLACK, LEFT, WISH, changed
from tests.webui.test_xyz import cells, same

ALL = ["reconstruction", "masks", "attention"]


def asked(host, wish, mode: str = "txt2img", **fields) -> tuple[list[bytes], list[str]]:
    """Pictures and their infotexts."""
    status, answer = host.ask(mode, wish, **fields)
    assert status == 200, answer
    return [base64.b64decode(each) for each in answer["images"]], json.loads(answer["info"])["infotexts"]


def test_nothing_is_added_unless_asked_for(host, picture):
    assert len(host.make(indetail={"image": picture, **WISH})) == 1
    assert len(host.make(indetail={"image": picture, **WISH, "show": []})) == 1
    assert len(host.make(indetail={"enabled": False, "show": ALL})) == 1
    assert len(host.make(indetail={"image": picture, "strength": 0.0, "show": ALL})) == 1


@pytest.mark.parametrize("kind", [{}, dict(batch_size=3), dict(n_iter=2), dict(sampler_name="DPM++ SDE"),
                                  dict(prompt="a star AND a heart", batch_size=2), KINDS["inpaint"]], ids=str)
def test_extra_pictures_come_last_and_change_no_other(host, picture, kind):
    kind = dict(kind)
    wish = {"image": picture, **WISH, "output_mask": LEFT}
    plain = host.make(indetail=wish, **kind)
    made, texts = asked(host, {**wish, "show": ALL}, **kind)
    assert [same(*pair) for pair in zip(made[:len(plain)], plain, strict=True)] == [True] * len(plain)
    assert texts[len(plain):] == ["InDetail: Output mask of image prompt 1",
                                  "InDetail: Reconstruction of image prompt 1",
                                  "InDetail: Attention of image prompt 1"]
    assert len(made) == len(texts) == len(plain) + 3
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_they_show_what_they_say(host, picture):
    wish = {"image": picture, **WISH, **paper(30), "output_mask": LEFT, "show": ALL}
    _, mask, reconstruction, attention = asked(host, wish)[0]
    assert (pixels(mask)[:, :64] == 255).all() and (pixels(mask)[:, 64:] == 0).all()
    status, answer = host.post("/indetail/invert", {"image": picture, **paper(30), "width": 128, "height": 128,
                                                    "prompt": "a star"})
    assert status == 200
    assert changed(reconstruction, base64.b64decode(answer["image"])) < 1
    assert Image.open(io.BytesIO(attention)).width > 200


def test_hires_has_them_for_both_passes_and_several_pictures_for_each(host, picture):
    wish = {"image": picture, **WISH, "show": ["attention", "masks"], "images": [{"image": picture,
                                                                                 "reference_mask": LEFT}]}
    texts = asked(host, wish, **KINDS["hires"])[1]
    assert texts[1:] == [f"InDetail: {name}" for name in (
        "Reference mask of image prompt 2, first pass", "Attention of image prompt 1, first pass",
        "Attention of image prompt 2, first pass", "Reference mask of image prompt 2, second pass",
        "Attention of image prompt 1, second pass", "Attention of image prompt 2, second pass")]


def test_a_stratified_pass_shows_its_lambda_and_a_black_mask_nothing(host, picture):
    def shown(**settings) -> set[tuple[int, ...]]:
        """The colours of the first layer's cells, above their numbers."""
        wish = {"image": picture, **WISH, "stratified_until": 1.0, "show": ["attention"], **settings}
        table = pixels(asked(host, wish)[0][1])
        return set(map(tuple, table[MARGIN + 2 * LINE].tolist())) - {PAPER}

    for settings, share in ((dict(lambda_image=0.25), 0.25), (dict(lambda_image=0.75), 0.75),
                            (dict(output_mask=BLACK), 0.0)):
        assert shown(**settings) == {tuple(colours(np.array(share)).tolist())}


def test_they_stand_behind_controlnets_maps(controlled, picture):
    wish = {"image": picture, **WISH, "show": ["attention"]}
    made, texts = asked(controlled, wish, **units({}))
    without = controlled.make(indetail={"image": picture, **WISH}, **units({}))
    assert len(made) == len(without) + 1 and texts[-1] == "InDetail: Attention of image prompt 1"
    assert len(texts) == len(made) or FORGE  # where maps stand behind all that has a text


def test_an_interrupted_inversion_shows_nothing_and_leaves_nothing(host, picture):
    host.post("/probe/then", {"after": 14, "what": "interrupted"})  # within the reconstruction
    assert host.ask(indetail={"image": picture, **WISH, "show": ALL})[0] == 200
    assert host.get("/probe/state")[1]["hooks"] == 0
    host.post("/probe/forget")
    assert len(host.make(indetail={"image": picture, **WISH})) == 1


def test_a_person_ticks_them_and_sees_them(person, picture):
    person.enable()
    person.drop(picture)
    person.open_advanced()
    for name in ("reconstruction", "attention"):
        person.own("show").locator("label", has_text=name).click()
    person.generate()
    person.page.wait_for_function("() => document.querySelectorAll('#txt2img_gallery .thumbnail-item').length >= 3",
                                  timeout=30_000)
    person.shot("extras")
    person.page.locator("#txt2img_gallery .thumbnail-item").last.dispatch_event("click")
    person.shot("attention")
    assert person.own_errors() == []


def test_a_batch_of_extras_is_not_taken_for_results_by_the_plot(host, picture):
    wish = {"image": picture, **WISH, "show": ALL}
    made = cells(host, wish, x=(".Lambda", "0.2, 0.8"))
    wanted = [host.make(indetail={"image": picture, **WISH, "lambda_image": each})[0] for each in (0.2, 0.8)]
    assert [same(*pair) for pair in zip(made, wanted, strict=True)] == [True] * 2
