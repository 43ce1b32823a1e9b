"""The WebUI's own progress bar, its text, and its interrupt and skip buttons, for work that is not sampling."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from modules import shared
from tqdm import tqdm

from lib_indetail.inversion.inverter import Progress

_OURS, _BETWEEN = "InDetail: ", "; "
_PART = 0.25
_SHORT = 1 + 1e-9
"""A part's end falls short of the next one's beginning by so little, that no rounding sets the bar back."""


def tell(text: str | None) -> None:
    """What InDetail is at, beside the bar; None takes it away. What somebody else has written there stands in front."""
    outer = (shared.state.textinfo or "").partition(_OURS)[0].removesuffix(_BETWEEN)
    ours = text and _OURS + text
    shared.state.textinfo = _BETWEEN.join(filter(None, (outer, ours))) or None


@contextlib.contextmanager
def inversion_progress(doing: str = "inverting the image prompt") -> Iterator[Progress]:
    """A part of the host's job at hand, with a text, and a line in the console, for as long as an inversion runs.

    It takes a quarter of what is left of the job. The number of jobs stays: the host's Interrupt asks for it.
    """
    state, before = shared.state, shared.state.textinfo
    part = _PART * (1 - state.job_no % 1)
    tell(doing)
    with tqdm(desc=f"InDetail, {doing}", file=shared.progress_print_out, leave=False,
              disable=shared.cmd_opts.disable_console_progressbars) as bar:
        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            _set(sampling_step=done, sampling_steps=total / part * _SHORT)
            tell(f"{doing}, {done} of {total}")

        try:
            yield report
        finally:
            state.textinfo = before
            _set(job_no=state.job_no + part, sampling_step=0)


class RestOfJob:
    """Sampling fills what reading has left of the host's job: `with RestOfJob(sampler): ...` around all of it.

    The number of steps is the host's and stays, since extensions are told it. So with every step of the sampler the
    place where the job began moves back towards it by as much as the steps lag behind.
    """

    def __init__(self, sampler):
        self._sampler = sampler
        self._job, self._read = 0.0, 0.0

    def __enter__(self) -> RestOfJob:
        original, self._before = self._sampler.callback_state, vars(self._sampler).get("callback_state")

        def indetail_callback_state(d):
            job, read = divmod(shared.state.job_no, 1)
            self._job, self._read = job, max(read, self._read)
            left = 1 - min(1, d["i"] / max(1, shared.state.sampling_steps))
            _set(job_no=self._job + self._read * left, sampling_step=d["i"])
            return original(d)

        self._sampler.callback_state = indetail_callback_state
        return self

    def another(self) -> None:
        """A further sampling call begins, which is a job of its own."""
        self._read = 0.0
        _set(job_no=int(shared.state.job_no) + 1, sampling_step=0)

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        """The job is done, at the place where the host takes it for done."""
        vars(self._sampler).pop("callback_state", None)
        if self._before is not None:
            self._sampler.callback_state = self._before
        steps = shared.state.sampling_steps
        _set(job_no=int(shared.state.job_no), sampling_step=steps, sampling_steps=steps * _SHORT)
        if kind is not None:
            tell(None)


@contextlib.contextmanager
def jobs_again() -> Iterator[None]:
    """Jobs of the host's own that begin as it always begins one, although it has begun the next one already: the one
    before counts as done meanwhile, and nothing more. Behind them the next one begins."""
    _set(job_no=shared.state.job_no - 1, sampling_step=1, sampling_steps=_SHORT)
    try:
        yield
    finally:
        _set(job_no=int(shared.state.job_no) + 1, sampling_step=0)


def _set(**values: float) -> None:
    """All at once: the page may look at any time."""
    vars(shared.state).update(values)
