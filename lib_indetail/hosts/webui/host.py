"""A WebUI as the core asks for it: what all of them answer alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import torch
from modules import devices, paths_internal, sd_models, shared
from PIL import Image

from lib_indetail.ask.options import OPTIONS
from lib_indetail.errors import CannotAct
from lib_indetail.hosts.webui import progress
from lib_indetail.hosts.webui.around import Around
from lib_indetail.hosts.webui.cfg_denoiser import Calls, Evaluations
from lib_indetail.hosts.webui.image_tower import image_tower
from lib_indetail.hosts.webui.model import WebuiModel
from lib_indetail.hosts.webui.nested_generations import depth
from lib_indetail.inversion.inverter import Progress
from lib_indetail.run.host import Evaluation


class WebUI:
    """Subclasses say what differs. `view` makes a model of an `sd_model`."""

    name: str
    view: Callable[[Any], WebuiModel]
    lasting: tuple[Around, ...] = (depth.around,)
    """What stands around the host's functions for as long as the extension is loaded."""

    @property
    def refines_by_steps(self) -> bool:
        """Whether the refiner takes over after a share of the sampler's steps, or of the model's timesteps."""
        raise NotImplementedError

    def calls(self, p, apart: Callable[[], AbstractContextManager]) -> Calls:
        """What is sent through the UNet in the sampling call of `p` that comes."""
        raise NotImplementedError

    def has_structure(self, p) -> bool:
        """Whether a ControlNet gives one to `p`."""
        raise NotImplementedError

    def like_own(self, p, text: Any, own: Any) -> Any:
        """A text of ours for `p`, changed as somebody has changed `own`, one of its own; both for all steps."""
        return text

    def model(self) -> WebuiModel:
        return type(self).view(shared.sd_model)

    def loaded(self) -> WebuiModel | None:
        """The checkpoint at hand, if there is one: the host would load one for who asks `shared.sd_model`."""
        model = sd_models.model_data.sd_model
        return None if model is None else type(self).view(model)

    def standing_conflict(self) -> str | None:
        """Why the checkpoint at hand would be refused, before a generation; loads none."""
        model = self.loaded()
        try:
            if model is not None:
                model.refuse()
        except CannotAct as error:
            return str(error)
        return None

    def evaluations(self, p, encode: Callable, told: Callable[[Evaluation], torch.Tensor],
                    apart: Callable[[], AbstractContextManager]) -> Evaluations:
        """See `run.host.Pass.evaluations`; `encode(prompt)` gives a text for all steps."""
        return Evaluations(p.sampler.model_wrap_cfg, self.calls(p, apart), self.model, encode, told)

    def image_tower(self) -> Callable[[Image.Image], torch.Tensor] | None:
        return image_tower()

    def free_memory(self) -> int:
        """Of a GPU also what torch holds and does not use."""
        if devices.device.type != "cuda":
            return self.free_main_memory()
        free, _ = torch.cuda.mem_get_info(devices.device)
        return free + torch.cuda.memory_reserved(devices.device) - torch.cuda.memory_allocated(devices.device)

    def free_main_memory(self) -> int:
        return psutil.virtual_memory().available

    def keep_free(self, size: int) -> AbstractContextManager:
        """The WebUI does not plan its memory."""
        return contextlib.nullcontext()

    def progress(self, doing: str) -> AbstractContextManager[Progress]:
        return progress.inversion_progress(doing)

    def interrupted(self) -> bool:
        return shared.state.interrupted or shared.state.skipped

    def tell(self, doing: str | None) -> None:
        progress.tell(doing)

    def option(self, name: str) -> Any:
        """Also before the page has ever been saved."""
        return getattr(shared.opts, name, OPTIONS[name].default)

    def folder(self, name: str) -> Path:
        return Path(paths_internal.data_path, name)
