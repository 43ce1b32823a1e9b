"""No amount of metadata keeps a good picture from being read; a bomb is told by its pixels."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from lib_indetail.errors import BadPicture
from lib_indetail.pictures.as_seen import MAX_PIXELS, as_seen
from lib_indetail.pictures.opening import opened
from lib_indetail.pictures.png_chunks import MAX_PROFILE, without_metadata
from tests.icc import ADOBE_RGB, in_srgb, rgb_profile
from tests.png import chunk, png

COLOUR = (200, 90, 60)
LONG = b"x" * 3_000_000


def packed(data: bytes) -> bytes:
    return zlib.compress(data)


def read(data: bytes) -> Image.Image:
    return as_seen(opened(data)).rgb


@pytest.mark.parametrize("extra", [
    chunk(b"zTXt", b"workflow\0\0" + packed(LONG)), chunk(b"iTXt", b"workflow\0\1\0\0\0" + packed(LONG)),
    chunk(b"tEXt", b"workflow\0" + LONG), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LONG),
    chunk(b"zTXt", b"workflow\0\0" + packed(LONG)) * 30, chunk(b"zTXt", b"broken\0\0junk"),
    chunk(b"eXIf", b"MM\0*junk" * 1000), chunk(b"acTL", b"\0" * 8) + chunk(b"fdAT", LONG)])
def test_a_png_with_much_or_broken_metadata_is_read(extra):
    assert read(png(COLOUR, extra)).getpixel((3, 3)) == COLOUR


def test_a_large_profile_is_followed():
    profile = rgb_profile(ADOBE_RGB, 2.2)
    large = struct.pack(">I", len(profile) + 2_000_000) + profile[4:] + b"\0" * 2_000_000
    for data in (png(COLOUR, chunk(b"iCCP", b"scanner\0\0" + packed(large))), saved("TIFF", icc_profile=large),
                 saved("JPEG", icc_profile=large, quality=100, subsampling=0)):
        assert read(data).getpixel((3, 3)) == pytest.approx(in_srgb(COLOUR, ADOBE_RGB, 2.2), abs=3)


def test_a_profile_that_is_a_bomb_is_left_out():
    """Even where it begins as a profile that could be followed."""
    profile, squeezing = rgb_profile(ADOBE_RGB, 2.2), zlib.compressobj(1)
    zeros = MAX_PROFILE + 2**20 - len(profile)
    parts = [struct.pack(">I", MAX_PROFILE + 2**20) + profile[4:], *[bytes(2**20)] * (zeros // 2**20),
             bytes(zeros % 2**20)]
    bomb = b"".join(map(squeezing.compress, parts)) + squeezing.flush()
    picture = as_seen(opened(png(COLOUR, chunk(b"iCCP", b"x\0\0" + bomb))))
    assert picture.rgb.getpixel((3, 3)) == COLOUR and picture.notes


def saved(kind: str, **options) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), COLOUR).save(data, kind, **options)
    return data.getvalue()


def test_other_files_with_much_metadata_are_read():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[700] = LONG  # XMP
    tags.tagtype[700] = 1
    exif = Image.Exif()
    exif[0x9286] = b"note" * 10_000
    assert read(saved("TIFF", tiffinfo=tags)).getpixel((3, 3)) == COLOUR
    assert read(saved("JPEG", exif=exif, quality=100, subsampling=0)).getpixel((3, 3)) == pytest.approx(COLOUR, abs=3)
    assert read(saved("WEBP", xmp=LONG, lossless=True)).getpixel((3, 3)) == COLOUR


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_many_frames_the_first_is_read(kind):
    rng = np.random.default_rng(0)
    frames = [Image.new("RGB", (16, 16), COLOUR),
              *(Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(300))]
    data = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(data, kind, save_all=True, append_images=frames[1:], **options)
    assert read(data.getvalue()).getpixel((3, 3)) == pytest.approx(COLOUR, abs=1 if kind == "GIF" else 0)


def test_nothing_of_the_picture_itself_is_left_out():
    """Palettes, clear colours and interlacing pass; the pixels are Pillow's own."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)).quantize(64)
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a star", zip=True)
    data = io.BytesIO()
    picture.save(data, "PNG", pnginfo=info, transparency=3)
    lean, taken = without_metadata(data.getvalue())
    assert len(lean) < len(data.getvalue()) and not taken
    with Image.open(io.BytesIO(data.getvalue())) as whole, Image.open(io.BytesIO(lean)) as bare:
        assert whole.convert("RGBA").tobytes() == bare.convert("RGBA").tobytes()


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0"])
def test_what_is_no_whole_png_is_left_to_the_reader(data):
    assert without_metadata(data) == (data, {})


def test_a_png_that_is_cut_off_is_broken_wherever_it_ends():
    data = png(COLOUR, chunk(b"tEXt", b"a\0b") + chunk(b"iCCP", b"x\0\0" + packed(b"junk" * 20)), side=64)
    for end in range(8, len(data) - 40, 7):
        with pytest.raises(BadPicture, match=r"^The image is (broken|not a picture)"):
            opened(data[:end])


def test_a_bomb_is_refused_by_its_pixels_before_it_is_unpacked():
    for side in (10_001, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        with pytest.raises(BadPicture, match=r"megapixels; at most 100|more pixels than can be taken"):
            opened(png(COLOUR, header=header))
    assert MAX_PIXELS == 100_000_000


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_is_refused_in_one_sentence_or_read(seed):
    rng = np.random.default_rng(seed)
    kind = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP")[seed % 6]
    data = bytearray(saved(kind))
    for _ in range(1 + seed % 5):
        data[rng.integers(len(data))] = rng.integers(256)
    if seed % 3 == 0:
        del data[rng.integers(len(data)):]
    try:
        assert read(bytes(data)).mode == "RGB"
    except BadPicture as error:
        assert str(error).endswith(".") and "\n" not in str(error) and len(str(error)) < 300
