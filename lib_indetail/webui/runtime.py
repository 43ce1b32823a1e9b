"""The one object that outlives a generation: it owns the caches and what there is to clean up."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
from PIL import Image

from lib_indetail.cache import Cache
from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.folder import PictureFolder
from lib_indetail.picture_store import PictureStore
from lib_indetail.presets import Presets
from lib_indetail.request import Request
from lib_indetail.store import ChainStore
from lib_indetail.webui import options, pasting, sampling
from lib_indetail.webui.denoiser import DenoiserRows
from lib_indetail.webui.preparing import Preparer
from lib_indetail.webui.seeing import Seen

logger = logging.getLogger(__name__)
OVERRIDES = "indetail_overrides"
"""Attribute of a `p`: named fields that stand above its arguments. {"enabled": False} switches InDetail off."""
_REQUEST, _SEEN = "_indetail_request", "_indetail_seen"


class Runtime:
    def __init__(self) -> None:
        self.latents = Cache(_budget)
        self.chains = Cache(_budget)
        self.banks = Cache(self._bank_budget)
        self.store = ChainStore(options.chain_folder, lambda: int(options.value("indetail_disk_mb")) * 2**20)
        self.preparer = Preparer(self.latents, self.chains, self.banks, self.store)
        self.rows = DenoiserRows()
        self.presets = Presets(options.preset_file)
        self.folder = PictureFolder(options.picture_folder)
        self.kept = PictureStore(options.kept_folder, lambda: int(options.value("indetail_keep_mb")) * 2**20)

    def begin(self, p, args: tuple) -> None:
        """When a generation begins: its infotext says what was asked for, unless it is an inner pass left as it is."""
        vars(p).pop(_SEEN, None)
        if is_inner() and not options.value("indetail_inner"):
            return
        try:
            request = self._request(p, args)
        except (BadSetting, BadPicture):
            pasting.write(p, None)
            return
        pasting.write(p, request)
        if request.acts:
            setattr(p, _SEEN, Seen(request.show))
            self._keep(request)

    def arm(self, p, args: tuple) -> None:
        """Before every sampling call: let InDetail act in it, or refuse it with a reason."""
        sampling.disarm(p.sampler)
        try:
            request = self._request(p, args)
        except (BadSetting, BadPicture) as error:
            sampling.arm(p.sampler, sampling.refusing(error))
            return
        if not request.acts:
            return
        for cache in self._caches:
            cache.trim()
        if is_inner() and not options.value("indetail_inner"):
            say(p, "left out of an inner pass")
            return
        logger.debug("%s, %s", request.task, request.settings)
        sampling.arm(p.sampler, sampling.Run(request, self.preparer, self.rows, lambda text: say(p, text),
                                             _seen(p)))

    def finish(self, p, processed) -> None:
        """When a generation has ended: its extra pictures."""
        _seen(p).append_to(processed)

    def _bank_budget(self) -> int:
        """As set; or a quarter of the memory that would be free without the bank."""
        chosen = int(options.value("indetail_bank_mb"))
        return chosen * 2**20 if chosen >= 0 else (psutil.virtual_memory().available + self.banks.bytes) // 4

    def request(self, args: Sequence[Any], changes: Mapping[str, Any] | None = None) -> Request:
        """`Request.of` with a person's own presets."""
        return Request.of(args, changes, self.presets)

    def _request(self, p, args: tuple) -> Request:
        """Pictures are decoded once for all passes of a generation: the last request stays with `p`."""
        changes = getattr(p, OVERRIDES, None)
        given = [dict(each) if isinstance(each, Mapping) else each for each in (*args, changes)]
        before, request = getattr(p, _REQUEST, ([], None))
        if len(before) != len(given) or not all(map(_is_same, before, given)):
            request = self.request(args, changes)
            setattr(p, _REQUEST, (given, request))
        return request

    def _keep(self, request: Request) -> None:
        """What the infotext names."""
        for prompt in (request.first, *request.further):
            for picture in (prompt.picture, prompt.take, prompt.put):
                if picture is not None:
                    self.kept.keep(picture)

    def found(self, wanted: str) -> Image.Image | None:
        """The picture or mask with that hash, as it was kept or as it lies in the picture folder."""
        try:
            return self.kept.by_hash(wanted) or self.folder.by_hash(wanted)
        except (BadPicture, OSError):
            return None

    def forget(self) -> None:
        """Forget everything prepared, also on disk."""
        self.clear()
        self.store.clear()

    def clear(self) -> None:
        """Hold nothing in memory any longer."""
        for cache in self._caches:
            cache.clear()

    @property
    def _caches(self) -> tuple[Cache, ...]:
        return self.latents, self.chains, self.banks


def is_inner() -> bool:
    """Whether the generation that calls us was started inside another one (ADetailer and its like).

    Read off the call stack: a record of what has begun would go wrong whenever a generation ends by an exception.
    """
    frame, generations = sys._getframe(), 0
    while frame is not None:
        generations += frame.f_code.co_name == "process_images_inner" and "processing" in frame.f_globals["__name__"]
        frame = frame.f_back
    return generations > 1


def _is_same(a: Any, b: Any) -> bool:
    """Long texts are compared by identity first, also within objects."""
    return a is b or (isinstance(a, dict) and a == b)


def _seen(p) -> Seen:
    """The extra pictures of a generation; nothing is wanted of one that has not begun with us."""
    return getattr(p, _SEEN, None) or Seen(())


def say(p, text: str) -> None:
    """Tell the person, under the result and in the accordion's status line; never in the picture's infotext."""
    logger.info(text)
    p.comment(f"InDetail: {text.rstrip('.')}.")


def _budget() -> int:
    return int(options.value("indetail_cache_mb")) * 2**20


runtime = Runtime()
