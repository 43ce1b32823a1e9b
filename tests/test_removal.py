"""Whatever is raised, wherever: nothing is left installed, and the next plain call has its old bits."""

from __future__ import annotations

import random

import pytest
import torch

from embedded.unet_calls import Structure
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.method import Planned
from lib_indetail.errors import Interrupted
from lib_indetail.inversion.inverter import Inverter, ddim_nodes
from lib_indetail.inversion.passes import as_model, image_passes
from lib_indetail.methods.plans import of_one
from tests.small import Scene, randn, small_model

INJECTIONS = 240
KINDS = (RuntimeError, Interrupted, KeyboardInterrupt)
SETTINGS = Settings(guidance=0.5, stratified_until=0.5, blocks="all")
TIMESTEPS = (801, 301)  # one step of each phase


class Bomb:
    """Counts every point at which something of ours or of the host runs; raises at the chosen one."""

    def __init__(self):
        self.arm(None, None)

    def arm(self, at, kind):
        self.count, self.at, self.kind, self.phase, self.where = 0, at, kind, "inversion", None
        self.passed = []

    def tick(self, where):
        self.count += 1
        self.passed.append(where)
        if self.count == self.at:
            self.where = self.phase if where is None else where
            raise self.kind("injected")

    def around(self, where, function):
        def ticking(*args):
            self.tick(where)
            return function(*args)

        return ticking

    def during(self, phase, function):
        def marked(*args):
            before, self.phase = self.phase, phase
            try:
                return function(*args)
            finally:
                self.phase = before

        return marked


class Rig:
    """A whole generation on a very small UNet, every module of which ticks before and after its call."""

    def __init__(self):
        self.bomb, self.scene = Bomb(), Scene(small_model(), n=1)
        self.unet = self.scene.model.unet
        for module in self.unet.modules():
            module.register_forward_pre_hook(lambda *_: self.bomb.tick(None))
            module.register_forward_hook(lambda *_: self.bomb.tick(None))
        self.x, self.t, self.context = randn(1, 4, 8, 8, seed=21), torch.tensor([301.0]), randn(1, 7, 32, seed=22)
        residual = torch.full((1, 32, 8, 8), 0.1)
        self.residuals = [residual] * len(self.unet.input_blocks), residual
        self.traces = self.left()
        with torch.no_grad():
            self.plain = self.plain_call()

    def left(self):
        """Every attribute and every hook of every module."""
        return {name: {key: list(value.items()) if "hooks" in key else id(value)
                       for key, value in module.__dict__.items()} for name, module in self.unet.named_modules()}

    def plain_call(self):
        return self.unet(self.x, self.t, context=self.context)

    def generate(self):
        bomb, scene = self.bomb, self.scene
        inverter = Inverter(scene.model.schedule, interrupted=bomb.around("interrupted", lambda: False),
                            progress=bomb.around("progress", lambda *_: None))
        chain = inverter.ddim(as_model(scene.with_text), scene.chain.latents[0], ddim_nodes(2))
        passes = {bank: bomb.during("record", bomb.around("pass", run)) for bank, run in
                  image_passes(SETTINGS, scene.with_text, scene.without_text).items()}
        hooks = scene.hooks(SETTINGS, passes=passes,
                            method=Planned(bomb.around("plan", of_one(SETTINGS).plan), *of_one(SETTINGS).where),
                            latent_at=bomb.around("latent_at", chain.shown(scene.model.schedule)))
        bomb.phase = "main"
        return scene.sample(hooks, TIMESTEPS, Structure(given=self.residuals))[-1]


@pytest.fixture(scope="module")
def rig():
    return Rig()


@pytest.fixture(scope="module")
def undisturbed(rig):
    """The result of a generation that nothing disturbs, and the points it passes."""
    with torch.no_grad():
        rig.bomb.arm(None, None)
        return rig.generate(), rig.bomb.count, rig.bomb.passed


def points(total):
    """Seeded: any point at all, so most often a module's call."""
    draw = random.Random(0)
    return [(draw.randint(1, total), KINDS[i % len(KINDS)]) for i in range(INJECTIONS)]


def explode(rig, at, kind):
    rig.bomb.arm(at, kind)
    with pytest.raises(kind, match="injected"):
        rig.generate()
    where = rig.bomb.where
    rig.bomb.arm(None, None)
    return where


def test_nothing_is_left_after_240_injected_exceptions(rig, undisturbed):
    hit = []
    for at, kind in points(undisturbed[1]):
        hit.append(explode(rig, at, kind))
        assert rig.left() == rig.traces, (at, kind, hit[-1])
        assert torch.equal(rig.plain_call(), rig.plain), (at, kind, hit[-1])
    assert len(hit) == INJECTIONS
    assert all(hit.count(phase) >= 15 for phase in ("inversion", "record", "main")), hit


@pytest.mark.parametrize("where", ["interrupted", "progress", "pass", "latent_at", "plan"])
def test_nothing_is_left_when_a_callable_raises(rig, undisturbed, where):
    places = [number for number, place in enumerate(undisturbed[2], 1) if place == where]
    assert len(places) >= 2
    for at in places:
        for kind in KINDS:
            assert explode(rig, at, kind) == where
            assert rig.left() == rig.traces
            assert torch.equal(rig.plain_call(), rig.plain)


def test_a_generation_after_an_exception_has_the_bits_of_one_before(rig, undisturbed):
    for at, kind in points(undisturbed[1])[:6]:
        explode(rig, at, kind)
        assert torch.equal(rig.generate(), undisturbed[0])


def test_the_injections_disturb_nothing_by_themselves(rig, undisturbed):
    assert undisturbed[1] > 3000
    assert rig.left() == rig.traces
    assert torch.equal(rig.plain_call(), rig.plain)
