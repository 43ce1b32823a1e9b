"""The one object that outlives a generation: it owns the caches and what there is to clean up."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from PIL import Image

from lib_indetail.cache import Cache
from lib_indetail.errors import BadPicture, BadSetting, CannotAct
from lib_indetail.folder import PictureFolder
from lib_indetail.picture_store import PictureStore
from lib_indetail.presets import Presets
from lib_indetail.request import Request
from lib_indetail.store import ChainStore
from lib_indetail.webui import elsewhere, options, pasting, sampling
from lib_indetail.webui.denoiser import DenoiserRows
from lib_indetail.webui.preparing import Preparer
from lib_indetail.webui.progress import tell
from lib_indetail.webui.saying import say
from lib_indetail.webui.seeing import Seen

logger = logging.getLogger(__name__)
_REQUEST, _BEGUN = "_indetail_request", "_indetail_begun"


@dataclass(eq=False)
class Begun:
    """What is known of a generation while it runs. `passed` says that the batch at hand was sampled through us,
    `claims` that the infotext names us, `skipped` that it goes on without InDetail, `error` why it is refused."""

    request: Request
    seen: Seen
    passed: bool = False
    claims: bool = True
    skipped: bool = False
    error: Exception | None = None


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
        """When a generation begins: its infotext says what was asked for, unless it is an inner pass left as it is.
        What cannot be is refused where it would be sampled, since the host goes on after what a script raises here."""
        vars(p).pop(_BEGUN, None)
        if _is_left_out():
            return
        try:
            begun = self._begun(p, args)
        except (BadSetting, BadPicture) as error:
            setattr(p, _BEGUN, Begun(Request(), Seen(()), error=error))
            pasting.write(p, None)
            elsewhere.refuse_to_sample(p, error)
            return
        if not begun.request.acts:
            return
        self._keep(begun.request)
        tell("getting ready")
        try:
            elsewhere.refuse_sampling_elsewhere(p)
        except CannotAct as error:
            begun.skipped = sampling.may_go_on(p, error)
            if not begun.skipped:
                elsewhere.refuse_to_sample(p, error)

    def begin_batch(self, p) -> None:
        """Before each of a generation's batches."""
        begun: Begun | None = getattr(p, _BEGUN, None)
        if begun is not None:
            begun.passed = begun.skipped
            if not begun.claims:
                pasting.write(p, begun.request)
                begun.claims = True

    def arm(self, p, args: tuple) -> None:
        """Before every sampling call: let InDetail act in it, or refuse it with a reason."""
        sampling.disarm(p.sampler)
        try:
            if _is_left_out():
                if self._request(p, args).acts:
                    say(p, "left out of an inner pass")
                return
            begun = self._begun(p, args)
        except (BadSetting, BadPicture) as error:
            sampling.arm(p.sampler, sampling.refusing(error))
            return
        for cache in self._caches if begun.request.acts else ():
            cache.trim()
        if begun.request.acts and not begun.skipped:
            logger.debug("%s, %s", begun.request.task, begun.request.settings)
            sampling.arm(p.sampler, sampling.Run(begun, self.preparer, self.rows))

    def end_batch(self, p) -> None:
        """After a batch was sampled, before its infotexts are written: what was made without us does not name us."""
        begun: Begun | None = getattr(p, _BEGUN, None)
        if begun is None or not (begun.request.acts or begun.error):
            return
        sampling.disarm(p.sampler)
        if not begun.passed:
            pasting.write(p, None)
            begun.claims = False
            say(p, f"{elsewhere.made_without_us(p)}{f' ({begun.error})' if begun.error else ''}", logging.WARNING)

    def finish(self, p, processed) -> None:
        """When a generation has ended: its extra pictures."""
        begun: Begun | None = getattr(p, _BEGUN, None)
        if begun is not None and begun.request.acts:
            tell(None)
            begun.seen.append_to(processed)

    def _begun(self, p, args: tuple) -> Begun:
        """What is asked for now, also where another script has changed it since; the infotext follows."""
        request, begun = self._request(p, args), getattr(p, _BEGUN, None)
        if begun is None:
            begun = Begun(request, Seen(request.show))
            setattr(p, _BEGUN, begun)
            pasting.write(p, request)
        elif begun.request is not request:
            begun.request, begun.seen.show = request, request.show
            pasting.write(p, request)
        return begun

    def _bank_budget(self) -> int:
        """As set; or a quarter of the memory that would be free without the bank."""
        chosen = int(options.value("indetail_bank_mb"))
        return chosen * 2**20 if chosen >= 0 else (psutil.virtual_memory().available + self.banks.bytes) // 4

    def request(self, args: Sequence[Any], changes: Mapping[str, Any] | None = None) -> Request:
        """`Request.of` with a person's own presets."""
        return Request.of(args, changes, self.presets)

    def _request(self, p, args: tuple) -> Request:
        """Pictures are decoded once for all passes of a generation: the last request stays with `p`."""
        given = [dict(each) if isinstance(each, Mapping) else each for each in args]
        before, request = getattr(p, _REQUEST, ([], None))
        if request is None or len(before) != len(given) or not all(map(_is_same, before, given)):
            request = self.request(args)
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


def _is_left_out() -> bool:
    """Whether this is an inner pass, in which InDetail is not wanted."""
    return is_inner() and not options.value("indetail_inner")


def _budget() -> int:
    return int(options.value("indetail_cache_mb")) * 2**20


runtime = Runtime()
