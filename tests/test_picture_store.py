"""Pictures and masks that are kept for infotext: exact, bounded, and never from elsewhere."""

from __future__ import annotations

import logging
import time

import pytest
from PIL import Image

from lib_indetail.kept.picture_files import PictureStore
from lib_indetail.pictures.convert import picture_hash
from tests.small import randn

ROOM = 10**7


def noisy(seed: int, mode: str = "RGB", side: int = 32) -> Image.Image:
    values = randn(side, side, len(mode), seed=seed).mul(60).add(128).clamp(0, 255).byte().numpy()
    return Image.fromarray(values.squeeze())


@pytest.fixture
def store(tmp_path):
    return PictureStore(lambda: tmp_path / "kept", lambda: ROOM)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pictures_and_masks_come_back_by_their_hash_pixel_by_pixel(store, mode):
    picture = noisy(1, mode)
    store.keep(picture)
    again = store.by_hash(picture_hash(picture))
    assert (again.mode, again.size, again.tobytes()) == (mode, picture.size, picture.tobytes())
    assert store.by_hash(picture_hash(noisy(2, mode))) is None


def test_it_is_kept_once(store, tmp_path):
    for _ in range(3):
        store.keep(noisy(1))
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [f"{picture_hash(noisy(1))}.png"]
    assert len(store) == 1 and 0 < store.bytes < ROOM


def test_a_budget_of_zero_keeps_and_finds_nothing(store, tmp_path):
    store.keep(noisy(1))
    off = PictureStore(lambda: tmp_path / "kept", lambda: 0)
    off.keep(noisy(2))
    assert off.by_hash(picture_hash(noisy(1))) is None
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_the_oldest_goes_first_and_what_comes_again_is_new(tmp_path):
    store = PictureStore(lambda: tmp_path, lambda: 11_000)
    for seed in range(3):
        store.keep(noisy(seed))
        time.sleep(0.01)
    store.keep(noisy(0))
    time.sleep(0.01)
    store.keep(noisy(3))
    assert store.bytes <= 11_000
    assert [store.by_hash(picture_hash(noisy(seed))) is not None for seed in range(4)] == [True, False, True, True]


def test_a_picture_larger_than_the_budget_drives_nothing_out(tmp_path):
    store = PictureStore(lambda: tmp_path, lambda: 11_000)
    store.keep(noisy(1))
    store.keep(noisy(2, side=128))
    assert (len(store), store.by_hash(picture_hash(noisy(1))) is not None) == (1, True)


def test_a_file_that_is_not_what_it_is_named_after_is_left_out_with_one_warning(store, tmp_path, caplog):
    store.keep(noisy(1))
    path = tmp_path / "kept" / f"{picture_hash(noisy(1))}.png"
    noisy(2).save(path)
    with caplog.at_level(logging.WARNING):
        assert [store.by_hash(path.stem) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    for content in (b"", b"no picture", path.read_bytes()[:200]):
        path.write_bytes(content)
        assert store.by_hash(path.stem) is None


def test_nothing_outside_the_folder_is_read(store, tmp_path):
    store.keep(noisy(1))
    outside = tmp_path / f"{picture_hash(noisy(2))}.png"
    noisy(2).save(outside)
    (tmp_path / "kept" / outside.name).symlink_to(outside)
    for wanted in (outside.stem, f"../{outside.stem}", str(outside), "", "*" * 12):
        assert store.by_hash(wanted) is None
    assert store.by_hash(picture_hash(noisy(1))) is not None
