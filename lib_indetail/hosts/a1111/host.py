"""The WebUI as the core asks for it."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import torch
from modules import devices, paths_internal, shared

from lib_indetail.ask.options import OPTIONS
from lib_indetail.hosts.a1111 import progress
from lib_indetail.hosts.a1111.model import HostModel
from lib_indetail.inversion.inverter import Progress


class A1111:
    """AUTOMATIC1111's WebUI, 1.10."""

    def model(self) -> HostModel:
        return HostModel(shared.sd_model)

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
