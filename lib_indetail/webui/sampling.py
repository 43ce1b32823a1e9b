"""One sampling pass of the WebUI with an image prompt: prepare, tint the noise, hook, sample, leave nothing."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from modules import shared

from lib_indetail.colour import Colour
from lib_indetail.errors import BadPicture, CannotAct, Interrupted
from lib_indetail.finite import ADAIN, still_finite
from lib_indetail.hooks import InDetailHooks
from lib_indetail.infotext import NOT_ACTING
from lib_indetail.plans import Planner
from lib_indetail.received import Watcher
from lib_indetail.request import Request
from lib_indetail.several import tint_all
from lib_indetail.webui import options
from lib_indetail.webui.attention import WebuiAttention
from lib_indetail.webui.conflicts import refuse_unsupported
from lib_indetail.webui.controlnet import ControlNet
from lib_indetail.webui.denoiser import DenoiserRows, Hooked
from lib_indetail.webui.elsewhere import refused
from lib_indetail.webui.levels import before_refiner, levels
from lib_indetail.webui.model import HostModel
from lib_indetail.webui.preparing import Prepared, Preparer
from lib_indetail.webui.progress import RestOfJob, tell
from lib_indetail.webui.saying import say
from lib_indetail.webui.seeing import Seen
from lib_indetail.webui.wishes import wishes

_METHODS = ("sample", "sample_img2img")
_ARMED = "_indetail_armed"
STRUCTURE = "structure-guided"
NO_STRUCTURE = "the task is structure-guided, but no ControlNet unit is active: nothing gives the structure"


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
            return run(originals[name], name == "sample", p, x, *args, **kwargs)

        return indetail_sample

    for name in _METHODS:
        setattr(sampler, name, around(name))


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
        raise refused(p, error) from None

    return run


class Run:
    """The image prompts of a generation (`runtime.Begun`) at work in one pass of `p`."""

    def __init__(self, begun, preparer: Preparer, rows: DenoiserRows):
        self._begun, self._preparer, self._rows = begun, preparer, rows
        self._request: Request = begun.request
        self._seen: Seen = begun.seen

    def __call__(self, original: Callable, from_noise: bool, p, x: torch.Tensor, *args, **kwargs):
        with RestOfJob(p.sampler):
            return self._sampled(original, from_noise, p, x, *args, **kwargs)

    def _sampled(self, original: Callable, from_noise: bool, p, x: torch.Tensor, *args, **kwargs):
        try:
            prepared, x = self._ready(p, x, from_noise, kwargs.get("steps"))
        except Interrupted:
            return original(p, x, *args, **kwargs)
        except BadPicture as error:
            raise refused(p, error) from None
        except CannotAct as error:
            if not may_go_on(p, error):
                raise refused(p, error) from None
            prepared = []
        self._begun.passed = True
        tell("sampling")
        if not prepared:
            return original(p, x, *args, **kwargs)
        of_pass, watch = _name_of(p), self._seen.watcher()
        self._seen.before(prepared, of_pass)
        with self._hooked(p, prepared, from_noise, watch):
            samples = original(p, x, *args, **kwargs)
        self._seen.after(prepared, of_pass, watch)
        return samples

    def _ready(self, p, x: torch.Tensor, from_noise: bool, steps: int | None) -> tuple[list[Prepared], torch.Tensor]:
        """The prepared pictures of the pass, none if it is to be left as it is, and what it starts from."""
        if not self._in_this_pass(p):
            say(p, f"left out of the {'second' if p.is_hr_pass else 'first'} pass, as set")
            return [], x
        self._warn(p)
        prepared = self._prepare(p, x, from_noise, steps)
        if prepared:
            say(p, _notes(prepared))
        if prepared and from_noise:
            tinted = tint_all(x, [each.acting for each in prepared],
                              lambda each: each.chain.at(prepared[0].wish.sigmas[0]),
                              lambda settings: settings.strength_at(settings.start) * settings.adain)
            x = still_finite(x, tinted, ADAIN)
        return prepared, x

    def _warn(self, p) -> None:
        """What is not as it was meant, once for a generation."""
        if getattr(p, "is_hr_pass", False) or getattr(p, "iteration", 0):
            return
        if self._request.task == STRUCTURE and not ControlNet(p).units:
            say(p, NO_STRUCTURE, logging.WARNING)
        for prompt in self._request.prompts:
            for note in prompt.notes:
                say(p, f"image prompt {prompt.number}: {note}", logging.WARNING)

    def _in_this_pass(self, p) -> bool:
        """Of a hires fix's two passes the person may have chosen one."""
        chosen = self._request.settings.passes
        return chosen == "both" or not getattr(p, "enable_hr", False) or p.is_hr_pass == (chosen == "second")

    def _prepare(self, p, x: torch.Tensor, from_noise: bool, sampler_steps: int | None) -> list[Prepared]:
        refuse_unsupported()
        model = HostModel(shared.sd_model)
        sigmas = levels(p, model.schedule, from_noise, sampler_steps)
        own = before_refiner(p, model.schedule, sigmas)
        wished = wishes(p, x, self._request, partial(say, p), tuple(sigmas), tuple(own), from_noise)
        return self._preparer.prepare_all(model, wished)

    @contextlib.contextmanager
    def _hooked(self, p, prepared: Sequence[Prepared], from_noise: bool, watch: Watcher | None) -> Iterator[None]:
        acting = [each.acting for each in prepared]
        unet = HostModel(shared.sd_model).unet

        def hooks_on(model: HostModel) -> InDetailHooks:
            readings = [each.reading for each in prepared]
            if model.unet is not unet:
                refuse_unsupported()
                readings = [self._preparer.reading_on(model, each) for each in prepared]
            branches = {bank: branch for each, reading in zip(acting, readings, strict=True)
                        for bank, branch in each.branches(reading.passes, reading.memory, model.schedule).items()}
            return InDetailHooks(model.unet, branches, Planner([each.reader(model.unet) for each in acting]),
                                 WebuiAttention(), watch)

        settings = self._request.settings
        try:
            with Hooked(p.sampler.model_wrap_cfg, self._rows, hooks_on, ControlNet(p),
                        partial(may_go_on, p), from_noise=from_noise,
                        control_uncond_from=settings.control_uncond_from,
                        colour=Colour(acting, settings.colour_until)):
                yield
        except CannotAct as error:
            raise refused(p, error) from None


def may_go_on(p, error: CannotAct) -> bool:
    """Whether the person wants the picture without InDetail rather than none; then it is said in three places."""
    if not options.value("indetail_go_on"):
        return False
    p.extra_generation_params[NOT_ACTING] = str(error)
    say(p, f"skipped: {error}", logging.WARNING)
    return True


def _name_of(p) -> str:
    """Of a pass, where there are two."""
    if not getattr(p, "enable_hr", False):
        return ""
    return f", {'second' if p.is_hr_pass else 'first'} pass"


def _notes(prepared: Sequence[Prepared]) -> str:
    """What it took; which picture is meant, where there are several."""
    if len(prepared) == 1:
        return prepared[0].note
    return "; ".join(f"image prompt {each.acting.number}: {each.note}" for each in prepared)
