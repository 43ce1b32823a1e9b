"""What a picture says of how it was made, and that it can be made again from that."""

from __future__ import annotations

import base64
import io
import shutil

import pytest
from PIL import Image

from lib_indetail import __version__
from lib_indetail.pictures.convert import picture_hash
from lib_indetail.pictures.opening import decoded_picture
from tests.webui.host import FORGE, difference, encoded, paper

CHANGED = {"lambda_image": 0.35, "nodes": 10, "inversion_text": "own text", "own_text": "a circle, red: very",
           "end": 0.9}


def infotext(png: bytes) -> str:
    return Image.open(io.BytesIO(png)).info["parameters"]


def test_everything_that_is_not_a_default_is_written_with_version_and_picture(host, picture):
    made, = host.make(indetail={"image": picture, **CHANGED})
    ours, _, hosts = infotext(made).split("Model: ")[1].partition(", Version: ")
    assert "1.10.1" in hosts or FORGE
    assert ours == (
        "indetail_embedded, InDetail lambda: 0.35, InDetail end: 0.9, InDetail nodes: 10, "
        'InDetail inversion text: own text, InDetail own text: "a circle, red: very", '
        f"InDetail image: {picture_hash(decoded_picture(picture))}, InDetail version: {__version__}")


def test_off_writes_nothing(host):
    for args in (None, {"enabled": False}, [False, None, "structure-guided", 0.3]):
        assert "InDetail" not in infotext(host.make(indetail=args)[0])


def test_strength_zero_is_written(host, picture):
    made, = host.make(indetail={"image": picture, "strength": 0})
    assert "InDetail strength: 0.0, InDetail image: " in infotext(made)


def test_the_api_makes_the_picture_again_from_its_infotext(host, picture):
    made, = host.make(indetail={"image": picture, **CHANGED})
    assert host.make(indetail=[True, picture], infotext=infotext(made)) == [made]
    host.options(indetail_keep_mb=0)
    status, answer = host.ask(infotext=infotext(made))
    assert (status, "has no image prompt" in answer["detail"]) == (422, True)


def test_infotext_of_a_plain_picture_leaves_it_off(host):
    plain, = host.make()
    assert host.make(infotext=infotext(plain)) == [plain]


def test_the_host_keeps_what_was_made_last(host, picture):
    host.make(indetail={"image": picture, "lambda_image": 0.4})
    assert "InDetail lambda: 0.4" in (host.folder / "params.txt").read_text()
    host.make()
    assert "InDetail" not in (host.folder / "params.txt").read_text()


def test_every_picture_of_a_batch_and_both_kinds_of_generation_say_it(host, picture):
    wish = {"image": picture, "adain": 0.5, **paper(10)}
    made = host.make(indetail=wish, batch_size=2, n_iter=2) + host.make("img2img", wish, init_images=[picture])
    assert len(made) == 5
    assert all("InDetail AdaIN: 0.5" in infotext(each) for each in made)


def test_an_inner_pass_leaves_the_infotext_as_it_is(host, picture):
    host.post("/probe/nested")
    made, = host.make(indetail={"image": picture, "lambda_image": 0.4})
    assert "InDetail lambda: 0.4" in infotext(made)


def test_what_was_skipped_says_both(host, picture):
    host.options(indetail_go_on=True)
    host.post("/probe/obstacle", {"what": "depth model"})
    text = infotext(host.make(indetail={"image": picture, "lambda_image": 0.4})[0])
    assert "InDetail lambda: 0.4" in text
    assert "InDetail skipped: InDetail cannot act" in text.replace('"', "")


@pytest.mark.parametrize("room", [0, 64])
def test_pictures_and_masks_are_kept_if_there_is_room(host, picture, room):
    host.options(indetail_keep_mb=room)
    shutil.rmtree(host.folder / "indetail_kept", ignore_errors=True)
    mask = Image.new("L", (128, 128), 200)
    host.make(indetail={"image": picture, **paper(10), "output_mask": encoded(mask)})
    for each in (decoded_picture(picture), mask):
        kept = host.folder / "indetail_kept" / f"{picture_hash(each)}.png"
        assert kept.is_file() == bool(room)
        if room:
            assert picture_hash(Image.open(kept)) == picture_hash(each)
    assert host.get("/indetail/cache")[1]["kept_pictures"] == (2 if room else 0)


def test_infotext_alone_makes_the_picture_again_by_api(host, picture):
    turned = encoded(decoded_picture(picture).transpose(Image.Transpose.ROTATE_90))
    wish = {"image": picture, **paper(10), "output_mask": encoded(Image.new("L", (128, 128), 180)),
            "images": [{"image": turned, "weight": 0.4}]}
    made, = host.make(indetail=wish)
    status, answer = host.post("/sdapi/v1/txt2img", {"infotext": infotext(made)})
    assert status == 200, answer
    assert difference(base64.b64decode(answer["images"][0]), made) == 0
    host.options(indetail_keep_mb=0)
    status, answer = host.post("/sdapi/v1/txt2img", {"infotext": infotext(made)})
    assert (status, "has no image prompt" in answer["detail"]) == (422, True)
