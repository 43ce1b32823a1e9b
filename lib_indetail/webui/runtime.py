"""The one object that outlives a generation: it owns the caches and what there is to clean up."""

from __future__ import annotations

import sys

from lib_indetail.cache import Cache
from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.request import Request
from lib_indetail.webui import options, sampling
from lib_indetail.webui.denoiser import DenoiserRows
from lib_indetail.webui.preparing import Preparer

OVERRIDES = "indetail_overrides"
"""Attribute of a `p`: named fields that stand above its arguments. {"enabled": False} switches InDetail off."""


class Runtime:
    def __init__(self) -> None:
        self.latents = Cache(_budget)
        self.chains = Cache(_budget)
        self.preparer = Preparer(self.latents, self.chains)
        self.rows = DenoiserRows()

    def arm(self, p, args: tuple) -> None:
        """Before every sampling call: let InDetail act in it, or refuse it with a reason."""
        sampling.disarm(p.sampler)
        try:
            request = Request.of(args, getattr(p, OVERRIDES, None))
        except (BadSetting, BadPicture) as error:
            sampling.arm(p.sampler, sampling.refusing(error))
            return
        if not request.acts:
            return
        if is_inner() and not options.value("indetail_inner"):
            say(p, "left out of an inner pass")
            return
        sampling.arm(p.sampler, sampling.Run(request, self.preparer, self.rows, lambda text: say(p, text)))

    def clear(self) -> None:
        """Forget everything prepared."""
        self.latents.clear()
        self.chains.clear()


def is_inner() -> bool:
    """Whether the generation that calls us was started inside another one (ADetailer and its like).

    Read off the call stack: a record of what has begun would go wrong whenever a generation ends by an exception.
    """
    frame, generations = sys._getframe(), 0
    while frame is not None:
        generations += frame.f_code.co_name == "process_images_inner" and "processing" in frame.f_globals["__name__"]
        frame = frame.f_back
    return generations > 1


def say(p, text: str) -> None:
    """Tell the person, under the result and in the accordion's status line; never in the picture's infotext."""
    p.comment(f"InDetail: {text.rstrip('.')}.")


def _budget() -> int:
    return int(options.value("indetail_cache_mb")) * 2**20


runtime = Runtime()
