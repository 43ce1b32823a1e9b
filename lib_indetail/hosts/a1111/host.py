"""AUTOMATIC1111's WebUI, 1.10."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from modules import shared
from modules.prompt_parser import MulticondLearnedConditioning

from lib_indetail.hosts.a1111.calls import ListedCalls
from lib_indetail.hosts.a1111.controlnet import ControlNet
from lib_indetail.hosts.a1111.model import HostModel
from lib_indetail.hosts.webui.host import WebUI


class A1111(WebUI):
    name = "WebUI"
    view = HostModel

    @property
    def refines_by_steps(self) -> bool:
        return shared.opts.refiner_switch_by_sample_steps

    def calls(self, p, apart: Callable[[], AbstractContextManager]) -> ListedCalls:
        return ListedCalls(p, apart)

    def like_own(self, p, text: MulticondLearnedConditioning,
                 own: MulticondLearnedConditioning) -> MulticondLearnedConditioning:
        return ControlNet(p).marked(text, own)

    def has_structure(self, p) -> bool:
        return bool(ControlNet(p).units)
