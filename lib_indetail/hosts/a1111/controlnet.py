"""Beside the ControlNet extension: its reference passes do not read the picture, the image latent does not meet its
changes to the UNet, and its residuals can be kept from the uncond rows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from modules.prompt_parser import MulticondLearnedConditioning
from torch import nn

from lib_indetail.hosts.webui.denoiser_callback import text_rows

_REPLACED = {"_forward": "_original_inner_forward_cn_hijack", "forward": "original_forward_cn_hijack"}
"""What ControlNet puts on instances of blocks, and where it keeps what was there: the sign that it has been here."""
_BEFORE_ANY_START = -1.0


class ControlNet:
    """The extension's hooks on the UNet for one generation `p`; does nothing where there are none."""

    def __init__(self, p):
        scripts = getattr(p.scripts, "alwayson_scripts", None) or []
        networks = [getattr(script, "latest_network", None) for script in scripts]
        self._networks = [network for network in networks if getattr(network, "control_params", None) is not None]

    @property
    def units(self) -> list:
        """The active units that add residuals; reference units do not."""
        return [unit for network in self._networks for unit in network.control_params
                if unit.control_model_type.is_controlnet or unit.control_model_type.name == "T2I_Adapter"]

    def marked(self, text: MulticondLearnedConditioning,
               own: MulticondLearnedConditioning) -> MulticondLearnedConditioning:
        """A text of no negative prompt. ControlNet tells rows apart by a token that it puts in front of a generation's
        texts; it finds none if a single row lacks it. One that has taken over since, as a refiner's, has none."""
        for network in self._networks:
            hook = sys.modules[type(network).__module__]
            if hook.prompt_context_is_marked(text_rows(own.batch[0][0].schedules[0].cond)):
                return hook.mark_prompt_context(text, positive=True)
        return text

    @contextlib.contextmanager
    def reference_passes_apart(self, apart: Callable[[], AbstractContextManager]) -> Iterator[None]:
        """ControlNet runs its reference through the UNet inside a UNet call; those rows are no rows of ours."""
        originals = [(network, network.original_forward) for network in self._networks]

        def around(original):
            def indetail_reference_pass(*args, **kwargs):
                with apart():
                    return original(*args, **kwargs)

            return indetail_reference_pass

        for network, original in originals:
            network.original_forward = around(original)
        try:
            yield
        finally:
            for network, original in originals:
                network.original_forward = original

    @contextlib.contextmanager
    def uncond_without_residuals(self, wanted: bool) -> Iterator[None]:
        """As the official structure-guided code: the uncond rows get no residuals. Units that are set so stay so."""
        changed = [unit for unit in self.units if wanted and not unit.cfg_injection]
        for unit in changed:
            unit.cfg_injection = True
        try:
            yield
        finally:
            for unit in changed:
                unit.cfg_injection = False


@contextlib.contextmanager
def without_controlnet(unet: nn.Module) -> Iterator[None]:
    """The UNet's blocks with their own forwards, and IP-Adapter and LLLite before their start, which they read off
    the UNet. ControlNet leaves what it put on blocks there after a reference run."""
    taken = [(module, name, vars(module).pop(name)) for module in unet.modules()
             for name, sign in _REPLACED.items() if name in vars(module) and sign in vars(module)]
    percent = vars(unet).get("current_sampling_percent")
    unet.current_sampling_percent = _BEFORE_ANY_START
    try:
        yield
    finally:
        if percent is None:
            del unet.current_sampling_percent
        else:
            unet.current_sampling_percent = percent
        for module, name, value in taken:
            vars(module)[name] = value
