"""The picture folder: by name or by hash, and never anything outside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lib_indetail.errors import BadPicture
from lib_indetail.pictures.convert import picture_hash
from lib_indetail.pictures.folder import PictureFolder


def plain(colour: str) -> Image.Image:
    return Image.new("RGB", (8, 6), colour)


@pytest.fixture
def folder(tmp_path) -> Path:
    inside = tmp_path / "inside"
    (inside / "cloth").mkdir(parents=True)
    plain("red").save(inside / "red.png")
    plain("blue").save(inside / "cloth" / "blue silk.webp", lossless=True)
    (inside / "notes.txt").write_text("no image prompt")
    (inside / "broken.png").write_bytes(b"no picture either")
    plain("green").save(tmp_path / "green.png")
    (inside / "link.png").symlink_to(tmp_path / "green.png")
    return inside


@pytest.fixture
def pictures(folder) -> PictureFolder:
    return PictureFolder(lambda: folder)


def test_names_are_the_pictures_inside(pictures):
    assert pictures.names() == ["broken.png", "cloth/blue silk.webp", "red.png"]


def test_pictures_come_by_name_and_by_hash(pictures):
    assert pictures.get("red.png").getpixel((1, 1)) == (255, 0, 0)
    assert pictures.get(" cloth/blue silk.webp ").getpixel((1, 1)) == (0, 0, 255)
    assert pictures.get(picture_hash(plain("blue"))).getpixel((1, 1)) == (0, 0, 255)


@pytest.mark.parametrize("name", ["../green.png", "cloth/../../green.png", "cloth\\..\\..\\green.png", "{outside}",
                                  "~/green.png", "C:\\green.png", "\\green.png", "link.png", ".."])
def test_other_places_are_not_read(folder, pictures, name):
    with pytest.raises(BadPicture, match=r"not read|has no picture"):
        pictures.get(name.format(outside=folder.parent / "green.png"))


def test_a_picture_outside_is_not_found_by_its_hash(pictures):
    assert pictures.by_hash(picture_hash(plain("green"))) is None


@pytest.mark.parametrize("name", ["", "cloth", "yellow.png", "0" * 12, "x" * 5000, "a\0b"])
def test_what_is_not_there_is_refused_in_a_short_sentence(pictures, name):
    with pytest.raises(BadPicture, match="has no picture") as caught:
        pictures.get(name)
    assert len(str(caught.value)) < 200


def test_a_broken_file_is_refused_without_its_path(folder, pictures):
    with pytest.raises(BadPicture, match="not a picture") as caught:
        pictures.get("broken.png")
    assert str(folder) not in str(caught.value)


def test_a_file_that_changes_has_another_hash(folder, pictures):
    assert pictures.by_hash(picture_hash(plain("white"))) is None
    plain("white").resize((16, 12)).save(folder / "red.png")
    assert pictures.by_hash(picture_hash(plain("white").resize((16, 12)))) is not None
    assert pictures.by_hash(picture_hash(plain("red"))) is None


def test_the_hash_names_the_pixels_and_not_the_file(tmp_path):
    assert picture_hash(plain("red")) == picture_hash(plain("red"))
    assert picture_hash(plain("red")) != picture_hash(plain("red").transpose(Image.Transpose.ROTATE_90))
    assert picture_hash(plain("red")) != picture_hash(plain("blue"))


def test_a_subfolders_pictures_are_named_and_no_other_place_is(folder, pictures):
    names = pictures.names()
    assert pictures.names_in(".") == names
    below = sorted(name for name in names if "/" in name)
    sub = below[0].split("/")[0]
    assert pictures.names_in(sub) == pictures.names_in(f" {sub}/ ") == pictures.names_in(f"./{sub}") == [
        name for name in names if name.startswith(f"{sub}/")]
    assert pictures.names_in("no such") == []
    for elsewhere in ("..", "/", "../x", str(folder), "~", "C:\\x", f"{sub}/../.."):
        with pytest.raises(BadPicture, match="other places are not read"):
            pictures.names_in(elsewhere)


def test_a_picture_keeps_its_transparency_by_name_and_its_hash_is_that_on_white(folder, pictures):
    see_through = plain("red").convert("RGBA")
    see_through.putalpha(100)
    see_through.save(folder / "glass.png")
    assert pictures.get("glass.png").getpixel((0, 0)) == (255, 0, 0, 100)
    flat = Image.alpha_composite(Image.new("RGBA", see_through.size, "white"), see_through).convert("RGB")
    assert pictures.get(picture_hash(flat)).tobytes() == flat.tobytes()
