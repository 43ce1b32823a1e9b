"""The WebUI's own progress bar, its text, and its interrupt and skip buttons, for work that is not sampling."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from modules import shared
from tqdm import tqdm

from lib_indetail.inversion import Progress

_OURS, _BETWEEN = "InDetail: ", "; "


def tell(text: str | None) -> None:
    """What InDetail is at, beside the bar; None takes it away. What somebody else has written there stands in front."""
    outer = (shared.state.textinfo or "").partition(_OURS)[0].removesuffix(_BETWEEN)
    ours = text and _OURS + text
    shared.state.textinfo = _BETWEEN.join(filter(None, (outer, ours))) or None


@contextlib.contextmanager
def inversion_progress(doing: str = "inverting the picture") -> Iterator[Progress]:
    """A job of its own in the page's bar, with a text, and a line in the console, for as long as an inversion runs."""
    state, before = shared.state, shared.state.textinfo
    _insert_job()
    tell(doing)
    with tqdm(desc=f"InDetail, {doing}", file=shared.progress_print_out, leave=False,
              disable=shared.cmd_opts.disable_console_progressbars) as bar:
        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            state.sampling_steps, state.sampling_step = total, done
            tell(f"{doing}, {done} of {total}")

        try:
            yield report
        finally:
            state.textinfo = before
            vars(state).update(job_no=state.job_no + 1, sampling_step=0)


def _insert_job() -> None:
    """One more job, before those that are left, at the place that the bar has reached: the host divides the bar evenly
    by the number of jobs, and one more would push it back. So those that are done count for more than one. All is set
    at once, since the page reads it at any time."""
    state = shared.state
    left = state.job_count - state.job_no
    if state.job_count <= 0 or left <= 0:
        return
    count = (left + 1) * state.job_count / left
    vars(state).update(job_no=_plain(count - left - 1), job_count=_plain(count), sampling_step=0)


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def interrupted() -> bool:
    """Whether the person has pressed Interrupt or Skip."""
    return shared.state.interrupted or shared.state.skipped
