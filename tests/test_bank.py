"""What was recorded of a picture is kept for later generations: the same bits, within a budget, never in the way."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.bank.memory import BankMemory, size_of
from lib_indetail.bank.recording import listened
from lib_indetail.errors import CannotAct
from lib_indetail.inversion.inverter import Inverter
from lib_indetail.inversion.passes import as_model, image_passes
from lib_indetail.kept.cache import Cache
from lib_indetail.methods.plans import IMAGE
from tests.small import Scene, randn

SETTINGS, BOTH = Settings(stratified_until=0.5), Settings(stratified_until=0.5, guidance=0)
ROOM = 10**9


@pytest.fixture(scope="module")
def scene(tiny):
    return Scene(tiny)


class Counted:
    """The scene's passes, and how often each was run."""

    def __init__(self, scene):
        self.banks = []
        self._scene = scene

    def passes(self, settings):
        def counted(bank, run):
            def indetail_counted(z, timesteps):
                self.banks.append(bank)
                return run(z, timesteps)

            return indetail_counted

        both = image_passes(settings, self._scene.with_text, self._scene.without_text)
        return {bank: counted(bank, run) for bank, run in both.items()}


def sampled(scene, settings, cache, key="picture"):
    """Latents after every step, and the banks that were recorded for them."""
    counted = Counted(scene)
    memory = BankMemory(cache, key)
    return scene.sample(scene.hooks(settings, passes=counted.passes(settings), memory=memory)), counted.banks


def layers(value: float = 1.0, tokens: int = 4) -> dict:
    return {"layer": (torch.full((1, tokens, 8), value), torch.full((1, tokens, 8), -value))}


@pytest.mark.parametrize("settings", [SETTINGS, BOTH])
def test_a_second_run_records_nothing_and_gives_the_same_bits(scene, settings):
    cache = Cache(lambda: ROOM)
    (first, recorded), (second, again) = (sampled(scene, settings, cache) for _ in range(2))
    without = scene.sample(scene.hooks(settings))
    assert (len(recorded), again) == (4 * (1 + (settings is BOTH)), [])
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(first, second, without, strict=True))


def test_a_run_from_another_noise_and_batch_finds_it_too(tiny):
    cache, scenes = Cache(lambda: ROOM), (Scene(tiny), Scene(tiny, 3))
    results = [sampled(scene, SETTINGS, cache) for scene in scenes]
    assert [len(banks) for _, banks in results] == [4, 0]
    alone, _ = sampled(scenes[1], SETTINGS, Cache(lambda: 0))
    assert torch.allclose(results[1][0][-1], alone[-1], atol=1e-5)


def test_another_key_finds_nothing(scene):
    cache = Cache(lambda: ROOM)
    sampled(scene, SETTINGS, cache)
    assert len(sampled(scene, SETTINGS, cache, key="another picture")[1]) == 4


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_what_has_no_room_is_recorded_live_and_what_has_is_found(scene, levels):
    room = Cache(lambda: ROOM)
    wanted, _ = sampled(scene, SETTINGS, room)
    each = room.bytes // 4
    cache = Cache(lambda: levels * each)
    for expected in (4, 4 - levels):
        got, banks = sampled(scene, SETTINGS, cache)
        assert len(banks) == expected
        assert cache.bytes == levels * each
        assert torch.equal(got[-1], wanted[-1])


def test_another_pictures_levels_make_way_oldest_first():
    size = size_of(layers())
    cache = Cache(lambda: 3 * size)
    old, new = BankMemory(cache, "old"), BankMemory(cache, "new")
    for sigma in (1.0, 2.0, 3.0):
        old.keep(IMAGE, sigma, layers(sigma))
    old.recall(IMAGE, 1.0)
    new.keep(IMAGE, 5.0, layers(5.0))
    new.keep(IMAGE, 6.0, layers(6.0))
    kept = [sigma for sigma in (1.0, 2.0, 3.0) if old.recall(IMAGE, sigma)]
    assert kept == [1.0]
    assert new.recall(IMAGE, 6.0)["layer"][0].mean() == 6.0


def test_a_runs_own_levels_do_not_push_each_other_out():
    size = size_of(layers())
    cache = Cache(lambda: 2 * size)
    memory = BankMemory(cache, "picture")
    for sigma in (1.0, 2.0, 3.0):
        memory.keep(IMAGE, sigma, layers(sigma))
    missing = [sigma for sigma in (1.0, 2.0, 3.0) if memory.recall(IMAGE, sigma) is None]
    assert missing == [3.0]


def test_levels_that_differ_by_rounding_are_one_and_others_are_not():
    memory = BankMemory(Cache(lambda: ROOM), "picture")
    memory.keep(IMAGE, 1.2345678, layers())
    found = [memory.recall(bank, sigma) is not None for bank, sigma in
             ((IMAGE, 1.23456785), (IMAGE, 1.2346), ("another bank", 1.2345678))]
    assert found == [True, False, False]


def test_what_is_kept_is_not_changed_by_the_run_that_reads_it(scene):
    cache = Cache(lambda: ROOM)
    sampled(scene, SETTINGS, cache)
    before = [part.clone() for layers, _ in cache._entries.values() for pair in layers.values() for part in pair]
    sampled(scene, Settings(replacement_until=0.5, strength=0.7), cache)
    after = [part for layers, _ in cache._entries.values() for pair in layers.values() for part in pair]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_call_on_another_size_is_refused_even_if_everything_is_remembered(scene):
    cache = Cache(lambda: ROOM)
    sampled(scene, SETTINGS, cache)
    with scene.hooks(SETTINGS, memory=BankMemory(cache, "picture")) as hooks, pytest.raises(CannotAct, match="size"), \
            hooks.evaluation(scene.model.schedule.sigma(801), 0.199, scene.roles):
        scene.model.unet(randn(4, 4, 8, 16), torch.full((4,), 801.0), context=scene.context)


@pytest.mark.parametrize(("window", "rounding"), [(1, 1e-5), (3, 2e-4)])
def test_a_one_pass_inversion_leaves_nothing_to_record(scene, window, rounding):
    model, cache = scene.model, Cache(lambda: ROOM)
    memory, sigmas = BankMemory(cache, "picture"), [scene.model.schedule.sigma(t) for t in (801, 601, 401, 201)]
    with listened(self_attention_layers(model.unet), memory, IMAGE) as seen:
        chain = Inverter(model.schedule).one_pass(as_model(scene.with_text), randn(1, 4, 8, 8, seed=5), sigmas, seen,
                                                  window)
    counted = Counted(scene)
    passes = counted.passes(SETTINGS)
    shown = chain.shown(scene.model.schedule)
    read = scene.sample(scene.hooks(SETTINGS, passes=passes, latent_at=shown, memory=memory))
    assert counted.banks == []
    live = scene.sample(scene.hooks(SETTINGS, passes=passes, latent_at=shown))
    assert counted.banks == [IMAGE] * 4
    assert (read[-1] - live[-1]).abs().max() < rounding


def test_what_one_of_several_pictures_keeps_is_not_dropped_for_the_next():
    size = size_of(layers())
    cache, run = Cache(lambda: 3 * size), set()
    first, second = (BankMemory(cache, key, run) for key in ("first", "second"))
    for sigma in (1.0, 2.0):
        first.keep(IMAGE, sigma, layers())
    assert second.missing(IMAGE, [1.0, 2.0]) == [1.0]
    for sigma in (1.0, 2.0):
        second.keep(IMAGE, sigma, layers())
    assert [memory.recall(IMAGE, sigma) is not None for memory in (first, second) for sigma in (1.0, 2.0)] == [
        True, True, True, False]
    alone = BankMemory(cache, "second")
    alone.keep(IMAGE, 2.0, layers())
    assert alone.recall(IMAGE, 2.0) is not None and first.recall(IMAGE, 1.0) is None
