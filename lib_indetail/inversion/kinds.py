"""From a picture's clean latent to a chain, with the kind of inversion that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.inversion.inverter import Inverter, Model, ddim_nodes
from lib_indetail.noise.chain import Chain
from lib_indetail.noise.finite import INVERSION, finite

REFINEMENTS = 2
ONE_PASS, PARALLEL = "one pass", "parallel"
LEVELS_AT_ONCE = {ONE_PASS: 1, PARALLEL: 3}
"""The kinds of inversion whose nodes are the levels sampled at. More than three at once go astray in one sweep."""
_RENOISE_SEED = 0


def prepare_chain(settings: Settings, inverter: Inverter, model: Model, latent: torch.Tensor,
                  sigmas: Sequence[float] = (),
                  hearing: Callable[[Sequence[float]], AbstractContextManager] | None = None) -> Chain:
    """The chain of a clean latent [1, C, H, W], at the settings' nodes; of the one-pass kinds at `sigmas`, if there are
    any. `hearing` is for those kinds: see `Inverter.one_pass`. Raises CannotAct for NaN."""
    chain = _chain(settings, inverter, model, latent, sigmas, hearing)
    finite(torch.cat(chain.latents), INVERSION)
    return chain


def _chain(settings: Settings, inverter: Inverter, model: Model, latent: torch.Tensor, sigmas: Sequence[float],
           hearing: Callable[[Sequence[float]], AbstractContextManager] | None) -> Chain:
    nodes = ddim_nodes(settings.nodes, len(inverter.schedule))
    if settings.inversion == "DDIM":
        return inverter.ddim(model, latent, nodes)
    if settings.inversion == "refined":
        return inverter.refined(model, latent, nodes, REFINEMENTS)
    if settings.inversion in LEVELS_AT_ONCE:
        levels = sigmas or [inverter.schedule.sigma(t) for t in nodes]
        return _one_pass(inverter, model, latent, levels, hearing, LEVELS_AT_ONCE[settings.inversion])
    return inverter.renoise(latent, fixed_noise(latent))


def _one_pass(inverter: Inverter, model: Model, latent: torch.Tensor, levels: Sequence[float],
              hearing: Callable[[Sequence[float]], AbstractContextManager] | None, window: int) -> Chain:
    """Out of memory on a GPU: anew, with fewer levels to a call."""
    try:
        return inverter.one_pass(model, latent, levels, hearing, window)
    except torch.cuda.OutOfMemoryError:
        if window == 1:
            raise
    return _one_pass(inverter, model, latent, levels, hearing, window - 1)


def fixed_noise(latent: torch.Tensor) -> torch.Tensor:
    """The noise of the re-noise kind: the same for every picture of a size, on every device."""
    generator = torch.Generator().manual_seed(_RENOISE_SEED)
    return torch.randn(latent.shape, generator=generator).to(latent)
