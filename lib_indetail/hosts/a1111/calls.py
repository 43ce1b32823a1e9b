"""What the WebUI sends through its UNet in a sampling call: rows that it lists once, and ControlNet's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from modules import sd_samplers_common, shared

from lib_indetail.attention.rows import Rows
from lib_indetail.hosts.a1111.controlnet import ControlNet
from lib_indetail.hosts.a1111.listed_rows import listed_rows
from lib_indetail.hosts.webui.cfg_denoiser import Calls
from lib_indetail.hosts.webui.extension_folders import extensions_of
from lib_indetail.run.host import Replaced


class ListedCalls(Calls):
    """Here nobody answers in an attention layer's place without being called as one."""

    def __init__(self, p, apart: Callable[[], AbstractContextManager]):
        self._denoiser, self._controlnet, self._apart = p.sampler.model_wrap_cfg, ControlNet(p), apart
        self._unet = None
        self._installed = contextlib.ExitStack()

    def refined(self, x: torch.Tensor, level: torch.Tensor) -> bool:
        return sd_samplers_common.apply_refiner(self._denoiser, level)

    def follow(self) -> None:
        """ControlNet is put on each model anew."""
        unet = shared.sd_model.model.diffusion_model
        if unet is not self._unet:
            self.close()
            self._installed.enter_context(self._controlnet.reference_passes_apart(self._apart))
            self._unet = unet

    def timestep(self, level: float) -> float:
        return level

    def rows(self, parts: Sequence[int], images: int) -> Rows:
        return listed_rows(self._denoiser, parts)

    def predicting(self, spare_uncond: bool, replaced: Replaced | None) -> AbstractContextManager:
        return self._controlnet.uncond_without_residuals(spare_uncond)

    def suspects(self) -> tuple[str, ...]:
        """The extensions that have put functions of their own around the model in this pass."""
        model = shared.sd_model
        return extensions_of(vars(owner).get(name)
                             for owner in (self._denoiser, self._denoiser.inner_model, model, model.model)
                             for name in ("forward", "apply_model"))

    def close(self) -> None:
        self._installed.close()
