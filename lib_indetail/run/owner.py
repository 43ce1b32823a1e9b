"""The one object that outlives a generation: it owns the caches and what there is to clean up."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from PIL import Image

from lib_indetail.ask import infotext
from lib_indetail.ask.presets import Presets
from lib_indetail.ask.request import Request
from lib_indetail.errors import BadPicture, BadSetting, CannotAct
from lib_indetail.kept.cache import Cache
from lib_indetail.kept.chain_files import ChainStore
from lib_indetail.kept.picture_files import PictureStore
from lib_indetail.pictures.folder import PictureFolder
from lib_indetail.run.cached_preparation import Preparer
from lib_indetail.run.host import Host
from lib_indetail.run.job import Job
from lib_indetail.run.plotted import Plotted
from lib_indetail.run.recent_sentences import Told
from lib_indetail.run.sampling_pass import Sampled
from lib_indetail.run.session import Session, copied
from lib_indetail.run.strips import Frames

logger = logging.getLogger(__name__)
CHAINS, KEPT, PRESETS = "indetail_chains", "indetail_kept", "indetail_presets.json"
"""Where they lie in the host's data folder."""
MB = 2**20


class Owner:
    """Of all generations of a host. Each tells of its moments in turn: `begin`, for each batch `begin_batch`, `arm`
    before every sampling call of it, and `end_batch`; `finish`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.latents = Cache(lambda: self._mb("indetail_cache_mb"))
        self.chains = Cache(lambda: self._mb("indetail_cache_mb"))
        self.banks = Cache(self._bank_budget)
        self.store = ChainStore(lambda: host.folder(CHAINS), lambda: self._mb("indetail_disk_mb"))
        self.preparer = Preparer(host, self.latents, self.chains, self.banks, self.store)
        self.presets = Presets(lambda: host.folder(PRESETS))
        self.folder = PictureFolder(lambda: host.folder(host.option("indetail_folder")))
        self.told, self.plotted = Told(), Plotted()
        self.kept = PictureStore(lambda: host.folder(KEPT), lambda: self._mb("indetail_keep_mb"))

    def begin(self, job: Job, args: Sequence[Any]) -> None:
        """When a generation begins: its infotext says what was asked for, unless it is an inner pass left as it is.
        What cannot be is refused where it would be sampled, since hosts go on after what a script raises here."""
        if job.state is not None:
            job.state = Session(job.state.given, job.state.request)
        if self._is_left_out(job):
            return
        try:
            session = self._session(job, args)
        except (BadSetting, BadPicture) as error:
            job.state = Session(begun=True, error=error)
            job.write({})
            job.refuse(error)
            return
        if not session.request.acts:
            return
        self._keep(session.request)
        self.host.tell("getting ready")
        try:
            job.refuse_sampling_elsewhere()
        except CannotAct as error:
            session.skipped = self.may_go_on(job, error)
            if not session.skipped:
                job.refuse(error)

    def begin_batch(self, job: Job) -> None:
        session = _begun(job)
        if session is None:
            return
        session.passed = session.skipped
        if not session.claims:
            job.write(infotext.written(session.request))
            session.claims = True

    def arm(self, job: Job, args: Sequence[Any]) -> None:
        """Let InDetail act in the sampling call that comes, or refuse it with a reason."""
        job.arm(None)
        try:
            if self._is_left_out(job):
                if self._request(job, args).acts:
                    job.say("left out of an inner pass", logging.INFO)
                return
            session = self._session(job, args)
        except (BadSetting, BadPicture) as error:
            job.arm(partial(_refusing, error))
            return
        if not session.request.acts:
            return
        for cache in self._caches:
            cache.trim()
        if not session.skipped:
            logger.debug("%s, %s", session.request.task, session.request.settings)
            job.arm(Sampled(self.host, job, session, self.preparer, partial(self.may_go_on, job)))

    def end_batch(self, job: Job) -> None:
        """After a batch was sampled, before its infotexts are written: what was made without us does not name us."""
        session = _begun(job)
        if session is None or not (session.request.acts or session.error):
            return
        job.arm(None)
        if not session.passed:
            job.write({})
            session.claims = False
            why = f" ({session.error})" if session.error else ""
            job.say(f"{job.made_without_us()}{why}", logging.WARNING)

    def frames(self, job: Job) -> Frames | None:
        """Of the batch that was sampled, if it has strips; before its infotexts are written, which then have a line for
        each frame."""
        session = _begun(job)
        frames = session and session.frames
        if frames:
            session.frames = None
            job.add(infotext.of_frames(frames.ts, frames.rows, frames.seeds))
        return frames

    def at_places(self, job: Job, frame: int, places: Sequence[float]) -> None:
        """The sampling call that comes is a second pass of the frame with this number of each strip, there."""
        job.state.frame, job.state.places = frame, places

    def finish(self, job: Job) -> dict[str, Image.Image]:
        """When a generation has ended: its extra pictures, by title."""
        session = _begun(job)
        if session is None or not session.request.acts:
            return {}
        self.host.tell(None)
        return session.extras.pictures

    def may_go_on(self, job: Job, error: CannotAct) -> bool:
        """Whether the person wants the picture without InDetail rather than none; then it is said in three places."""
        if not self.host.option("indetail_go_on"):
            return False
        job.add({infotext.NOT_ACTING: str(error)})
        job.say(f"skipped: {error}", logging.WARNING)
        return True

    def request(self, args: Sequence[Any], changes: Mapping[str, Any] | None = None) -> Request:
        """`Request.of` with a person's own presets."""
        return Request.of(args, changes, self.presets)

    @property
    def room(self) -> int:
        """Bytes that there are for keys and values."""
        return self._bank_budget()

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

    def counts(self) -> dict[str, int]:
        """What is kept. `levels` are noise levels whose keys and values are kept; the first three are in memory. What
        is kept for infotext is another matter: it cannot be made again."""
        return {"pictures": len(self.latents), "inversions": len(self.chains), "levels": len(self.banks),
                "bytes": self.latents.bytes + self.chains.bytes, "bank_bytes": self.banks.bytes,
                "inversions_on_disk": len(self.store), "disk_bytes": self.store.bytes,
                "kept_pictures": len(self.kept), "kept_bytes": self.kept.bytes}

    def _session(self, job: Job, args: Sequence[Any]) -> Session:
        """What is asked for now, also where another script has changed it since; the infotext follows."""
        before = job.state.request if _begun(job) else None
        request, session = self._request(job, args), job.state
        if request is not before:
            session.begun, session.extras.show = True, request.show
            job.write(infotext.written(request))
        return session

    def _request(self, job: Job, args: Sequence[Any]) -> Request:
        """Pictures are decoded once for all passes of a generation: the last request stays with the job."""
        given, session = copied(args), job.state
        if session is None or not session.is_of(given):
            request = self.request(args)
            if session is None:
                session = job.state = Session()
            session.given, session.request = given, request
        return session.request

    def _keep(self, request: Request) -> None:
        """What the infotext names."""
        for prompt in (request.first, *request.further):
            for picture in (prompt.picture, prompt.take, prompt.put):
                if picture is not None:
                    self.kept.keep(picture)

    def _is_left_out(self, job: Job) -> bool:
        """Whether this is an inner pass, in which InDetail is not wanted."""
        return job.is_inner() and not self.host.option("indetail_inner")

    def _bank_budget(self) -> int:
        """As set; or a quarter of the memory that would be free without the bank."""
        chosen = int(self.host.option("indetail_bank_mb"))
        return chosen * MB if chosen >= 0 else (self.host.free_main_memory() + self.banks.bytes) // 4

    def _mb(self, option: str) -> int:
        return int(self.host.option(option)) * MB

    @property
    def _caches(self) -> tuple[Cache, ...]:
        return self.latents, self.chains, self.banks


def _begun(job: Job) -> Session | None:
    return job.state if job.state is not None and job.state.begun else None


def _refusing(error: Exception, *_) -> None:
    raise error
