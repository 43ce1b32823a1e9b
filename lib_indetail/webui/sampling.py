"""One sampling pass of the WebUI with an image prompt: prepare, tint the noise, hook, sample, leave nothing."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch
from modules import processing, shared

from lib_indetail.adain import blended_adain
from lib_indetail.branches import branches
from lib_indetail.errors import CannotAct, InDetailError, Interrupted
from lib_indetail.hooks import InDetailHooks
from lib_indetail.infotext import NOT_ACTING
from lib_indetail.masks import token_mask
from lib_indetail.plans import planner
from lib_indetail.request import Request
from lib_indetail.webui import options
from lib_indetail.webui.attention import WebuiAttention
from lib_indetail.webui.conflicts import refuse_unsupported
from lib_indetail.webui.controlnet import ControlNet
from lib_indetail.webui.denoiser import DenoiserRows, Hooked
from lib_indetail.webui.levels import before_refiner, levels
from lib_indetail.webui.model import HostModel
from lib_indetail.webui.preparing import Prepared, Preparer, Wish

_METHODS = ("sample", "sample_img2img")
_ARMED = "_indetail_armed"
logger = logging.getLogger(__name__)


def arm(sampler, run: Callable) -> None:
    """Put `run(original, from_noise, p, x, *args, **kwargs)` around the sampler's next sampling call, once.

    The sampler's methods are replaced on the instance, so that copies of a `p` know nothing of it; whichever is
    called first takes both away again.
    """
    disarm(sampler)
    originals = {name: getattr(sampler, name) for name in _METHODS}
    setattr(sampler, _ARMED, {name: vars(sampler)[name] for name in _METHODS if name in vars(sampler)})

    def around(name: str) -> Callable:
        def indetail_sample(p, x, *args, **kwargs):
            disarm(sampler)
            try:
                return run(originals[name], name == "sample", p, x, *args, **kwargs)
            except InDetailError as error:
                _note_refusal(p, error)
                raise

        return indetail_sample

    for name in _METHODS:
        setattr(sampler, name, around(name))


def _note_refusal(p, error: InDetailError) -> None:
    """The X/Y/Z plot swallows what a cell raises, and shows the comments that its cells share."""
    logger.error("%s", error)
    p.comment(f"InDetail: {error}")


def disarm(sampler) -> None:
    """Give a sampler the methods back that it had."""
    before = vars(sampler).pop(_ARMED, None)
    if before is not None:
        for name in _METHODS:
            vars(sampler).pop(name, None)
        vars(sampler).update(before)


def refusing(error: Exception) -> Callable:
    """A run that raises instead of sampling."""
    def run(original, from_noise, p, x, *args, **kwargs):
        raise InDetailError(str(error)) from error

    return run


class Run:
    """The image prompt at work in one pass of `p`. `say` receives what to tell the person."""

    def __init__(self, request: Request, preparer: Preparer, rows: DenoiserRows, say: Callable[[str], None]):
        self._request, self._preparer, self._rows, self._say = request, preparer, rows, say

    def __call__(self, original: Callable, from_noise: bool, p, x: torch.Tensor, *args, **kwargs):
        if not self._in_this_pass(p):
            self._say(f"left out of the {'second' if p.is_hr_pass else 'first'} pass, as set")
            return original(p, x, *args, **kwargs)
        try:
            prepared = self._prepare(p, x, from_noise, kwargs.get("steps"))
        except Interrupted:
            return original(p, x, *args, **kwargs)
        except CannotAct as error:
            if not self._may_go_on(p, error):
                raise InDetailError(str(error)) from error
            return original(p, x, *args, **kwargs)
        self._say(prepared.note)
        if from_noise:
            x = self._tinted(x, prepared)
        with self._hooked(p, prepared, from_noise):
            return original(p, x, *args, **kwargs)

    def _in_this_pass(self, p) -> bool:
        """Of a hires fix's two passes the person may have chosen one."""
        chosen = self._request.settings.passes
        return chosen == "both" or not getattr(p, "enable_hr", False) or p.is_hr_pass == (chosen == "second")

    def _prepare(self, p, x: torch.Tensor, from_noise: bool, sampler_steps: int | None) -> Prepared:
        refuse_unsupported()
        model = HostModel(shared.sd_model)
        height, width = (side * processing.opt_f for side in x.shape[-2:])
        prompts, steps = _prompts_and_steps(p)
        if len(set(prompts)) > 1:
            self._say("the prompts of the batch differ; the picture was inverted with the first")
        sigmas = levels(p, model.schedule, from_noise, sampler_steps)
        own = before_refiner(p, model.schedule, sigmas)
        wish = Wish(self._request.picture, self._request.settings, prompts[0], width, height, *steps, tuple(sigmas),
                    tuple(own), from_noise)
        return self._preparer.prepare(model, wish)

    def _tinted(self, x: torch.Tensor, prepared: Prepared) -> torch.Tensor:
        """AdaIN of the unit noise towards the picture's latent at the level at which the pass begins."""
        settings = self._request.settings
        reference = prepared.chain.at(prepared.wish.sigmas[0])
        return blended_adain(x, reference.to(x), settings.strength * settings.adain, prepared.content)

    @contextlib.contextmanager
    def _hooked(self, p, prepared: Prepared, from_noise: bool) -> Iterator[None]:
        settings = self._request.settings
        keep = None if prepared.content is None else token_mask(prepared.content)
        unet = HostModel(shared.sd_model).unet

        def hooks_on(model: HostModel) -> InDetailHooks:
            reading = prepared.reading
            if model.unet is not unet:
                refuse_unsupported()
                reading = self._preparer.reading_on(model, prepared)
            read = branches(prepared.chain.at, reading.passes, settings.blocks, reading.memory)
            return InDetailHooks(model.unet, read, planner(settings, keep), WebuiAttention())

        try:
            with Hooked(p.sampler.model_wrap_cfg, self._rows, hooks_on, ControlNet(p),
                        lambda error: self._may_go_on(p, error), from_noise=from_noise,
                        control_uncond_from=settings.control_uncond_from):
                yield
        except CannotAct as error:
            raise InDetailError(str(error)) from error

    def _may_go_on(self, p, error: CannotAct) -> bool:
        """Whether the person wants the picture without InDetail rather than none; then it is said in three places."""
        if not options.value("indetail_go_on"):
            return False
        logger.warning("skipped: %s", error)
        p.extra_generation_params[NOT_ACTING] = str(error)
        self._say(f"skipped: {error}")
        return True


def _prompts_and_steps(p) -> tuple[list[str], tuple[int, int | None]]:
    """The pass's prompts, styles and wildcards applied, and its numbers of steps as prompt editing counts them."""
    first = getattr(p, "firstpass_steps", None) or p.steps
    if getattr(p, "is_hr_pass", False):
        return p.hr_prompts, (first, p.hr_second_pass_steps or p.steps)
    return p.prompts, (first, None)
