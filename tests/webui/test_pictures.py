"""Pictures as people have them, through the API."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from PIL import Image

from tests.test_placed_pictures import saved
from tests.webui.host import difference, paper, pixels

SIXTEEN = Image.fromarray(np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1)))
DOTS = Image.fromarray((np.indices((64, 64)).sum(0)[..., None] * [2, 1, 1.5]).astype(np.uint8))
FRAMES = [DOTS, Image.new("RGB", (64, 64), "red")]


def turned() -> str:
    exif = Image.Exif()
    exif[274] = 6
    return saved(DOTS, "TIFF", exif=exif)


KINDS = {
    "16 bit": lambda: saved(SIXTEEN, "PNG"), "palette": lambda: saved(DOTS.convert("P"), "PNG"),
    "CMYK": lambda: saved(DOTS.convert("CMYK"), "JPEG"), "transparent": lambda: saved(DOTS.convert("RGBA"), "WEBP"),
    "animated": lambda: saved(DOTS, "GIF", save_all=True, append_images=FRAMES[1:]), "turned": turned,
    "one pixel": lambda: saved(Image.new("RGB", (1, 1), "blue"), "PNG"),
    "data URI": lambda: "data:image/png;base64," + saved(DOTS, "PNG"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_acts(host, kind):
    plain, = host.make()
    ours, = host.make(indetail={"image": KINDS[kind](), **paper(10)})
    assert np.abs(pixels(plain) - pixels(ours)).mean() > 3


@pytest.mark.parametrize(("kind", "same"), [
    ("turned", DOTS.rotate(-90, expand=True)), ("palette", DOTS.convert("P").convert("RGB")),
    ("animated", DOTS.convert("P", palette=Image.Palette.ADAPTIVE).convert("RGB")), ("transparent", None)])
def test_it_is_read_as_a_person_sees_it(host, kind, same):
    wanted = paper(10)
    if same is None:
        half = DOTS.convert("RGBA")
        half.paste((0, 0, 0, 0), (0, 0, 64, 32))
        same = DOTS.copy()
        same.paste("white", (0, 0, 64, 32))
        wanted["reference_mask"] = saved(half.getchannel("A"), "PNG")
        given = saved(half, "PNG")
    else:
        given = KINDS[kind]()
    seen, = host.make(indetail={"image": given, **paper(10)})
    expected, = host.make(indetail={"image": saved(same, "PNG"), **wanted})
    assert difference(seen, expected) <= (40 if kind == "animated" else 0)


def test_a_hundred_megapixels_are_refused(host):
    status, answer = host.ask(indetail={"image": saved(Image.new("1", (20_000, 5_001)), "PNG")})
    assert status == 422
    assert "100 megapixels; at most 100" in answer["detail"]


def test_a_big_picture_works(host):
    big = saved(DOTS.resize((6000, 4000)), "JPEG", quality=70)
    assert len(base64.b64decode(big)) > 100_000
    assert len(host.make(indetail={"image": big, **paper(5)})) == 1
