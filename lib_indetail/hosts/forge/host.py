"""Hosts of the Forge family whose backend is ldm_patched: reForge and Forge Classic."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from ldm_patched.modules import model_management

from lib_indetail.hosts.forge.calls import ToldCalls
from lib_indetail.hosts.forge.lost_errors import around_tasks
from lib_indetail.hosts.forge.model import ForgeModel
from lib_indetail.hosts.webui.host import WebUI


class LdmPatched(WebUI):
    name = "Forge family"
    view = ForgeModel
    refines_by_steps = True
    lasting = (*WebUI.lasting, around_tasks)

    def calls(self, p, apart: Callable[[], AbstractContextManager]) -> ToldCalls:
        return ToldCalls(p.sampler.model_wrap_cfg, self.model)

    def has_structure(self, p) -> bool:
        return self.model().patcher.controlnet_linked_list is not None

    def free_memory(self) -> int:
        return int(model_management.get_free_memory())

    @contextlib.contextmanager
    def keep_free(self, size: int) -> Iterator[None]:
        """The host plans its memory when the sampling call begins."""
        patcher = self.model().patcher
        patcher.extra_preserved_memory_during_sampling += size
        try:
            yield
        finally:
            patcher.extra_preserved_memory_during_sampling -= size
