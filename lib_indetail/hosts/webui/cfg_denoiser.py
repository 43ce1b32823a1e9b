"""A WebUI's CFG denoiser: its evaluations, told one by one, with their noise levels and rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from modules import prompt_parser, shared

from lib_indetail.attention.method import Text
from lib_indetail.attention.rows import Rows
from lib_indetail.hosts.webui.denoiser_callback import callback
from lib_indetail.noise.schedule import changed_clean, changed_noise
from lib_indetail.run.host import Change, Evaluation, Model, Replaced, Texts


class Calls:
    """What a host sends through its UNet in one sampling call of a generation."""

    def refined(self, x: torch.Tensor, level: torch.Tensor) -> bool:
        """Before an evaluation: whether the host has changed to its refiner, which it else does inside of one."""
        raise NotImplementedError

    def follow(self) -> None:
        """Before an evaluation, to the model at hand: keep others' own passes out of ours."""

    def timestep(self, level: float) -> float:
        """What a sampler's timestep is fed to the UNet as."""
        raise NotImplementedError

    def rows(self, parts: Sequence[int], images: int) -> Rows:
        """Of an evaluation of so many images with so many AND prompts each."""
        raise NotImplementedError

    def predicting(self, spare_uncond: bool, replaced: Replaced | None) -> AbstractContextManager:
        """Around the host's own evaluation; see `run.host.Evaluation.predict`."""
        raise NotImplementedError

    def suspects(self) -> tuple[str, ...]:
        """See `run.host.Evaluation.suspects`."""
        raise NotImplementedError

    def close(self) -> None:
        """Take everything off again."""


class Evaluations:
    """A sampling call in which `told` stands in the place of every evaluation of `denoiser`; `model()` is the one at
    work, and `encode(prompt)` gives a text for all steps."""

    def __init__(self, denoiser, calls: Calls, model: Callable[[], Model], encode: Callable,
                 told: Callable[[Evaluation], torch.Tensor]):
        self.denoiser, self.calls, self.model, self._told = denoiser, calls, model, told
        self.encode = encode

    def __enter__(self) -> Evaluations:
        self.original = self.denoiser.forward
        self._before = vars(self.denoiser).get("forward")

        def indetail_forward(x, sigma, *args, **kwargs):
            kwargs = self._after_refiner(x, sigma, kwargs)
            self.calls.follow()
            return self._told(DenoiserEvaluation(self, x, sigma, args, kwargs))

        self.denoiser.forward = indetail_forward
        callback.listening = True
        return self

    def __exit__(self, *_) -> None:
        self.calls.close()
        callback.forget()
        callback.listening = False
        del self.denoiser.forward
        if self._before is not None:
            self.denoiser.forward = self._before

    def _after_refiner(self, x: torch.Tensor, level: torch.Tensor, kwargs: dict) -> dict:
        """The host changes to the refiner inside an evaluation, behind our back; here it does so before one."""
        stopping = shared.state.interrupted or shared.state.skipped
        if stopping or not self.calls.refined(x, level):
            return kwargs
        prompts = self.denoiser.sampler.sampler_extra_args
        return {**kwargs, "cond": prompts["cond"], "uncond": prompts["uncond"]}


class DenoiserEvaluation:
    """One call of the denoiser. k-diffusion's samplers pass a sigma and take a clean prediction, the others pass a
    timestep and take noise (eps)."""

    def __init__(self, of: Evaluations, x: torch.Tensor, level: torch.Tensor, args: tuple, kwargs: Mapping[str, Any]):
        self._of, self._x, self._level, self._args, self._kwargs = of, x, level, args, kwargs
        self.model, self._step = of.model(), of.denoiser.step
        schedule, level = self.model.schedule, float(level.flatten()[0])
        self._is_sigma = hasattr(of.denoiser.inner_model, "sigmas")
        self.sigma, self.timestep = (level, schedule.timestep(level)) if self._is_sigma else (
            schedule.sigma(of.calls.timestep(level)), of.calls.timestep(level))
        callback.forget()
        cond = {**dict(zip(("uncond", "cond"), args, strict=False)), **kwargs}["cond"]
        self.rows = of.calls.rows([len(parts) for parts in cond.batch], len(x))

    def text(self, prompt: str) -> Text:
        _, rows = prompt_parser.reconstruct_multicond_batch(self._of.encode(prompt), self._step)
        return rows

    def predict(self, *, spare_uncond: bool = False, texts: Texts | None = None,
                replaced: Replaced | None = None) -> torch.Tensor:
        self._of.denoiser.step = self._step  # each call counts one on, also where it is made a second time
        with self._of.calls.predicting(spare_uncond, replaced), callback.replacing(texts, self.text):
            return self._of.original(self._x, self._level, *self._args, **self._kwargs)

    def changed(self, prediction: torch.Tensor, change: Change) -> torch.Tensor:
        denoiser = self._of.denoiser
        free = None if denoiser.mask is None else denoiser.nmask
        if self._is_sigma:
            return changed_clean(prediction, change, free)
        latent = self._x / self.model.schedule.scale(self.sigma)
        return changed_noise(latent, prediction, self.sigma, change, free)

    def suspects(self) -> tuple[str, ...]:
        return self._of.calls.suspects()
