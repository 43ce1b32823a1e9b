"""One trial of one arm with the embedded model: from the picture to figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable

import torch

from benchmarks.quality.arm import Arm
from benchmarks.quality.distillation import distilled
from benchmarks.quality.metrics import figures
from benchmarks.quality.peers import RULES, Ruled, renoised_anew
from benchmarks.quality.trials import Trial, trial
from embedded.checkpoint import LatentDiffusion
from embedded.demo import picture_of
from embedded.generate import Request, generate, prepare
from embedded.judge import Judge
from embedded.pictures import Scene
from embedded.samplers import schedule_of
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.received import Watcher
from lib_indetail.bank.levels import Levels
from lib_indetail.bank.memory import BankMemory
from lib_indetail.inversion.inverter import Inverter, ddim_nodes, reconstruction_error
from lib_indetail.inversion.kinds import LEVELS_AT_ONCE
from lib_indetail.inversion.passes import as_model, plain_pass
from lib_indetail.kept.cache import Cache
from lib_indetail.methods.plans import IMAGE
from lib_indetail.pictures.convert import picture_tensor
from lib_indetail.run.host import Frame
from lib_indetail.run.prepared import Prepared
from lib_indetail.run.wish import Wish

ROOM = 2**31
NOWHERE = Frame(0, 0, 0)
UNWANTED = Settings(side="negative", inversion_text="empty")


class Trials:
    """Measures trials; what is inverted and recorded for one arm is kept for the next of the same trial."""

    def __init__(self, model: LatentDiffusion, judge: Judge):
        for network in (model.unet, model.vae):
            network.to(memory_format=torch.channels_last)
        self._model, self._judge = model, judge
        self._banks = Cache(lambda: ROOM)
        self._inverted: dict[Hashable, Prepared] = {}
        self._of: int | None = None

    def measure(self, what: str, number: int, arm: Arm) -> dict[str, float]:
        """`what` is that of a `Part`."""
        measured = {"pictures": self.figures, "shares": self.shares, "inversions": self.inversion}
        return measured[what](trial(number, arm.prompt), arm)

    def figures(self, given: Trial, arm: Arm) -> dict[str, float]:
        return figures(self._judge, self.pictures(given, arm), given)

    @torch.no_grad()
    def pictures(self, given: Trial, arm: Arm, watch: Watcher | None = None) -> torch.Tensor:
        """[noises, 3, H, W] in -1..1."""
        request = self._request(given, arm)
        if arm.settings is None:
            return self._model.decode(generate(self._model, request))
        if arm.distilled:
            clean = self._model.encode(picture_tensor(picture_of(given.scene)))
            return self._model.decode(distilled(self._model, request, clean))
        images = [self._image(given.scene, given.number, arm, arm.resolved, request)]
        if arm.unwanted:
            scene = trial(given.number + 1).scene
            unwanted = dataclasses.replace(UNWANTED, blocks=arm.resolved.blocks)
            images.append(dataclasses.replace(self._image(scene, given.number, arm, unwanted, request), number=2))
        method = None if arm.rule is None else Ruled(RULES[arm.rule], arm.resolved.reading_blocks)
        return self._model.decode(generate(self._model, request, images, method=method, watch=watch,
                                           detail=arm.detail))

    def shares(self, given: Trial, arm: Arm) -> dict[str, float]:
        """What own keys receive above the picture's, by step and in the mean."""
        watch = Watcher()
        self.pictures(given, arm, watch)
        above = (1 - 2 * watch.table(IMAGE)).mean(0)
        return {**{f"{step:02}": float(value) for step, value in enumerate(above, 1)}, "mean": float(above.mean())}

    @torch.no_grad()
    def inversion(self, given: Trial, arm: Arm) -> dict[str, float]:
        """Error of the latent, and rows of the UNet, recording included."""
        rows: list[int] = []
        counting = self._model.unet.time_embed.register_forward_hook(
            lambda _, arguments, __: rows.append(len(arguments[0])))
        request, settings = self._request(given, arm), arm.resolved
        levels = _levels(self._model, request)
        try:
            image = self._prepared(given.scene, given.number, arm, settings, request, levels)
        finally:
            counting.remove()
        nodes = ddim_nodes(settings.nodes if settings.inversion in ("DDIM", "refined") else arm.steps)
        inverter = Inverter(self._model.schedule, self._model.prediction)
        run = as_model(plain_pass(self._model.unet, self._model.text([settings.text_for(request.prompt)])))
        back = inverter.reconstruct(run, image.chain, nodes)
        recorded = 0 if settings.inversion in ("one pass", "parallel") else arm.steps
        return {"error": reconstruction_error(image.clean, back).latent, "rows": sum(rows) + recorded}

    @staticmethod
    def _request(given: Trial, arm: Arm) -> Request:
        return Request(given.prompt, given.seeds, guidance_scale=arm.scale, steps=arm.steps, sampler=arm.sampler,
                       scheduler=arm.scheduler)

    def _image(self, scene: Scene, number: int, arm: Arm, settings: Settings, request: Request) -> Prepared:
        if number != self._of:
            self._of, self._inverted = number, {}
            self._banks.clear()
        levels = _levels(self._model, request) if settings.inversion in LEVELS_AT_ONCE or arm.anew else ()
        recorded = _recorded(self._model, settings, arm.between)
        nodes = recorded.walked if recorded and settings.inversion in LEVELS_AT_ONCE else levels
        key = (scene, settings.inversion, settings.nodes, settings.text_for(request.prompt), nodes, arm.anew)
        if key not in self._inverted:
            self._inverted[key] = self._prepared(scene, number, arm, settings, request, levels)
        known, kept = self._inverted[key], BankMemory(self._banks, (key, settings.reading_blocks,
                                                                   settings.inversion_offset))
        return dataclasses.replace(known, settings=settings, memory=kept, levels=recorded)

    def _prepared(self, scene: Scene, number: int, arm: Arm, settings: Settings, request: Request,
                  levels: tuple[float, ...]) -> Prepared:
        clean = self._model.encode(picture_tensor(picture_of(scene)))
        reading = dataclasses.replace(settings, guidance=0.0)
        image = prepare(self._model, clean, request.prompt, reading, sigmas=levels, between=arm.between)
        if not arm.anew:
            return image
        inverter = Inverter(self._model.schedule, self._model.prediction)
        return dataclasses.replace(image, chain=renoised_anew(inverter, clean, levels, number), settings=settings)


def _recorded(model: LatentDiffusion, settings: Settings, between: int) -> Levels | None:
    """The noise levels that are recorded of a pass from pure noise; None: all."""
    return Wish(settings=settings, text="", frame=NOWHERE, between=between).levels(model.schedule)


def _levels(model: LatentDiffusion, request: Request) -> tuple[float, ...]:
    """The noise levels that a pass is sampled at, lowest first."""
    if request.sampler == "ddim":
        return tuple(model.schedule.sigma(t) for t in ddim_nodes(request.steps, len(model.schedule)))
    return tuple(sorted(float(sigma) for sigma in schedule_of(model.schedule, request.scheduler, request.steps)
                        if sigma > 0))
