"""Pictures as people have them."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from lib_indetail.errors import BadPicture
from lib_indetail.pictures.as_seen import as_seen
from lib_indetail.pictures.convert import picture_tensor, tensor_picture
from lib_indetail.pictures.opening import open_picture
from lib_indetail.pictures.placing import cropped


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadPicture, match=r"^There is no picture at .*nowhere\.png\.$"):
        open_picture(tmp_path / "nowhere.png")


def test_a_text_file_is_not_a_picture(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not a picture")
    with pytest.raises(BadPicture, match="is not a picture that can be read"):
        open_picture(path)


def test_a_cut_off_picture_is_broken(tmp_path):
    path = tmp_path / "half.png"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BadPicture, match="is broken"):
        open_picture(path)


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(BadPicture, match="There is no picture"):
        open_picture(tmp_path)


def test_transparent_parts_become_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert as_seen(clear).rgb.getpixel((0, 0)) == (255, 255, 255)
    assert as_seen(half).rgb.getpixel((0, 0)) == (255, 127, 127)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "I;16", "1", "LA"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / "picture.tif"
    Image.new(mode, (6, 5)).save(path)
    picture = open_picture(path)
    assert picture.mode == "RGB" and picture.size == (6, 5)


def test_a_rotated_photo_stands_upright(tmp_path):
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(path, exif=exif)
    assert open_picture(path).size == (10, 20)


def test_cropping_fills_the_frame_from_the_middle():
    picture = Image.new("RGB", (300, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    result = cropped(picture, 64, 64)
    assert result.size == (64, 64)
    assert {result.getpixel(at) for at in ((8, 8), (32, 32), (55, 55), (55, 8))} == {(0, 0, 255)}


def test_picture_to_tensor_and_back_is_exact():
    values = torch.randint(0, 256, (3, 8, 8), generator=torch.Generator().manual_seed(0)).float() / 127.5 - 1
    assert torch.allclose(picture_tensor(tensor_picture(values))[0], values, atol=1e-6)
