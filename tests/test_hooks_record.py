"""The record pass: what it sees, when it is made, and that nothing else changes what it records."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.errors import CannotAct
from lib_indetail.inversion.passes import image_passes, plain_pass
from lib_indetail.methods.plans import IMAGE, IMAGE_WITHOUT_TEXT
from tests.small import Notebook, Reader, Scene, as_v, randn

SETTINGS, BOTH = Settings(stratified_until=1), Settings(stratified_until=1, guidance=0)


@pytest.fixture(scope="module")
def scene(tiny):
    return Scene(tiny)


class Watched:
    """Passes that keep what they were called with."""

    def __init__(self, scene, settings):
        self.calls = []
        self.passes = {bank: self._watch(bank, run) for bank, run in
                       image_passes(settings, scene.with_text, scene.without_text).items()}

    def _watch(self, bank, run):
        def watched(z, timesteps):
            self.calls.append((bank, z.clone(), timesteps.clone()))
            run(z, timesteps)

        return watched

    @property
    def banks(self):
        return [call[0] for call in self.calls]


@pytest.mark.parametrize("t", [981, 501.0, 123.4])
def test_the_pass_sees_the_image_latent_of_exactly_that_level_and_the_same_timesteps(scene, t):
    watched, sigma = Watched(scene, SETTINGS), scene.model.schedule.sigma(t)
    scene.call(SETTINGS, t, passes=watched.passes)
    (bank, z, timesteps), = watched.calls
    assert bank == IMAGE
    assert torch.equal(z, scene.shown(sigma))
    assert torch.equal(timesteps, torch.full((1,), t)) and timesteps.dtype == torch.full((1,), t).dtype


def test_each_bank_is_recorded_once_a_level_however_the_rows_are_sent(scene):
    for splits in (None, [1, 1, 1, 1], [3, 1]):
        watched = Watched(scene, BOTH)
        scene.call(BOTH, passes=watched.passes, splits=splits)
        assert watched.banks == [IMAGE, IMAGE_WITHOUT_TEXT]


def test_every_level_is_recorded_anew(scene):
    watched, timesteps = Watched(scene, BOTH), (801, 601, 401)
    scene.sample(scene.hooks(BOTH, passes=watched.passes), timesteps)
    assert watched.banks == [IMAGE, IMAGE_WITHOUT_TEXT] * 3
    assert [int(call[2]) for call in watched.calls] == [801, 801, 601, 601, 401, 401]


def test_a_level_that_is_asked_for_again_reads_what_was_recorded(scene):
    watched, settings = Watched(scene, SETTINGS), SETTINGS
    with scene.hooks(settings, passes=watched.passes) as hooks:
        for t in (501.0, 501.0, 301.0, 501.0):
            with hooks.evaluation(scene.model.schedule.sigma(t), 1 - t / 1000, scene.roles):
                scene.model.unet(scene.x, torch.full((len(scene.x),), t), context=scene.context)
    assert [float(call[2]) for call in watched.calls] == [501.0, 301.0, 501.0]


def test_both_banks_are_recorded_from_the_same_latent_with_their_own_text(scene):
    watched, notebook = Watched(scene, BOTH), Notebook()
    scene.call(BOTH, passes=watched.passes, memory=notebook)
    (_, with_text, _), (_, without_text, _) = watched.calls
    assert torch.equal(with_text, without_text)
    (_, _, first), (_, _, second) = notebook.kept
    last = list(first)[-1]
    assert (first[last][0] - second[last][0]).abs().max() > 1e-3


def test_nothing_is_recorded_where_nothing_reads(scene):
    for settings in (Settings(strength=0), Settings(end=0.4), Settings(start=0.6),
                     Settings(lambda_image=0, stratified_until=1)):
        watched = Watched(scene, settings)
        scene.call(settings, 501.0, passes=watched.passes)
        assert watched.calls == []


def test_nothing_is_recorded_for_a_call_of_uncond_rows_alone(scene):
    watched = Watched(scene, SETTINGS)
    scene.call(SETTINGS, passes=watched.passes, order=[2, 3, 0, 1], splits=[2, 2])
    assert watched.banks == [IMAGE]


def projected(scene, blocks: str = "output_blocks") -> list[torch.Tensor]:
    """The keys and values of a plain pass of the image latent, layer by layer."""
    outputs = []
    layers = [m for name, m in scene.model.unet.named_modules() if name.startswith(blocks) and name.endswith("attn1")]
    handles = [projection.register_forward_hook(lambda *args: outputs.append(args[2].clone()))
               for layer in layers for projection in (layer.to_k, layer.to_v)]
    scene.with_text(scene.shown(scene.model.schedule.sigma(501.0)), torch.tensor([501.0]))
    [handle.remove() for handle in handles]
    return outputs


@pytest.mark.parametrize("settings", [SETTINGS, BOTH, Settings(stratified_until=0)])
@pytest.mark.parametrize("n", [1, 3])
def test_the_bank_is_that_of_a_plain_pass_whatever_is_generated(tiny, settings, n):
    scene, notebook = Scene(tiny, n), Notebook()
    scene.call(settings, memory=notebook)
    recorded = [part for pair in notebook.kept[0][2].values() for part in pair]
    plain = projected(scene)
    assert len(recorded) == len(plain) == 18
    assert all(torch.equal(a, b) for a, b in zip(recorded, plain, strict=True))


def test_rows_read_what_was_recorded(scene):
    reader = Reader()
    scene.call(SETTINGS, attention=reader)
    assert all(any(torch.equal(part, read) for read in reader.read) for part in projected(scene))


def test_a_record_pass_ends_with_the_last_layer_that_is_needed(scene):
    last = [module for name, module in scene.model.unet.named_modules() if name.endswith("attn1")][-1]
    seen = []
    handles = [part.register_forward_hook(lambda *args, name=name: seen.append(name))
               for name, part in (("last values", last.to_v), ("output convolution", scene.model.unet.out))]
    notebook = Notebook()
    try:
        scene.call(SETTINGS, memory=notebook, splits=[4])
    finally:
        [handle.remove() for handle in handles]
    assert len(notebook.kept[0][2]) == 9
    assert (seen.count("last values"), seen.count("output convolution")) == (2, 1)


def test_two_hook_objects_in_a_row_record_the_same(scene):
    readers = Reader(), Reader()
    results = [scene.call(BOTH, attention=reader) for reader in readers]
    assert torch.equal(*results)
    assert all(torch.equal(a, b) for a, b in zip(readers[0].read, readers[1].read, strict=True))


def test_record_takes_no_gradients(scene):
    layer = next(module for name, module in scene.model.unet.named_modules()
                 if name.startswith("output_blocks") and name.endswith("attn1"))
    notebook = Notebook()
    with torch.enable_grad():
        layer.to_k.weight.requires_grad_(True)
        try:
            scene.call(SETTINGS, memory=notebook)
        finally:
            layer.to_k.weight.requires_grad_(False)
    assert not any(part.requires_grad or part.grad_fn for pair in notebook.kept[0][2].values() for part in pair)


def test_a_pass_goes_past_what_others_put_on_the_instance(scene):
    z, t = randn(1, 4, 8, 8), torch.tensor([400.0])
    plain = scene.with_text(z, t)
    scene.model.unet.forward = lambda *args, **kwargs: 0
    try:
        assert torch.equal(scene.with_text(z, t), plain)
    finally:
        del scene.model.unet.forward


def test_a_v_model_samples_the_pictures_of_its_eps_model(tiny):
    scenes = Scene(tiny), Scene(as_v(tiny))
    settings = Settings(guidance=0.5, stratified_until=0.4)
    eps, v = (scene.sample(scene.hooks(settings)) for scene in scenes)
    assert max(float((a - b).abs().max()) for a, b in zip(eps, v, strict=True)) < 1e-3
    assert float((eps[-1] - scenes[0].sample()[-1]).abs().max()) > 1e-2


def test_a_plain_pass_hands_on_the_hosts_conditioning():
    seen = {}

    class Unet(torch.nn.Module):
        def forward(self, x, timesteps=None, context=None, **kwargs):
            seen.update(kwargs, context=context)

    y = randn(1, 6)
    plain_pass(Unet(), randn(1, 7, 32).double(), y=y)(randn(1, 4, 8, 8), torch.tensor([1.0]))
    assert seen["y"] is y and seen["context"].dtype == torch.float32


def test_nan_of_the_record_is_refused_and_not_kept(scene):
    def spoil(run):
        return lambda z, timesteps: run(z * float("nan"), timesteps)

    notebook = Notebook()
    passes = {bank: spoil(run) for bank, run in Watched(scene, SETTINGS).passes.items()}
    with pytest.raises(CannotAct, match="the record of the image prompt's keys and values came to NaN"):
        scene.call(SETTINGS, passes=passes, memory=notebook)
    assert not notebook.kept
