"""Pictures of another shape than the generation's, and what their padding must not do."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from lib_indetail.attention.masks import token_mask, token_means
from lib_indetail.attention.sites import laid
from lib_indetail.errors import BadPicture
from lib_indetail.noise.adain import adain
from lib_indetail.pictures.as_seen import MAX_PIXELS, as_seen
from lib_indetail.pictures.opening import decoded_picture
from lib_indetail.pictures.placing import placed


def halves(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), (255, 0, 0))
    picture.paste((0, 0, 255), (width // 2, 0, width, height))
    return picture


def test_a_crop_keeps_the_middle_and_says_what_it_lost():
    fitted = placed(halves(200, 100), 64, 64, "crop")
    assert fitted.picture.size == (64, 64)
    assert fitted.lost == pytest.approx(0.5)
    assert fitted.content() is None
    assert placed(halves(64, 64), 128, 128, "crop").lost == 0


def test_stretching_keeps_everything():
    fitted = placed(halves(200, 100), 64, 64, "stretch")
    assert (fitted.lost, fitted.content()) == (0, None)
    assert fitted.picture.getpixel((2, 32)) == (255, 0, 0)


def test_fitting_pads_evenly_with_the_mean_colour_and_marks_the_padding():
    fitted = placed(halves(200, 100), 64, 64, "fit")
    assert fitted.box == (0, 16, 64, 48)
    assert fitted.picture.getpixel((5, 5)) == (128, 0, 128)
    content = fitted.content()
    assert content.shape == (8, 8)
    assert content.sum() == 8 * 4
    assert content[2:6].all()


def test_tokens_of_padding_are_left_out_at_every_resolution():
    content = placed(halves(200, 100), 128, 128, "fit").content()
    mask = token_mask(content)
    for side in (16, 8, 4):
        kept = mask(laid(side * side, (16, 16))).view(side, side)
        assert kept[side // 4:3 * side // 4].all()
        assert kept.sum() == side * side // 2


def test_at_least_one_token_stays():
    content = torch.zeros(16, 16, dtype=torch.bool)
    content[3, 3] = True
    for side in (16, 8, 4, 2, 1):
        assert token_mask(content)(laid(side * side, (16, 16))).sum() == 1


def test_odd_sizes_follow_the_unets_rounding():
    content = torch.zeros(9, 5, dtype=torch.bool)
    content[:4] = True
    assert token_mask(content)(laid(5 * 3, (9, 5))).view(5, 3)[0].all()


def test_merged_tokens_are_all_kept():
    assert token_mask(torch.zeros(8, 8, dtype=torch.bool))(laid(37, (8, 8))).all()


def test_adain_reads_statistics_of_the_content_alone():
    rng = torch.Generator().manual_seed(0)
    noise, reference = torch.randn(2, 4, 8, 8, generator=rng), torch.randn(1, 4, 8, 8, generator=rng)
    content = torch.zeros(8, 8, dtype=torch.bool)
    content[2:6] = True
    spoilt = reference.clone()
    spoilt[..., ~content] = 100
    assert torch.equal(adain(noise, spoilt, content), adain(noise, reference, content))
    inside = reference[..., 2:6, :]
    assert torch.allclose(adain(noise, spoilt, content).mean((2, 3)), inside.mean((2, 3)).expand(2, -1), atol=1e-5)


def saved(picture: Image.Image, kind: str, **options) -> str:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return base64.b64encode(data.getvalue()).decode()


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (4, 1))
    picture = decoded_picture(saved(Image.fromarray(ramp), "PNG"))
    assert picture.mode == "RGB"
    assert picture.getpixel((128, 1))[0] == pytest.approx(128, abs=1)


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("P", "PNG"), ("L", "PNG"), ("1", "PNG"), ("LA", "PNG"),
                                            ("RGBA", "WEBP"), ("YCbCr", "JPEG")])
def test_every_mode_becomes_rgb(mode, kind):
    picture = decoded_picture(saved(halves(16, 8).convert("RGB").convert(mode) if mode != "LA"
                                    else halves(16, 8).convert("L").convert("LA"), kind))
    assert (picture.mode, picture.size) == ("RGB", (16, 8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_turned_camera_is_turned_back_once(kind):
    exif = Image.Exif()
    exif[274] = 6
    exact = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    read = decoded_picture(saved(halves(16, 8), kind, exif=exif, **exact))
    difference = np.asarray(read).astype(int) - np.asarray(halves(16, 8).rotate(-90, expand=True).convert("RGB"))
    assert read.size == (8, 16)
    assert np.abs(difference).max() < 8


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    picture = decoded_picture(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert picture.getpixel((4, 4)) == (255, 0, 0)


def test_one_pixel_is_a_picture():
    assert placed(decoded_picture(saved(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG")), 64, 64).picture.getpixel(
        (60, 3)) == (9, 8, 7)


def test_more_than_a_hundred_megapixels_are_refused_before_they_are_read():
    header = Image.new("1", (20_000, 5_001))
    assert header.width * header.height > MAX_PIXELS
    with pytest.raises(BadPicture, match=r"100 megapixels; at most 100"):
        decoded_picture(saved(header, "PNG"))
    with pytest.raises(BadPicture, match="megapixels"):
        as_seen(header)


def test_a_soft_mask_is_averaged_over_each_token():
    mask = torch.zeros(8, 8)
    mask[:, 4:] = 1
    mask[0, 0] = 0.5
    shares = token_means(mask)
    merged = shares(laid(37, (8, 8)))
    assert torch.equal(shares(laid(64, (8, 8))).view(8, 8), mask)
    halves = shares(laid(16, (8, 8))).view(4, 4)
    assert halves[:, 2:].eq(1).all() and halves[0, 0] == 0.125 and halves[1:, :2].eq(0).all()
    assert merged.shape == (37,) and merged.std() == 0 and merged[0] == mask.mean()
