"""Adaptive places: images are tried one after the other in one generation, and the smoothest strip of them is shown."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.errors import BadSetting
from lib_indetail.pictures.convert import tensor_picture
from lib_indetail.run.adaptive import seen_by
from tests.fake_host import PAPER, FakeHost, FakeModel
from tests.frozen.wishes import picture
from tests.paid import error

ADAPTIVE = {"interpolate": "prompts", "prompt_b": "a heart", "frames": 4, "places": "adaptive", "places_tried": 7}


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def frames(host, prompts=(), seeds=(1,), passes=({},), **changes):
    made = host.generate({"prompts": list(prompts), "shared": {**ADAPTIVE, **changes}}, seeds=seeds, passes=passes,
                         prompts=["a star"])
    return host.owner.frames(made.job), made


def alone(host, t, seed, prompts=(), **changes):
    """The frame at t."""
    return frames(host, prompts, (seed,), frame_at=repr(t), **changes)[0].latents[0, 0]


def test_each_strip_of_a_batch_has_places_of_its_own(host):
    both, made = frames(host, seeds=(1, 2))
    assert both.latents.shape[:2] == (2, 4) and both.rows == 6
    assert both.ts[0] != both.ts[1]
    for ts, latents, seed in zip(both.ts, both.latents, (1, 2), strict=True):
        assert ts[0] == 0 and ts[-1] == 1 and ts == sorted(ts) and len(set(ts)) == 4
        assert error(latents, torch.stack([alone(host, t, seed) for t in ts])) < 1e-4
    assert made.job.lines["InDetail t"] == [*both.ts[0], *both.ts[1]]
    assert made.job.lines["InDetail rows"] == [6] * 8


def test_a_frame_alone_is_the_same_bytes(host):
    """Both are made in three rows, at the place that the infotext says."""
    strip, made = frames(host)
    for t, latent in list(zip(made.job.lines["InDetail t"], strip.latents[0], strict=True))[1:-1]:
        assert torch.equal(alone(host, t, 1), latent)


def test_so_many_are_tried(host):
    for wish, tried in (({}, 7), ({"places_tried": 0}, 8), ({"places_tried": 4}, 4)):
        host.rows_answered.clear()
        _, made = frames(host, **wish)
        assert len(host.rows_answered) == 4 * (tried - 2)  # the first call makes three of them, in four steps each
        assert made.passes[0].calls == tried - 2
        assert host.doing[-2:] == [f"sampling image {tried} of {tried}", None]


def test_images_are_tried_where_neighbours_are_farthest_apart(host):
    """The first end looks like no other image: all are tried next to it."""
    seen = []

    def tower(shown):
        seen.append(shown)
        return torch.tensor([1.0, 0.0] if len(seen) == 1 else [0.0, 1.0])

    host.image_tower = lambda: tower
    strip, _ = frames(host, frames=7)
    assert strip.ts[0][-2:] == [0.5, 1] and strip.ts[0][1] < 0.05


def test_an_image_tower_that_is_loaded_is_asked(host):
    seen = []

    def tower(shown):
        seen.append(shown.size)
        return torch.tensor([float(len(seen)), 1.0])

    host.image_tower = lambda: tower
    frames(host)
    assert seen == [(64, 64)] * 7


def test_a_stopped_strip_keeps_those_that_were_tried(host):
    tried = []

    def interrupted():
        tried.append(None)
        return len(tried) > 3  # asked once behind every call of the sampler

    host.interrupted = interrupted
    strip, _ = frames(host, frames=5, places_tried=10)
    assert len(strip.ts[0]) == 5 and strip.latents.shape[1] == 5
    tried.clear()
    host.interrupted = lambda: True
    strip, _ = frames(host, frames=5, places_tried=10)
    assert strip.ts == [[0, 0.5, 1]]


@pytest.mark.parametrize("kind", ["image prompts", "morph", "image strength"])
def test_between_pictures_too(host, kind):
    prompts = [{**PAPER, "image": picture(number, 64, 64), "inversion_text": "empty"}
               for number in range(1 if kind == "image strength" else 2)]
    wish = {"interpolate": kind, "prompt_b": ""}
    strip, _ = frames(host, prompts, **wish)
    even, _ = frames(host, prompts, **wish, places="even")
    assert error(strip.latents[0, 0], even.latents[0, 0]) < 1e-5
    assert error(strip.latents[0, -1], even.latents[0, -1]) < 1e-5
    assert error(strip.latents[0, 1], alone(host, strip.ts[0][1], 1, prompts, **wish)) < 1e-5


def test_nothing_stays_behind_after_many_calls(host):
    frames(host)
    assert not any(module._forward_hooks or len(module._forward_pre_hooks) > (module is host.loaded.unet)
                   for module in host.loaded.unet.modules())


def test_what_cannot_be_is_refused(host):
    made = host.generate({"shared": {**ADAPTIVE, "places_tried": 3}})
    assert "Images to try must be as many as there are frames (4), or more." in str(made.job.refused)
    with pytest.raises(BadSetting, match="Adaptive places cannot be found where a refiner takes over"):
        frames(host, passes=[{"switch_to": FakeModel("second"), "switch_at": 2}])
    assert not host.rows_answered
    frames(host, frame_at="0.5", places_tried=3)  # asks for no places


def test_pictures_are_seen_as_the_host_decodes_them(host):
    latents = torch.rand(2, 4, 8, 8) * 2 - 1
    looks = seen_by(host, host.model())(latents)
    shown = tensor_picture(host.model().decode(latents[:1])[0])
    assert looks[0].shape == (8 * 8 * 3,)
    assert looks[0][:3] * 255 + 127.5 == pytest.approx(shown.convert("RGB").getpixel((0, 0)), abs=0.01)
