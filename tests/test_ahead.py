"""Many noise levels recorded in few calls: the same banks as live, as far as there is room, down to no call at all."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.bank.ahead import MOST_ROWS, ROW_BYTES, banks_read, record_ahead, rows_at_once
from lib_indetail.bank.memory import BankMemory
from lib_indetail.bank.recording import listened
from lib_indetail.errors import CannotAct, Interrupted
from lib_indetail.inversion.passes import as_model, image_passes
from lib_indetail.kept.cache import Cache
from lib_indetail.methods.plans import IMAGE, IMAGE_WITHOUT_TEXT, of_one
from lib_indetail.noise.window import position
from tests.small import Scene

SETTINGS, BOTH = Settings(stratified_until=0.5), Settings(stratified_until=0.5, guidance=0)
TIMESTEPS = (801, 601, 401, 201)
ROOM = 10**9


@pytest.fixture(scope="module")
def scene(tiny):
    return Scene(tiny)


class Ahead:
    """The scene's levels recorded ahead into a memory; `calls` are the rows of each pass."""

    def __init__(self, scene, settings=SETTINGS, budget=ROOM, rows=3):
        self.scene, self.settings, self.rows, self.calls, self.told = scene, settings, rows, [], []
        self.memory = BankMemory(Cache(lambda: budget), "picture")
        schedule = scene.model.schedule
        levels = [(schedule.sigma(t), position(t)) for t in TIMESTEPS]
        self.wanted = banks_read(of_one(settings), levels)
        self.fails = lambda rows: False

    def __call__(self, **changes):
        def model(run):
            def counted(z, t):
                self.calls.append(len(z))
                if self.fails(len(z)):
                    raise torch.cuda.OutOfMemoryError
                return as_model(run)(z, t)

            return counted

        passes = image_passes(self.settings, self.scene.with_text, self.scene.without_text)
        layers = self_attention_layers(self.scene.model.unet)
        with listened(layers, self.memory, IMAGE, False) as image, \
                listened(layers, self.memory, IMAGE_WITHOUT_TEXT, False) as without:
            record_ahead({bank: model(run) for bank, run in passes.items()}, self.wanted, self.memory,
                         self.scene.shown, self.scene.model.schedule.timestep,
                         {IMAGE: image, IMAGE_WITHOUT_TEXT: without}.__getitem__, self.rows,
                         progress=lambda *told: self.told.append(told), **changes)

    def sampled(self, memory):
        """Final latents, and the banks that were recorded live."""
        recorded = []

        def counted(bank, run):
            def record(z, timesteps):
                recorded.append(bank)
                return run(z, timesteps)

            return record

        passes = image_passes(self.settings, self.scene.with_text, self.scene.without_text)
        hooks = self.scene.hooks(self.settings, passes={bank: counted(bank, run) for bank, run in passes.items()},
                                 memory=memory)
        return self.scene.sample(hooks, TIMESTEPS)[-1], recorded


@pytest.mark.parametrize(("settings", "calls"), [(SETTINGS, [3, 1]), (BOTH, [3, 1, 3, 1])])
def test_nothing_is_left_to_record_and_the_picture_is_the_live_one(scene, settings, calls):
    ahead = Ahead(scene, settings)
    ahead()
    assert ahead.calls == calls
    prepared, recorded = ahead.sampled(ahead.memory)
    live, all_live = ahead.sampled(None)
    assert (recorded, len(all_live)) == ([], 4 * len(calls) // 2)
    assert (prepared - live).abs().max() < 1e-4


def test_it_goes_on_where_an_earlier_run_has_ended(scene):
    ahead = Ahead(scene)
    ahead()
    ahead()
    assert ahead.calls == [3, 1]
    assert ahead.told == [(3, 4), (4, 4)]


@pytest.mark.parametrize(("levels", "calls"), [(0, []), (2, [3]), (3, [3]), (4, [3, 1])])
def test_what_has_no_room_is_not_recorded_ahead(scene, levels, calls):
    whole = Ahead(scene)
    whole()
    each = whole.memory.cache.bytes // 4
    ahead = Ahead(scene, budget=levels * each)
    for _ in range(2):
        ahead()
        assert ahead.calls == calls
        assert len(ahead.memory.cache) == levels
    assert len(ahead.sampled(ahead.memory)[1]) == 4 - levels


def test_where_not_one_level_has_room_it_gives_up_after_one_call(scene):
    whole = Ahead(scene)
    whole()
    ahead = Ahead(scene, budget=whole.memory.cache.bytes // 8)
    ahead()
    assert (ahead.calls, len(ahead.memory.cache)) == ([3], 0)


def test_outside_the_window_and_at_strength_zero_nothing_is_read(scene):
    levels = [(scene.model.schedule.sigma(t), position(t)) for t in TIMESTEPS]
    assert banks_read(of_one(Settings(start=0.3, end=0.7)), levels) == {IMAGE: [levels[1][0], levels[2][0]]}
    assert banks_read(of_one(Settings(strength=0)), levels) == {}
    assert banks_read(of_one(BOTH), levels) == {bank: [sigma for sigma, _ in levels]
                                                 for bank in (IMAGE, IMAGE_WITHOUT_TEXT)}
    assert banks_read(of_one(Settings(lambda_image=0, stratified_until=0.5)), levels) == {
        IMAGE: [sigma for sigma, u in levels if u >= 0.5]}


def test_out_of_memory_makes_calls_smaller_and_leaves_the_rest_to_live_recording(scene):
    ahead = Ahead(scene, rows=8)
    ahead.fails = lambda rows: rows > 1
    ahead()
    assert ahead.calls == [4, 4, 2, 1, 1, 1, 1]
    ahead = Ahead(scene, rows=4)
    ahead.fails = lambda rows: True
    ahead()
    assert (ahead.calls, len(ahead.memory.cache)) == ([4, 2, 1], 0)
    assert len(ahead.sampled(ahead.memory)[1]) == 4


def test_it_stops_before_the_next_call_when_asked_to(scene):
    ahead = Ahead(scene)
    with pytest.raises(Interrupted):
        ahead(interrupted=lambda: len(ahead.calls) == 1)
    assert ahead.calls == [3]
    assert len(ahead.memory.cache) == 3


def test_the_pass_ends_behind_the_last_layer(scene):
    """The layers behind it (the last block's feed-forward, the output convolution) are not run."""
    ran = []
    handle = scene.model.unet.out.register_forward_hook(lambda *_: ran.append(1))
    Ahead(scene)()
    handle.remove()
    assert ran == []


def test_a_level_let_go_of_gives_back_its_share_of_a_batch(scene):
    ahead = Ahead(scene)
    ahead()
    for layers in (ahead.memory.recall(IMAGE, sigma) for sigma in ahead.wanted[IMAGE]):
        assert all(part.untyped_storage().nbytes() == part.numel() * part.element_size()
                   for pair in layers.values() for part in pair)


def test_a_call_has_as_many_rows_as_memory_allows():
    latent = torch.zeros(1, 4, 64, 64)
    row = ROW_BYTES * 64 * 64 * 2
    assert [rows_at_once(free, latent, 2) for free in (0, row, 3 * row + 1, 100 * row)] == [1, 1, 3, MOST_ROWS]


def test_nan_is_refused_and_not_kept(scene, monkeypatch):
    shown, ahead = scene.shown, Ahead(scene)
    monkeypatch.setattr(scene, "shown", lambda sigma: shown(sigma) * float("nan"))
    with pytest.raises(CannotAct, match="the record of the image prompt's keys and values came to NaN"):
        ahead()
    assert len(ahead.memory.cache) == 0
