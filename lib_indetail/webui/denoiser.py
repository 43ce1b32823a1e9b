"""The WebUI's CFG denoiser: its noise levels, its rows, and a sampling call during which its UNet is hooked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch

from lib_indetail.errors import SOMEONE, CannotAct
from lib_indetail.hooks import InDetailHooks
from lib_indetail.noise import NoiseSchedule
from lib_indetail.rows import Role, roles_by_text
from lib_indetail.webui.conflicts import named
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

    def by_text(self, context: torch.Tensor) -> tuple[Role, ...]:
        """What the rows of somebody's extra pass within an evaluation are."""
        if self._params is None:
            return ("other",) * len(context)
        return roles_by_text(context, _text_rows(self._params.text_cond), _text_rows(self._params.text_uncond))

    def of(self, denoiser) -> Callable[[], tuple[Role, ...]]:
        def roles() -> tuple[Role, ...]:
            params = self._params
            if params is None or params.denoiser is not denoiser:
                return ()
            cond = params.text_cond.shape[0]
            return ("cond",) * cond + ("uncond",) * (len(params.x) - cond)

        return roles


def _text_rows(conditioning) -> torch.Tensor | None:
    """[n, tokens, D] of SD's tensor or SDXL's dict."""
    return conditioning["crossattn"] if isinstance(conditioning, dict) else conditioning


def noise_level(denoiser, sigma: torch.Tensor, schedule: NoiseSchedule) -> tuple[float, float]:
    """sigma and timestep of an evaluation: k-diffusion's samplers pass a sigma, the others a timestep."""
    level = float(sigma.flatten()[0])
    if hasattr(denoiser.inner_model, "sigmas"):
        return level, schedule.timestep(level)
    return schedule.sigma(level), level


@contextlib.contextmanager
def hooked(denoiser, hooks: InDetailHooks, schedule: NoiseSchedule, rows: DenoiserRows, *, from_noise: bool,
           go_on: Callable[[CannotAct], bool]) -> Iterator[None]:
    """Hooks on the UNet, and every evaluation of the denoiser told to them.

    `from_noise` says that the pass starts from pure noise; otherwise its first evaluation is its start.
    `go_on(error)` decides whether an evaluation in which InDetail cannot act is repeated without it.
    """
    original = denoiser.forward
    on_instance = "forward" in vars(denoiser)
    first: list[float] = [FULL_NOISE] if from_noise else []

    def evaluate(x, sigma, *args, **kwargs):
        level, t = noise_level(denoiser, sigma, schedule)
        if not first:
            first.append(t)
        rows.forget()
        with hooks.evaluation(level, position(t, first[0]), rows.of(denoiser),
                              rows.by_text) as cursor:
            result = original(x, sigma, *args, **kwargs)
            if cursor.cond_left:
                raise CannotAct(f"InDetail cannot act: {SOMEONE} or a model switch has put a different UNet in its "
                                "place.")
        return result

    def forward(x, sigma, *args, **kwargs):
        if not acting:
            return original(x, sigma, *args, **kwargs)
        try:
            return evaluate(x, sigma, *args, **kwargs)
        except CannotAct as error:
            error = named(error, denoiser)
            if not go_on(error):
                raise error from None
        hooks.remove()
        acting.clear()
        return original(x, sigma, *args, **kwargs)

    acting = [True]
    with hooks:
        denoiser.forward = forward
        try:
            yield
        finally:
            rows.forget()
            if on_instance:
                denoiser.forward = original
            else:
                del denoiser.forward
