"""Every mode that Pillow opens has the right levels, or is refused by its name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageMode

from lib_indetail.errors import BadPicture
from lib_indetail.pictures.as_seen import as_seen
from lib_indetail.pictures.eight_bit import COLOURS, eight_bit
from lib_indetail.pictures.opening import opened
from tests.png import chunk, png

NUMBERS = {"I;16": np.uint16, "I;16B": np.dtype(">u2"), "I": np.int32, "F": np.float32}


def numbers(mode: str, values) -> Image.Image:
    array = np.tile(np.array(values, NUMBERS[mode]), (4, 1))
    if mode == "I;16B":
        return Image.frombytes("I;16B", array.shape[::-1], array.tobytes())
    return Image.fromarray(array)


def levels(picture: Image.Image) -> list[int]:
    """Of the first row, as it is read."""
    return [red for red, _, _ in (as_seen(picture).rgb.getpixel((x, 0)) for x in range(picture.width))]


@pytest.mark.parametrize("mode", NUMBERS)
@pytest.mark.parametrize(("values", "wanted"), [
    ([0, 1, 1, 0], [0, 255, 255, 0]),
    ([0, 2, 100, 255], [0, 2, 100, 255]),
    ([7, 9, 11, 12], [7, 9, 11, 12]),
    ([0, 257, 25700, 65535], [0, 1, 100, 255]),
    ([1000, 2000, 3000, 300], [4, 8, 12, 1]),
])
def test_numbers_are_told_by_the_largest_and_never_stretched(mode, values, wanted):
    assert levels(numbers(mode, values)) == wanted


def test_fractions_are_of_one():
    assert levels(numbers("F", [0.0, 0.25, 0.5, 1.0])) == [0, 64, 128, 255]
    assert levels(numbers("F", [0.1, 0.2, 0.2, 0.1])) == [26, 51, 51, 26]


@pytest.mark.parametrize(("mode", "values", "seen"), [
    ("F", [-0.5, 0, 1, 1], "from -0.5 to 1"), ("F", [0, 1, 2, 70000], "from 0 to 70000"),
    ("I", [-3, 0, 1, 1], "from -3 to 1"), ("I", [0, 1, 2, 65536], "from 0 to 65536"),
    ("F", [0, 1, 1, float("nan")], "no numbers"), ("F", [0, 1, 1, float("inf")], "no numbers")])
def test_another_range_is_refused_with_what_was_seen(mode, values, seen):
    with pytest.raises(BadPicture, match=rf"mode {mode}\).*{seen}"):
        as_seen(numbers(mode, values))


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_sixteen_bits_come_through_a_file(kind):
    data = io.BytesIO()
    numbers("I;16", [0, 257, 25700, 65535]).save(data, kind)
    assert levels(opened(data.getvalue())) == [0, 1, 100, 255]


def test_fractions_come_through_a_file():
    data = io.BytesIO()
    numbers("F", [0, 0.25, 0.5, 1.0]).save(data, "TIFF")
    assert levels(opened(data.getvalue())) == [0, 64, 128, 255]


@pytest.mark.parametrize(("mode", "colour", "wanted"), [
    ("1", 1, (255, 255, 255)), ("L", 90, (90, 90, 90)), ("RGB", (1, 2, 3), (1, 2, 3)), ("P", 5, (5, 5, 5)),
    ("CMYK", (0, 255, 255, 0), (255, 0, 0)), ("YCbCr", (76, 85, 255), (254, 0, 0)), ("HSV", (0, 255, 255), (255, 0, 0)),
    ("RGBX", (1, 2, 3, 0), (1, 2, 3)), ("LA", (90, 255), (90, 90, 90)), ("RGBA", (1, 2, 3, 255), (1, 2, 3))])
def test_each_mode_has_its_levels(mode, colour, wanted):
    picture = Image.new(mode, (4, 4), colour)
    if mode == "P":
        picture.putpalette([value for level in range(256) for value in (level, level, level)])
    read = as_seen(picture)
    assert read.rgb.getpixel((1, 1)) == pytest.approx(wanted, abs=1) and read.alpha is None


@pytest.mark.parametrize(("mode", "colour", "wanted"), [
    ("LA", (90, 128), (90, 90, 90)), ("La", (45, 128), (90, 90, 90)), ("RGBA", (10, 20, 30, 128), (10, 20, 30)),
    ("RGBa", (5, 10, 15, 128), (10, 20, 30)), ("PA", (3, 128), (3, 3, 3))])
def test_what_is_half_transparent_keeps_its_colour_beside_it(mode, colour, wanted):
    picture = Image.new(mode, (4, 4), colour)
    if mode == "PA":
        picture.putpalette([value for level in range(256) for value in (level, level, level)])
    read = as_seen(picture)
    assert read.colours.getpixel((1, 1)) == pytest.approx(wanted, abs=1)
    assert read.alpha.getpixel((1, 1)) == 128


@pytest.mark.parametrize("clear", [1, bytes([255, 0, 128])])
def test_a_palettes_transparency_is_seen(clear):
    picture = Image.new("P", (3, 1))
    picture.putdata([0, 1, 2])
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    data = io.BytesIO()
    picture.save(data, "PNG", transparency=clear)
    read = as_seen(opened(data.getvalue()))
    assert list(read.alpha.getdata()) == ([255, 0, 255] if clear == 1 else [255, 0, 128])
    assert read.colours.getpixel((2, 0)) == (70, 80, 90)


@pytest.mark.parametrize(("colour", "clear", "options"), [
    ((7,), b"\0\7", {"kind": 0}), ((7, 8, 9), b"\0\7\0\10\0\11", {}), ((300,), b"\1\x2c", {"kind": 0, "depth": 16})])
def test_a_colour_that_is_clear_is_seen(colour, clear, options):
    read = as_seen(opened(png(colour, chunk(b"tRNS", clear), **options)))
    assert read.alpha is not None and read.alpha.getextrema() == (0, 0)
    other = as_seen(opened(png(tuple(value + 1 for value in colour), chunk(b"tRNS", clear), **options)))
    assert other.alpha is None


def test_a_mode_that_is_not_known_is_refused_by_its_name():
    class Strange:
        mode, info = "BGR;15", {}

    with pytest.raises(BadPicture, match="mode BGR;15, which is not read"):
        eight_bit(Strange())


def test_all_modes_that_pillow_knows_are_read():
    known = {*COLOURS, *NUMBERS, "I;16L", "I;16N"}
    modes = getattr(Image, "MODES", None) or list(ImageMode._modes)
    assert {mode for mode in modes if not mode.startswith("BGR")} <= known
