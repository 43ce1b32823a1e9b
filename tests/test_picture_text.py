"""Pictures as text, in every spelling that other programs use; and what is said of anything else."""

from __future__ import annotations

import base64
import io
import urllib.parse

import pytest
from PIL import Image

from lib_indetail.ask.request import Request
from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.pictures.opening import decoded, opened
from tests.png import png

COLOUR = (200, 90, 60)
FILE = png(COLOUR) + b"\xff\xfe\xfd"  # ends so that padding and both alphabets' own characters are in its text
TEXT = base64.b64encode(FILE).decode()
SAFE = base64.urlsafe_b64encode(FILE).decode()
SPELLINGS = {
    "plain": TEXT, "URL-safe": SAFE, "in lines": base64.encodebytes(FILE).decode(), "with blanks": f"  {TEXT}\n",
    "unpadded": base64.b64encode(FILE + b"\0").decode().rstrip("="),
    "URL-safe and unpadded": base64.urlsafe_b64encode(FILE + b"\0").decode().rstrip("="),
    "data URI": f"data:image/png;base64,{TEXT}", "with a charset": f"data:image/png;charset=utf-8;base64,{TEXT}",
    "with a name": f"data:image/png;name=a.png;base64,{TEXT}", "without a kind": f"data:;base64,{TEXT}",
    "of an unknown kind": f"data:application/octet-stream;base64,{TEXT}",
    "in capitals": f"DATA:image/PNG;BASE64,{TEXT}", "URL-safe in a data URI": f"data:image/png;base64,{SAFE}",
    "quoted": f"data:image/png,{urllib.parse.quote(FILE)}",
    "base64 that is quoted": f"data:image/png;base64,{urllib.parse.quote(TEXT, safe='')}"}


def test_the_texts_differ():
    assert "+" in TEXT + base64.b64encode(FILE + b"\0").decode() and "/" in TEXT and TEXT != SAFE


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelling_is_read(name):
    assert decoded(SPELLINGS[name]).rgb.getpixel((3, 3)) == COLOUR


@pytest.mark.parametrize(("text", "said"), [
    ("https://example.org/a.png", r"is an address \('https://example.org/a.png'\), and addresses are not read: send"),
    ("file:///home/me/cat.png", "is an address"), ("/home/me/cat.png", "is a path"), ("C:\\photos\\a.png", "is a path"),
    ("~/cat.png", "is a path"), ("../cat", "is a path"), ("cat.png", "is a path"), ("/home/me/cat", "is a path"),
    ("a cat!", "must be a picture as base64 or as a data URI, not the text 'a cat!'"), ("", "is empty"),
    ("  ", "is empty"), ("data:image/png;base64,", "is empty"), ("data:image/png,", "is empty"),
    ("data:image/png;base64,???", "data URI .* whose base64 is broken"),
    (base64.b64encode(b"no picture at all").decode(), "is not a picture that can be read"),
    ("<svg xmlns='http://www.w3.org/2000/svg'/>", "^This is an SVG drawing"),
    ("data:image/svg+xml,%3Csvg%20xmlns=''/%3E", "^This is an SVG drawing"),
    ("data:image/svg+xml;utf8,<svg width='9'/>", "^This is an SVG drawing")])
def test_anything_else_is_refused_by_what_it_is(text, said):
    with pytest.raises(BadPicture, match=said) as caught:
        decoded(text)
    assert str(caught.value).endswith(".") and len(str(caught.value)) < 300


KINDS = {
    "an SVG drawing": [b"<svg></svg>", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><svg >"],
    "a web page": [b"<!DOCTYPE html><html>", b"<html><body>"], "a PDF document": [b"%PDF-1.7 ..."],
    "an EPS drawing": [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"],
    "a HEIC photo": [b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypmif1"],
    "a video": [b"\0\0\0\x18ftypisom", b"\x1aE\xdf\xa3"],
    "a JPEG XL picture": [b"\xff\x0a\0\0", b"\0\0\0\x0cJXL \r\n\x87\n"], "a GIMP file": [b"gimp xcf file"],
    "an OpenEXR picture": [b"\x76\x2f\x31\x01"], "a ZIP archive": [b"PK\x03\x04"], "an archive": [b"\x1f\x8b\x08"],
    "a camera's raw file": [b"FUJIFILMCCD-RAW", b"\0\0\0\x18ftypcrx "]}


OTHER_THINGS = {"a web page", "a PDF document", "a video", "a ZIP archive", "an archive"}


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, datas in KINDS.items() for data in datas])
def test_a_file_of_another_kind_is_refused_by_its_name(kind, data):
    instead = "save it as PNG or JPEG and give that" if kind not in OTHER_THINGS else "give a picture"
    with pytest.raises(BadPicture, match=f"^This is {kind}; {instead}\\.$"):
        opened(data + bytes(64))
    with pytest.raises(BadPicture, match=f"^holiday is {kind}; "):
        opened(data + bytes(64), "holiday")


@pytest.mark.parametrize("on", [True, 1, 1.0, "1", "true", "True", " on ", "yes"])
def test_on_has_many_spellings(on):
    assert Request.of([{"image": TEXT, "enabled": on}]).acts
    assert Request.of([on, TEXT]).acts


@pytest.mark.parametrize("off", [False, 0, "0", "false", "off", "No"])
def test_off_has_many_spellings(off):
    assert not Request.of([{"image": 3, "enabled": off}]).acts
    assert not Request.of([off, TEXT]).acts


@pytest.mark.parametrize("neither", [2, -1, "perhaps", "", None, [], {"on": True}, 0.5, float("nan")])
def test_what_is_neither_on_nor_off_is_refused(neither):
    with pytest.raises(BadSetting, match=r"^Enabled must be true or false, not "):
        Request.of([{"image": TEXT, "enabled": neither}])


def test_a_canvas_is_a_picture_and_what_to_take_of_it():
    half = Image.new("L", (16, 16))
    half.paste(255, (0, 0, 8, 16))
    mask = encoded(half)
    for args in ([{"image": {"image": TEXT, "mask": mask}}], [{"image": TEXT, "mask": mask}],
                 [True, {"image": TEXT, "mask": mask}], [{"image": [{"image": TEXT, "mask": mask}]}],
                 [{"image": TEXT, "reference_mask": mask}]):
        request = Request.of(args)
        assert request.picture.getpixel((3, 3)) == COLOUR
        assert (request.take.getpixel((3, 3)), request.take.getpixel((12, 3))) == (255, 0)
    further = Request.of([{"image": TEXT, "images": [{"image": {"image": TEXT, "mask": mask}}]}]).further[0]
    assert further.take.getpixel((12, 3)) == 0


@pytest.mark.parametrize("mask", [None, "", "white", "black"])
def test_a_canvas_on_which_nothing_was_painted_takes_all(mask):
    given = encoded(Image.new("L", (16, 16), mask)) if mask else mask
    assert Request.of([{"image": {"image": TEXT, "mask": given}}]).take is None


def test_a_canvas_without_a_picture_has_none():
    with pytest.raises(BadPicture, match="has no image prompt"):
        Request.of([{"image": {"image": None, "mask": None}}])
    assert not Request.of([{"image": TEXT, "images": []}]).further
    with pytest.raises(BadPicture, match=r"not an object with 'picture' \(an object has"):
        Request.of([{"image": {"picture": TEXT}}])


def encoded(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()
