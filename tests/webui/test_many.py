"""Many pictures in the real WebUI: a folder or uploads, one after the other or all together."""

from __future__ import annotations

import base64
import json
from itertools import chain

import numpy as np
import pytest
from PIL import Image

from embedded.pictures import draw, random_scene
from lib_indetail.pictures.convert import picture_hash
from lib_indetail.pictures.opening import decoded_picture
from tests.webui.host import FORGE, difference, encoded
from tests.webui.test_controlnet import units
from tests.webui.test_infotext import infotext
from tests.webui.test_page_files import SVG
from tests.webui.test_several import LEFT, WISH, changed
from tests.webui.test_xyz import same

ONE, TOGETHER = "one picture per generation", "all together"


@pytest.fixture(scope="module")
def pictures() -> list[str]:
    scenes = [random_scene(np.random.default_rng(seed), shape=shape, pattern="striped")
              for seed, shape in ((3, "circle"), (4, "heart"), (5, "ring"))]
    return [encoded(Image.fromarray(draw(scene))) for scene in scenes]


@pytest.fixture
def folder(host, pictures):
    """A subfolder of the picture folder with three pictures, a broken one and something else."""
    place = host.folder / "indetail_pictures" / "set"
    place.mkdir(parents=True, exist_ok=True)
    for name, picture in zip("abc", pictures, strict=True):
        (place / f"{name}.png").write_bytes(base64.b64decode(picture))
    (place / "broken.png").write_bytes(b"no picture")
    (place / "notes.txt").write_text("not a picture")
    yield "set"
    for path in place.iterdir():
        path.unlink()
    place.rmdir()


def many(host, *args, indetail=None, mode: str = "txt2img", **fields):
    """The host's answer to a run of the script."""
    return host.ask(mode, indetail or WISH, script_name="InDetail folder", script_args=list(args), **fields)


def made(host, *args, **fields) -> tuple[list[bytes], str]:
    """Pictures, and what was said."""
    status, answer = many(host, *args, **fields)
    assert status == 200, answer
    info = json.loads(answer["info"])
    images = [base64.b64decode(each) for each in answer["images"]]
    assert len(images) == len(info["infotexts"]) or (FORGE and len(images) > len(info["infotexts"]))
    return images, info["extra_generation_params"]["InDetail folder"]


@pytest.mark.parametrize("kind", [{}, dict(batch_size=2, n_iter=2)], ids=str)
def test_one_picture_per_generation_is_each_made_alone(host, pictures, folder, kind):
    images, said = made(host, ONE, None, folder, **kind)
    wanted = [host.make(indetail={"image": picture, **WISH}, **kind) for picture in pictures]
    assert [same(*pair) for pair in zip(images, chain(*wanted), strict=True)] == [True] * len(images)
    assert len(images) == 3 * len(wanted[0])
    assert said == ("3 of 4 image prompts were used. Skipped: set/broken.png (set/broken.png is not a picture that can "
                    "be read).")
    hashes = [picture_hash(decoded_picture(picture)) for picture in pictures]
    assert [digest in infotext(images[number * len(wanted[0])]) for number, digest in enumerate(hashes)] == [True] * 3
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_all_together_are_pictures_of_one_generation(host, pictures):
    uploaded = [{"name": f"{number}.png", "data": picture} for number, picture in enumerate(pictures)]
    images, said = made(host, TOGETHER, [*uploaded, {"name": "bad.jpg", "data": "AAAA"}], "")
    wanted, = host.make(indetail={"image": pictures[0], **WISH, "images": [{"image": each} for each in pictures[1:]]})
    assert len(images) == 1 and same(images[0], wanted)
    assert said.startswith("3 of 4 image prompts were used together. Skipped: bad.jpg (")


def test_the_accordions_other_values_hold_and_its_pictures_make_way(host, pictures):
    wish = {"image": pictures[2], **WISH, "lambda_image": 0.3, "reference_mask": LEFT, "output_mask": LEFT,
            "images": [{"image": pictures[1], "weight": 0.3}]}
    images, _ = made(host, ONE, [pictures[0]], "", indetail=wish)
    wanted, = host.make(indetail={**{name: value for name, value in wish.items() if name != "reference_mask"},
                                  "image": pictures[0]})
    assert same(images[0], wanted)
    images, _ = made(host, TOGETHER, [pictures[0]], "", indetail=wish)
    alone = {name: value for name, value in wish.items() if name not in ("reference_mask", "images")}
    assert same(images[0], host.make(indetail={**alone, "image": pictures[0]})[0])


def test_all_have_the_same_noise_with_a_random_seed(host, pictures):
    images, _ = made(host, ONE, [pictures[0], pictures[0]], "", seed=-1)
    assert difference(*images) <= 1


def test_the_progress_bar_says_which_picture_it_is(host, pictures):
    two = zip("ab", pictures[:2], strict=True)
    made(host, ONE, [{"name": f"{name}.png", "data": picture} for name, picture in two], "")
    said = [text for text in host.get("/probe/state")[1]["doing"] if text]
    assert all(text.startswith(("image prompt 1 of 2: a.png; InDetail: ", "image prompt 2 of 2: b.png; InDetail: "))
               for text in said)
    assert said[-1] == "image prompt 2 of 2: b.png; InDetail: sampling"
    assert any(text.startswith("image prompt 1 of 2: a.png; InDetail: inverting the image prompt") for text in said)


@pytest.mark.parametrize(("args", "indetail", "said"), [
    ((ONE, None, ""), WISH, "Upload image prompts, or name a subfolder"), ((ONE, [], "../.."), WISH, "other places"),
    ((ONE, None, "none"), WISH, "has no pictures in 'none'"),
    (("both", ["AAAA"], ""), WISH, "Image prompts must be one of"),
    ((ONE, "AAAA", ""), WISH, "Files must be a list"), ((ONE, [{"name": "x"}], ""), WISH, "Files must be a list"),
    ((ONE, ["AAAA"], ""), {"enabled": False}, "InDetail is off"),
    ((ONE, ["AAAA"], ""), {"nodes": 0}, "Inversion nodes"),
    ((ONE, ["AAAA"], ""), {"strength": 0.0}, "Strength is 0"),
    ((ONE, ["AAAA"], ""), WISH, "0 of 1 image prompts were used"),
    ((TOGETHER, ["AAAA"], ""), WISH, "0 of 1 image prompts were used")], ids=str)
def test_what_cannot_be_used_is_refused_before_any_call(host, args, indetail, said):
    status, answer = many(host, *args, indetail=indetail)
    assert status == 422 and said in answer["errors"], answer
    assert host.get("/probe/state")[1]["calls"] == []


def test_more_than_eight_do_not_go_together(host, pictures):
    status, answer = many(host, TOGETHER, [pictures[0]] * 9, "")
    assert status == 422 and answer["errors"] == "At most 8 image prompts can act together, not 9."


def test_interrupting_it_keeps_what_was_made_and_says_so(host, pictures):
    host.post("/probe/then", {"after": 25, "what": "interrupted"})
    images, said = made(host, ONE, pictures, "")
    assert 1 <= len(images) < 3 and said.startswith(f"{len(images)} of 3 image prompts")
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_in_img2img_and_beside_controlnet_units(controlled, pictures):
    for mode, fields in (("img2img", dict(init_images=[pictures[2]], denoising_strength=0.9)), ("txt2img", units({}))):
        images, _ = made(controlled, ONE, pictures[:2], "", mode=mode, **fields)
        wanted = [controlled.make(mode, {"image": picture, **WISH}, **fields) for picture in pictures[:2]]
        order = chain(*wanted) if not FORGE else [each[0] for each in wanted] + [each[1] for each in wanted if each[1:]]
        assert [difference(*pair) <= 1 for pair in zip(images, order, strict=True)] == [True] * len(images)
        assert changed(wanted[0][0], wanted[1][0]) > 1


def test_a_person_uploads_pictures_together(person, host, pictures):
    person.enable()
    person.open_advanced()
    person.set("nodes", 10)
    person.choose("#script_list", "InDetail folder")
    person.page.locator("#script_txt2img_indetail_folder_files input[type=file]").set_input_files(
        [{"name": f"{name}.png", "mimeType": "image/png", "buffer": base64.b64decode(picture)}
         for name, picture in zip("abc", pictures, strict=True)] + [
            {"name": "bad.png", "mimeType": "image/png", "buffer": b"x"},
            {"name": "logo.svg", "mimeType": "image/svg+xml", "buffer": SVG}])
    person.page.wait_for_timeout(1500)
    person.shot("folder")
    person.generate()
    assert "4 of 5 image prompts were used. Skipped: bad.png" in person.log()
    person.page.wait_for_function("() => document.querySelectorAll('#txt2img_gallery .thumbnail-item').length >= 4",
                                  timeout=30_000)
    mode, files, subfolder = host.get("/probe/arguments")[1]["folder"]
    assert (mode, subfolder) == (ONE, "")
    assert [file["name"] for file in files] == ["a.png", "b.png", "c.png", "bad.png", "logo.png"]
    assert picture_hash(decoded_picture(files[1]["data"])) == picture_hash(decoded_picture(pictures[1]))
    person.choose("#script_list", "None")
    assert person.own_errors() == []
