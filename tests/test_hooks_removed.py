"""After the hooks nothing is left, whoever else was there meanwhile."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

from lib_indetail.ask.settings import Settings
from tests.small import Scene, small_model

SETTINGS = Settings(guidance=0, stratified_until=1)


@pytest.fixture
def scene():
    return Scene(small_model())


def traces(unet):
    """Everything that could be left on a module: its attributes' names and the entries of every hook registry."""
    return {name: (sorted(module.__dict__), {key: list(value.items()) for key, value in module.__dict__.items()
                                             if "hooks" in key and value})
            for name, module in unet.named_modules()}


def steps(scene, hooks):
    with hooks.evaluation(scene.model.schedule.sigma(501.0), 0.5, scene.roles):
        return scene.model.unet(scene.x, torch.full((4,), 501.0), context=scene.context)


def test_every_registry_is_as_before(scene):
    before, plain = traces(scene.model.unet), scene.plain()
    with scene.hooks(SETTINGS) as hooks:
        assert traces(scene.model.unet) != before
        steps(scene, hooks)
    assert traces(scene.model.unet) == before
    assert torch.equal(scene.plain(), plain)


def test_hooks_of_others_stay(scene):
    unet, seen = scene.model.unet, []
    layer = unet.output_blocks[0][1].transformer_blocks[0].attn1
    layer.register_forward_hook(lambda *_: seen.append("early"))
    unet.register_forward_pre_hook(lambda *_: seen.append("unet"))
    before = traces(unet)
    with scene.hooks(SETTINGS) as hooks:
        late = layer.register_forward_hook(lambda *_: seen.append("late"))
        steps(scene, hooks)
    late.remove()
    assert traces(unet) == before
    assert seen.count("unet") == 1 and seen.count("early") == seen.count("late") == 3


@pytest.mark.parametrize("when", ["before a call", "after a call"])
@pytest.mark.parametrize("keep_old", [True, False])
def test_registries_that_others_rebuilt_are_cleaned_too(scene, when, keep_old):
    unet, plain, old = scene.model.unet, scene.plain(), []

    def rebuild():
        for module in unet.modules():
            for registry in ("_forward_hooks", "_forward_pre_hooks"):
                old.append(getattr(module, registry))
                setattr(module, registry, OrderedDict(old[-1]))
        if not keep_old:
            old.clear()

    before = traces(unet)
    with scene.hooks(SETTINGS) as hooks:
        if when == "before a call":
            rebuild()
        steps(scene, hooks)
        if when == "after a call":
            rebuild()
    assert traces(unet) == before
    assert torch.equal(scene.plain(), plain)


def test_a_second_entry_works_like_the_first(scene):
    before, hooks = traces(scene.model.unet), scene.hooks(SETTINGS)
    results = []
    for _ in range(2):
        with hooks:
            results.append(steps(scene, hooks))
        assert traces(scene.model.unet) == before
    assert torch.equal(*results)


def test_removing_early_and_again_is_harmless(scene):
    before, plain = traces(scene.model.unet), scene.plain()
    with scene.hooks(SETTINGS) as hooks:
        steps(scene, hooks)
        hooks.remove()
        assert traces(scene.model.unet) == before
        assert torch.equal(steps(scene, hooks), plain)
        hooks.remove()
    hooks.remove()
    assert traces(scene.model.unet) == before


def test_an_idle_hook_object_inside_another_changes_nothing(scene):
    before, alone = traces(scene.model.unet), scene.call(SETTINGS)
    with scene.hooks(Settings(replacement_until=1)), scene.hooks(SETTINGS) as hooks:
        assert torch.allclose(steps(scene, hooks), alone, atol=1e-5)
    with scene.hooks(SETTINGS) as hooks, scene.hooks(Settings(replacement_until=1)):
        assert torch.allclose(steps(scene, hooks), alone, atol=1e-5)
    assert traces(scene.model.unet) == before


def test_entering_an_entered_object_leaves_nothing_behind(scene):
    before, plain = traces(scene.model.unet), scene.plain()
    hooks = scene.hooks(SETTINGS)
    with hooks, hooks:
        pass
    assert traces(scene.model.unet) == before
    assert torch.equal(scene.plain(), plain)


def test_a_failed_installation_is_undone(scene, monkeypatch):
    before, layer = traces(scene.model.unet), scene.model.unet.output_blocks[1][1].transformer_blocks[0].attn1
    hooks = scene.hooks(SETTINGS)
    monkeypatch.setattr(layer.to_v, "register_forward_hook", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError), hooks:
        pass
    monkeypatch.undo()
    assert traces(scene.model.unet) == before


def test_nothing_of_the_run_is_kept_alive(scene):
    import gc
    import weakref

    latents = []

    def latent_at(sigma):
        z = scene.shown(sigma).clone()
        latents.append(weakref.ref(z))
        return z

    with scene.hooks(SETTINGS, latent_at=latent_at) as hooks:
        steps(scene, hooks)
    gc.collect()
    assert len(latents) == 2 and all(latent() is None for latent in latents)
