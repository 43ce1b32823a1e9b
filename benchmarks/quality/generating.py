"""One trial of one arm with the embedded model: from the picture to figures."""

from __future__ import annotations

from collections.abc import Hashable

import torch

from benchmarks.quality.arms import Arm
from benchmarks.quality.metrics import figures
from benchmarks.quality.peers import PlannedBy, renoised_anew
from benchmarks.quality.trials import Trial
from embedded.checkpoint import LatentDiffusion
from embedded.demo import picture_of
from embedded.generate import ImagePrompt, Request, generate, prepare
from embedded.judge import Judge
from embedded.samplers import schedule_of
from lib_indetail.inversion import Inverter, ddim_nodes
from lib_indetail.picture import picture_tensor
from lib_indetail.settings import Settings


class Trials:
    """Generates trials; what is inverted for one arm is kept for the next of the same trial."""

    def __init__(self, model: LatentDiffusion, judge: Judge):
        self._model, self._judge = model, judge
        self._inverted: dict[Hashable, ImagePrompt] = {}
        self._of: Trial | None = None

    def figures(self, trial: Trial, arm: Arm) -> dict[str, float]:
        return figures(self._judge, self.pictures(trial, arm), trial)

    @torch.no_grad()
    def pictures(self, trial: Trial, arm: Arm) -> torch.Tensor:
        """[noises, 3, H, W] in -1..1."""
        request = Request(trial.prompt, trial.seeds, guidance_scale=arm.scale, steps=arm.steps, sampler=arm.sampler,
                          scheduler=arm.scheduler)
        if arm.settings is None:
            return self._model.decode(generate(self._model, request))
        image = self._image(trial, arm, request)
        planner = None if arm.rule is None else PlannedBy(arm.rule)
        return self._model.decode(generate(self._model, request, image, planner=planner))

    def _image(self, trial: Trial, arm: Arm, request: Request) -> ImagePrompt:
        if trial != self._of:
            self._of, self._inverted = trial, {}
        settings = Settings.of(arm.settings, arm.task)
        levels = _levels(self._model, request) if settings.inversion in ("one pass", "parallel") else ()
        key = (settings.inversion, settings.nodes, settings.text_for(request.prompt), levels, arm.anew,
               settings.guidance < 1)
        if key not in self._inverted:
            self._inverted[key] = self._prepared(trial, arm, settings, request, levels)
        known = self._inverted[key]
        return ImagePrompt(known.chain, known.passes, settings)

    def _prepared(self, trial: Trial, arm: Arm, settings: Settings, request: Request,
                  levels: tuple[float, ...]) -> ImagePrompt:
        clean = self._model.encode(picture_tensor(picture_of(trial.scene)))
        image = prepare(self._model, clean, request.prompt, settings, sigmas=levels)
        if not arm.anew:
            return image
        inverter = Inverter(self._model.schedule, self._model.prediction)
        chain = renoised_anew(inverter, clean, ddim_nodes(arm.steps, len(self._model.schedule)), trial.number)
        return ImagePrompt(chain, image.passes, settings)


def _levels(model: LatentDiffusion, request: Request) -> tuple[float, ...]:
    """The noise levels that a pass is sampled at."""
    if request.sampler == "ddim":
        return tuple(model.schedule.sigma(t) for t in ddim_nodes(request.steps, len(model.schedule)))
    return tuple(float(sigma) for sigma in schedule_of(model.schedule, request.scheduler, request.steps) if sigma > 0)
