"""The WebUI's CFG denoiser: its noise levels, its rows, and a sampling call during which its UNet is hooked."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence

import torch
from modules import sd_samplers_common, shared

from lib_indetail.colour import Colour
from lib_indetail.errors import SOMEONE, CannotAct
from lib_indetail.hooks import InDetailHooks
from lib_indetail.noise import NoiseSchedule
from lib_indetail.rows import Row, roles_by_text
from lib_indetail.webui.conflicts import named
from lib_indetail.webui.controlnet import ControlNet
from lib_indetail.webui.model import HostModel
from lib_indetail.window import FULL_NOISE, position


class DenoiserRows:
    """Which rows an evaluation of the denoiser sends to the UNet, from the host's own callback.

    The callback's object is kept, not copied: extensions that come later in the callback change it in place.
    """

    def __init__(self) -> None:
        self._params = None

    def listen(self, params) -> None:
        self._params = params

    def forget(self) -> None:
        self._params = None

    def of(self, denoiser, parts: Sequence[int]) -> tuple[Callable[[], tuple[Row, ...]],
                                                          Callable[[torch.Tensor], tuple[Row, ...]]]:
        """Rows of an evaluation, as its first call will find them; and those of somebody's extra pass within it, by
        their text. `parts` are the numbers of AND prompts of the batch's images."""
        def rows() -> tuple[Row, ...]:
            params = self._params
            if params is None or params.denoiser is not denoiser:
                return ()
            cond = params.text_cond.shape[0]
            return _cond_rows(cond, parts) + tuple(Row("uncond", number % len(parts))
                                                   for number in range(len(params.x) - cond))

        def extra(context: torch.Tensor) -> tuple[Row, ...]:
            if self._params is None:
                return (Row("other"),) * len(context)
            roles = roles_by_text(context, _text_rows(self._params.text_cond), _text_rows(self._params.text_uncond))
            known = _cond_rows(roles.count("cond"), parts)
            images = {"cond": (row.image for row in known), "uncond": (i % len(parts) for i in itertools.count())}
            return tuple(Row(role, next(images[role])) if role in images else Row(role) for role in roles)

        return rows, extra


def _cond_rows(count: int, parts: Sequence[int]) -> tuple[Row, ...]:
    """Image by image, with all its AND prompts; where another extension has changed how many there are, evenly."""
    images = [image for image, part in enumerate(parts) for _ in range(part)]
    if len(images) != count:
        images = [number * len(parts) // count for number in range(count)]
    return tuple(Row("cond", image) for image in images)


def _arguments(args: tuple, kwargs: dict) -> dict:
    """Of an evaluation, behind x and sigma."""
    return {**dict(zip(("uncond", "cond"), args, strict=False)), **kwargs}


def _text_rows(conditioning) -> torch.Tensor | None:
    """[n, tokens, D] of SD's tensor or SDXL's dict."""
    return conditioning["crossattn"] if isinstance(conditioning, dict) else conditioning


def noise_level(denoiser, sigma: torch.Tensor, schedule: NoiseSchedule) -> tuple[float, float]:
    """sigma and timestep of an evaluation: k-diffusion's samplers pass a sigma, the others a timestep."""
    level = float(sigma.flatten()[0])
    if hasattr(denoiser.inner_model, "sigmas"):
        return level, schedule.timestep(level)
    return schedule.sigma(level), level


class Hooked:
    """A pass in which every evaluation of the CFG denoiser is told to hooks on the UNet.

        with Hooked(denoiser, rows, hooks_on, controlnet, go_on, from_noise=...):
            ...                                # the host samples

    `hooks_on(model)` makes the hooks for a loaded model: for the first one, and for each that takes its place within
    the pass. `from_noise` says that the pass starts from pure noise; otherwise its first evaluation is its start.
    Up to `control_uncond_from` ControlNet's residuals are kept from the uncond rows.
    `colour` may change what an evaluation predicts.
    `go_on(error)` decides whether an evaluation in which InDetail cannot act is repeated without it.
    """

    def __init__(self, denoiser, rows: DenoiserRows, hooks_on: Callable[[HostModel], InDetailHooks],
                 controlnet: ControlNet, go_on: Callable[[CannotAct], bool], *, from_noise: bool,
                 control_uncond_from: float = 0.0, colour: Colour | None = None):
        self._denoiser, self._rows, self._hooks_on = denoiser, rows, hooks_on
        self._controlnet, self._go_on, self._control_uncond_from = controlnet, go_on, control_uncond_from
        self._colour = colour
        self._first_t: float | None = FULL_NOISE if from_noise else None
        self._acting = True
        self._installed = contextlib.ExitStack()

    def __enter__(self) -> Hooked:
        self._install()
        self._original = self._denoiser.forward
        self._on_instance = "forward" in vars(self._denoiser)

        def indetail_forward(x, sigma, *args, **kwargs):
            return self._forward(x, sigma, *args, **kwargs)

        self._denoiser.forward = indetail_forward
        return self

    def __exit__(self, *_) -> None:
        self._installed.close()
        self._rows.forget()
        if self._on_instance:
            self._denoiser.forward = self._original
        else:
            del self._denoiser.forward

    def _install(self) -> None:
        self._installed.close()
        self._model = HostModel(shared.sd_model)
        self._unet = self._model.unet
        with contextlib.ExitStack() as installing:
            self._hooks = installing.enter_context(self._hooks_on(self._model))
            installing.enter_context(self._controlnet.reference_passes_apart(self._hooks))
            self._installed = installing.pop_all()

    def _forward(self, x: torch.Tensor, sigma: torch.Tensor, *args, **kwargs) -> torch.Tensor:
        kwargs = self._after_refiner(sigma, kwargs)
        if not self._acting:
            return self._original(x, sigma, *args, **kwargs)
        try:
            if HostModel(shared.sd_model).unet is not self._unet:
                self._install()
            return self._evaluate(x, sigma, *args, **kwargs)
        except CannotAct as error:
            error = named(error, self._denoiser)
            if not self._go_on(error):
                raise error from None
        self._installed.close()
        self._acting = False
        return self._original(x, sigma, *args, **kwargs)

    def _after_refiner(self, sigma: torch.Tensor, kwargs: dict) -> dict:
        """The host changes to the refiner inside an evaluation, behind our back; here it does so before one."""
        stopping = shared.state.interrupted or shared.state.skipped
        if stopping or not sd_samplers_common.apply_refiner(self._denoiser, sigma):
            return kwargs
        prompts = self._denoiser.sampler.sampler_extra_args
        return {**kwargs, "cond": prompts["cond"], "uncond": prompts["uncond"]}

    def _evaluate(self, x: torch.Tensor, sigma: torch.Tensor, *args, **kwargs) -> torch.Tensor:
        level, t = noise_level(self._denoiser, sigma, self._model.schedule)
        if self._first_t is None:
            self._first_t = t
        u = position(t, self._first_t)
        self._rows.forget()
        rows, extra = self._rows.of(self._denoiser, [len(parts) for parts in _arguments(args, kwargs)["cond"].batch])
        with (self._controlnet.uncond_without_residuals(u < self._control_uncond_from),
              self._hooks.evaluation(level, u, rows, extra) as cursor):
            result = self._original(x, sigma, *args, **kwargs)
            if cursor.cond_left:
                raise CannotAct(f"InDetail cannot act: {SOMEONE} or a model switch has put a different UNet in its "
                                "place.")
        return self._coloured(x, result, level, u)

    def _coloured(self, x: torch.Tensor, result: torch.Tensor, sigma: float, u: float) -> torch.Tensor:
        """`result` is a clean prediction with k-diffusion's samplers, noise (eps) with the others. What inpainting
        keeps stays as it is."""
        if self._colour is None or not self._colour.acts(u):
            return result
        where = None if self._denoiser.mask is None else self._denoiser.nmask
        if hasattr(self._denoiser.inner_model, "sigmas"):
            return self._colour.matched(result, u, where)
        return self._colour.on_noise(x, result, sigma, u, where)
