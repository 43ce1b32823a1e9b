"""What people drop into the page: drawings, photos of formats that nobody here reads, wide colours, broken files."""

from __future__ import annotations

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image

from lib_indetail.pictures.convert import picture_hash
from tests.icc import ADOBE_RGB, in_srgb, rgb_profile
from tests.webui.host import encoded
from tests.webui.test_infotext import infotext

SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="#c83c14"/>
<circle cx="32" cy="32" r="20" fill="#f0dc3c"/></svg>"""
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
FIELDS = ["image", "image_2", "reference_mask", "output_mask"]


def choose(person, name: str, data: bytes, kind: str, field: str = "image") -> None:
    person.own(field).locator("input[type=file]").set_input_files({"name": name, "mimeType": kind, "buffer": data})


def drop(person, name: str, data: bytes, kind: str, field: str = "image") -> None:
    """As from a folder's window, onto the field."""
    person.page.evaluate("""([field, name, kind, data]) => {
        const holder = new DataTransfer();
        holder.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, {type: kind}));
        document.querySelector(field).querySelector("[data-testid=image], .wrap, input")
            .dispatchEvent(new DragEvent("drop", {dataTransfer: holder, bubbles: true, cancelable: true}));
    }""", [f"#script_{person.tab}_indetail_{field}", name, kind, base64.b64encode(data).decode()])


def held(person, field: str = "image") -> Image.Image:
    """What the field holds, as the browser will send it."""
    image = person.own(field).locator("img").first
    image.wait_for(timeout=20_000, state="attached")
    source = image.get_attribute("src")
    assert source.startswith("data:image/png;base64,"), source[:60]
    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


@pytest.fixture
def opened(person):
    person.enable()
    for name in ("masks", "more"):
        person.own(name).locator(".label-wrap").first.click()
    return person


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("act", [choose, drop])
def test_a_drawing_becomes_pixels_in_every_field(opened, act, field):
    act(opened, "logo.svg", SVG, "image/svg+xml", field)
    drawing = held(opened, field).convert("RGB")
    assert drawing.size == (1024, 1024)
    assert drawing.getpixel((20, 20)) == (200, 60, 20) and drawing.getpixel((512, 512)) == (240, 220, 60)
    assert opened.own_errors() == []


def test_a_generation_takes_a_drawings_details(opened, host):
    choose(opened, "logo.svg", SVG, "image/svg+xml")
    opened.wait_for("plan", "The image prompt (1024x1024) will be inverted at 128x128")
    opened.generate()
    assert f"InDetail image: {picture_hash(held(opened).convert('RGB'))}" in infotext(opened.result())
    opened.shot("a-drawing")


@pytest.mark.parametrize("kind", ["image/heic", ""])
def test_what_neither_the_browser_nor_we_can_read_is_refused_by_its_name(opened, kind):
    choose(opened, "IMG_0001.HEIC", HEIC, kind)
    opened.wait_for("plan", "This is a HEIC photo; save it as PNG or JPEG and give that.")
    opened.page.wait_for_selector(".indetail-thumbnail", state="detached")
    opened.shot("a-refused-photo")


def test_a_refused_file_leaves_no_thumbnail_where_a_picture_was(opened, picture):
    opened.drop(picture)
    opened.page.wait_for_selector(".indetail-thumbnail", state="attached")
    opened.own("image").locator("button[aria-label=Clear]").click()
    choose(opened, "broken.png", base64.b64decode(picture)[:900], "image/png")
    opened.wait_for("plan", "The image is broken")
    opened.page.wait_for_selector(".indetail-thumbnail", state="detached")
    opened.enable()  # closed and off
    opened.wait_for("plan", "Off: images are made as without InDetail.")
    assert opened.page.locator(".indetail-thumbnail").count() == 0


def test_wide_colours_are_read_as_they_are_shown(opened):
    """The browser's own canvas gives what the field shows, within a level."""
    data = io.BytesIO()
    Image.new("RGB", (128, 128), (200, 90, 60)).save(data, "PNG", icc_profile=rgb_profile(ADOBE_RGB, 2.2))
    choose(opened, "photo.png", data.getvalue(), "image/png")
    opened.own("image").locator("img").first.wait_for(timeout=20_000, state="attached")
    shown = opened.page.evaluate("""async selector => {
        const image = document.querySelector(selector), canvas = document.createElement("canvas");
        await image.decode();
        [canvas.width, canvas.height] = [128, 128];
        canvas.getContext("2d").drawImage(image, 0, 0);
        return [...canvas.getContext("2d").getImageData(64, 64, 1, 1).data].slice(0, 3);
    }""", "#script_txt2img_indetail_image img")
    opened.generate()
    wanted = in_srgb((200, 90, 60), ADOBE_RGB, 2.2)
    assert shown == pytest.approx(wanted, abs=1.5)
    read = Image.new("RGB", (128, 128), tuple(np.rint(wanted).astype(int).tolist()))
    found = [picture_hash(Image.new("RGB", (128, 128), tuple(level + change for level, change in zip(
        read.getpixel((0, 0)), (r, g, b), strict=True)))) for r in (-1, 0, 1) for g in (-1, 0, 1) for b in (-1, 0, 1)]
    assert any(f"InDetail image: {each}" in infotext(opened.result()) for each in found)


def test_a_refusal_stands_once_in_the_page_without_a_class_in_front(opened, host, picture):
    before = len(host.tail(None))
    choose(opened, "broken.png", base64.b64decode(picture)[:900], "image/png")
    opened.wait_for("plan", "The image is broken")
    opened.generate()
    assert opened.log().startswith("InDetail: The image is broken")
    assert opened.own("last").inner_text().strip() == ""
    time.sleep(0.5)
    lines = host.tail(None)[before:]
    assert lines.count("Traceback") == 1 and "During handling" not in lines and "direct cause" not in lines
    assert "InDetail ERROR" not in lines
    opened.shot("a-refusal")


def test_what_a_generation_refuses_later_stands_in_the_accordion(opened, host):
    opened.drop(encoded(Image.new("RGB", (4000, 3), "red")))
    opened.open_advanced()
    opened.own("resize").locator("input[value=fit]").check()
    opened.generate()
    opened.wait_for("last", "Last run: Nothing of the image prompt is left to read at 128x128: it is thinner than one")
    assert "indetail-error" in opened.own("last").inner_html()
    host.post("/probe/obstacle", {"what": "NaN of the VAE"})
    opened.own("image").locator("button[aria-label=Clear]").click()
    opened.drop(encoded(Image.new("RGB", (128, 128), "red")))
    opened.generate()
    opened.wait_for("last", "Last run: InDetail cannot act: the VAE made NaN of the image prompt; try --no-half-vae.")
    assert opened.log().startswith("Error: InDetail cannot act: the VAE made NaN")
