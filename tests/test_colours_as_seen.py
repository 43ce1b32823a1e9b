"""Colours are read as their owner sees them, whatever describes them and in whatever file."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from lib_indetail.ask.image_prompt import image_prompt
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import Settings
from lib_indetail.kept.picture_files import PictureStore
from lib_indetail.pictures.as_seen import as_seen, names_of
from lib_indetail.pictures.convert import data_uri, picture_hash
from lib_indetail.pictures.folder import PictureFolder
from lib_indetail.pictures.opening import opened
from tests.icc import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    cmyk_profile,
    encoded,
    grey_profile,
    in_srgb,
    rgb_profile,
    srgb_profile,
)
from tests.png import chunk, png

COLOUR = (200, 90, 60)
WIDE = {"Display P3": (DISPLAY_P3, 2.2), "Adobe RGB": (ADOBE_RGB, 2.2)}
EXACT = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100},
         "PNG": {}, "TIFF": {}}


def plain(colour=COLOUR, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (16, 16), colour)


def file_of(picture: Image.Image, kind: str, **options) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **EXACT[kind], **options)
    return data.getvalue()


def seen(data: bytes) -> np.ndarray:
    """The middle pixel as it is read."""
    return np.array(as_seen(opened(data)).rgb.getpixel((8, 8)), float)


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("kind", EXACT)
def test_a_profile_is_followed_in_every_kind_of_file(kind, name):
    if kind == "AVIF" and ".avif" not in Image.registered_extensions():
        pytest.importorskip("pillow_avif", reason="NOT RUN: this Pillow has no AVIF, and there is no plugin for it")
    data = file_of(plain(), kind, icc_profile=rgb_profile(*WIDE[name]))
    wanted = in_srgb(COLOUR, *WIDE[name])
    assert np.abs(wanted - COLOUR).max() > 10
    assert seen(data) == pytest.approx(wanted, abs=4 if kind in ("JPEG", "AVIF") else 1.2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_grey_has_its_own_profile_or_one_of_three_colours(kind):
    for profile in (grey_profile(1.0), rgb_profile(SRGB, 1.0)):
        data = file_of(plain(100, "L"), kind, icc_profile=profile)
        assert seen(data) == pytest.approx([encoded(np.array(100 / 255))] * 3, abs=1.2)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("key", [0, 128, 255])
def test_ink_follows_its_profile(kind, key):
    """The profile's press prints lightness 100 (1 - K), and no colour, whatever C, M and Y are."""
    data = file_of(plain((250, 10, 120, key), "CMYK"), kind, icc_profile=cmyk_profile())
    lightness = 100 * (1 - key / 255)
    light = ((lightness + 16) / 116) ** 3 if lightness > 8 else lightness / 903.3
    assert seen(data) == pytest.approx([float(encoded(np.array(light)))] * 3, abs=2)


def test_ink_without_a_profile_is_read_as_ever():
    assert seen(file_of(plain((0, 255, 255, 0), "CMYK"), "TIFF")) == pytest.approx([255, 0, 0])


def test_lightness_and_colour_are_read():
    """A TIFF in Lab: L 50 % is grey of level 119, a of 60 is red."""
    grey, red = (file_of(plain((128, a, 128), "LAB"), "TIFF") for a in (128, 188))
    assert seen(grey) == pytest.approx([119] * 3, abs=2)
    assert seen(red)[0] > 180 and seen(red)[1] < 90


def test_transparency_stays_beside_a_profile():
    picture = plain((*COLOUR, 128), "RGBA")
    read = as_seen(opened(file_of(picture, "PNG", icc_profile=rgb_profile(*WIDE["Adobe RGB"]))))
    assert read.colours.getpixel((8, 8)) == pytest.approx(in_srgb(COLOUR, *WIDE["Adobe RGB"]), abs=1.2)
    assert read.alpha.getpixel((8, 8)) == 128
    assert read.rgba.mode == "RGBA" and not read.rgba.info


def test_a_profile_of_srgb_itself_changes_no_pixel():
    ramp = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    profile = srgb_profile()
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    through = ImageCms.profileToProfile(ramp, source, ImageCms.createProfile("sRGB"))
    assert np.abs(np.asarray(through, int) - np.asarray(ramp, int)).max() == 1  # of colour management's own rounding
    assert as_seen(opened(file_of(ramp, "PNG", icc_profile=profile))).rgb.tobytes() == ramp.tobytes()


@pytest.mark.parametrize("profile", [b"junk" * 40, rgb_profile(SRGB, 2.2)[:200], grey_profile(1.0), cmyk_profile()])
def test_a_profile_that_cannot_be_used_is_left_out_and_it_is_said(profile):
    read = as_seen(opened(file_of(plain(), "PNG", icc_profile=profile)))
    assert read.rgb.getpixel((8, 8)) == COLOUR
    assert read.notes == ("its colour profile cannot be used, so its colours are read as sRGB",)
    prompt = image_prompt(1, Settings(), {"image": data_uri_of(file_of(plain(), "PNG", icc_profile=profile)),
                                          "reference_mask": None, "output_mask": None}, True)
    assert prompt.notes == read.notes
    wish = {"image": data_uri_of(file_of(plain(), "PNG", icc_profile=profile))}
    request = Request.of([{**wish, "images": [wish]}])
    assert [each.notes for each in request.prompts] == [read.notes] * 2


def test_a_picture_that_is_followed_once_is_not_followed_again():
    once = as_seen(opened(file_of(plain(), "PNG", icc_profile=rgb_profile(*WIDE["Adobe RGB"])))).rgb
    assert as_seen(once).rgb.tobytes() == once.tobytes()
    again = as_seen(Image.open(io.BytesIO(base64_bytes(data_uri(once))))).rgb
    assert again.tobytes() == once.tobytes()


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def primaries(values: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))


@pytest.mark.parametrize("value", [0.45455, 0.55, 1.0])
@pytest.mark.parametrize("chromaticity", [SRGB, ADOBE_RGB, DISPLAY_P3, (0.3457, 0.3585, *SRGB[2:])])
def test_a_pngs_own_gamma_and_primaries_are_followed(value, chromaticity):
    read = seen(png(COLOUR, gamma(value) + primaries(chromaticity)))
    assert read == pytest.approx(in_srgb(COLOUR, chromaticity, 1 / value), abs=1)


def test_a_pngs_gamma_alone_is_followed_and_the_usual_one_means_srgb():
    assert seen(png(COLOUR, gamma(1.0))) == pytest.approx(encoded(np.array(COLOUR) / 255), abs=1)
    for usual in (0.44, 0.45455, 0.47):
        assert tuple(seen(png(COLOUR, gamma(usual)))) == COLOUR
    assert tuple(seen(png(COLOUR, primaries(DISPLAY_P3)))) == COLOUR


@pytest.mark.parametrize("extra", [gamma(1.0), gamma(1.0) + primaries(DISPLAY_P3)])
def test_a_grey_pngs_gamma_is_followed(extra):
    assert seen(png((100,), extra, kind=0)) == pytest.approx([encoded(np.array(100 / 255))] * 3, abs=1)
    assert seen(png((25700,), extra, kind=0, depth=16)) == pytest.approx([encoded(np.array(100 / 255))] * 3, abs=1)


def test_an_srgb_chunk_comes_before_gamma_and_a_profile_before_both():
    described = gamma(1.0) + primaries(DISPLAY_P3)
    assert tuple(seen(png(COLOUR, chunk(b"sRGB", b"\0") + described))) == COLOUR
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(rgb_profile(*WIDE["Adobe RGB"])))
    assert seen(png(COLOUR, profile + described)) == pytest.approx(in_srgb(COLOUR, *WIDE["Adobe RGB"]), abs=1.2)
    broken = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"junk" * 40))
    assert seen(png(COLOUR, broken + gamma(1.0) + primaries(SRGB))) == pytest.approx(
        encoded(np.array(COLOUR) / 255), abs=1)


@pytest.mark.parametrize("extra", [primaries((0.0,) * 8) + gamma(1.0), primaries((0.3,) * 8) + gamma(0.5), gamma(0.0),
                                   chunk(b"gAMA", b"\xff\xff\xff\xff") + primaries(SRGB)])
def test_nonsense_in_a_pngs_description_is_no_error(extra):
    assert np.isfinite(seen(png(COLOUR, extra))).all()


def test_a_masks_colours_are_followed_too():
    """A mask of linear light: level 55 is grey of half the lightness."""
    given = {"image": data_uri(plain()), "reference_mask": data_uri_of(png((55,), gamma(1.0), kind=0)),
             "output_mask": data_uri_of(file_of(plain(55, "L"), "PNG", icc_profile=grey_profile(1.0)))}
    prompt = image_prompt(1, Settings(), given, True)
    for mask in (prompt.take, prompt.put):
        assert mask.getpixel((8, 8)) == pytest.approx(float(encoded(np.array(55 / 255))), abs=1.2)


def test_the_kept_copy_and_the_hash_are_of_what_was_read(tmp_path):
    wide = opened(file_of(plain(), "PNG", icc_profile=rgb_profile(*WIDE["Adobe RGB"])))
    read, (name, former) = as_seen(wide).rgb, names_of(wide)
    assert name == picture_hash(read) and former == picture_hash(plain())
    store = PictureStore(lambda: tmp_path, lambda: 10**7)
    store.keep(read)
    assert store.by_hash(name).tobytes() == read.tobytes()
    with Image.open(tmp_path / f"{name}.png") as file:
        assert "icc_profile" not in file.info


def test_what_version_0_4_kept_and_named_is_still_found(tmp_path):
    """It kept the pixels without regard to the profile, named them so, and left the profile beside them."""
    wide = file_of(plain(), "PNG", icc_profile=rgb_profile(*WIDE["Adobe RGB"]))
    former = picture_hash(plain())
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / f"{former}.png").write_bytes(wide)
    kept = PictureStore(lambda: tmp_path / "kept", lambda: 10**7).by_hash(former)
    assert picture_hash(kept) == former == picture_hash(as_seen(kept).rgb) and not kept.info
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "wide.png").write_bytes(wide)
    folder = PictureFolder(lambda: tmp_path / "photos")
    assert picture_hash(folder.by_hash(former)) == former
    name = names_of(opened(wide))[0]
    assert name != former and picture_hash(folder.by_hash(name)) == name
    assert picture_hash(folder.get("wide.png")) == name


def data_uri_of(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def base64_bytes(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])
