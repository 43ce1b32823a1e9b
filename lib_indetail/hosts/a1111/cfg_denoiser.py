"""The WebUI's CFG denoiser: its evaluations, told one by one, with their noise levels and rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from modules import sd_samplers_common, shared

from lib_indetail.attention.rows import RowCursor
from lib_indetail.hosts.a1111.conflicts import suspects
from lib_indetail.hosts.a1111.controlnet import ControlNet
from lib_indetail.hosts.a1111.denoiser_rows import rows
from lib_indetail.hosts.a1111.model import HostModel
from lib_indetail.noise.schedule import changed_clean, changed_noise
from lib_indetail.run.host import Change, Evaluation, Texts


class Evaluations:
    """A sampling call in which `told` stands in the place of every evaluation of the CFG denoiser."""

    def __init__(self, p, told: Callable[[Evaluation], torch.Tensor], apart: Callable[[], AbstractContextManager]):
        self.denoiser, self.controlnet = p.sampler.model_wrap_cfg, ControlNet(p)
        self._told, self._apart = told, apart
        self._unet = None
        self._installed = contextlib.ExitStack()

    def __enter__(self) -> Evaluations:
        self.original = self.denoiser.forward
        self._before = vars(self.denoiser).get("forward")

        def indetail_forward(x, sigma, *args, **kwargs):
            kwargs = self._after_refiner(sigma, kwargs)
            self._keep_others_apart()
            return self._told(DenoiserEvaluation(self, x, sigma, args, kwargs))

        self.denoiser.forward = indetail_forward
        rows.listening = True
        return self

    def __exit__(self, *_) -> None:
        self._installed.close()
        rows.forget()
        rows.listening = False
        del self.denoiser.forward
        if self._before is not None:
            self.denoiser.forward = self._before

    def _keep_others_apart(self) -> None:
        """ControlNet is put on each model anew."""
        unet = HostModel(shared.sd_model).unet
        if unet is not self._unet:
            self._installed.close()
            self._installed.enter_context(self.controlnet.reference_passes_apart(self._apart))
            self._unet = unet

    def _after_refiner(self, sigma: torch.Tensor, kwargs: dict) -> dict:
        """The host changes to the refiner inside an evaluation, behind our back; here it does so before one."""
        stopping = shared.state.interrupted or shared.state.skipped
        if stopping or not sd_samplers_common.apply_refiner(self.denoiser, sigma):
            return kwargs
        prompts = self.denoiser.sampler.sampler_extra_args
        return {**kwargs, "cond": prompts["cond"], "uncond": prompts["uncond"]}


class DenoiserEvaluation:
    """One call of the denoiser. k-diffusion's samplers pass a sigma and take a clean prediction, the others pass a
    timestep and take noise (eps)."""

    def __init__(self, of: Evaluations, x: torch.Tensor, level: torch.Tensor, args: tuple, kwargs: Mapping[str, Any]):
        self._of, self._x, self._level, self._args, self._kwargs = of, x, level, args, kwargs
        self.model = HostModel(shared.sd_model)
        schedule, level = self.model.schedule, float(level.flatten()[0])
        self._is_sigma = hasattr(of.denoiser.inner_model, "sigmas")
        self.sigma, self.timestep = (level, schedule.timestep(level)) if self._is_sigma else (
            schedule.sigma(level), level)
        rows.forget()
        cond = {**dict(zip(("uncond", "cond"), args, strict=False)), **kwargs}["cond"]
        self.rows = RowCursor(*rows.of(of.denoiser, [len(parts) for parts in cond.batch]))

    def predict(self, *, spare_uncond: bool = False, texts: Texts | None = None) -> torch.Tensor:
        with self._of.controlnet.uncond_without_residuals(spare_uncond), rows.replacing(texts):
            return self._of.original(self._x, self._level, *self._args, **self._kwargs)

    def changed(self, prediction: torch.Tensor, change: Change) -> torch.Tensor:
        denoiser = self._of.denoiser
        free = None if denoiser.mask is None else denoiser.nmask
        if self._is_sigma:
            return changed_clean(prediction, change, free)
        latent = self._x / self.model.schedule.scale(self.sigma)
        return changed_noise(latent, prediction, self.sigma, change, free)

    def suspects(self) -> tuple[str, ...]:
        return suspects(self._of.denoiser)
