"""The WebUI's own progress bar, its text, and its interrupt and skip buttons, for work that is not sampling."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from modules import shared
from tqdm import tqdm

from lib_indetail.inversion import Progress


@contextlib.contextmanager
def inversion_progress(doing: str = "inverting") -> Iterator[Progress]:
    """A job of its own in the page's bar and a line in the console, for as long as an inversion runs."""
    state = shared.state
    before = state.textinfo
    if state.job_count > 0:
        state.job_count += 1
    with tqdm(desc=f"InDetail, {doing}", file=shared.progress_print_out, leave=False,
              disable=shared.cmd_opts.disable_console_progressbars) as bar:
        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            state.sampling_steps, state.sampling_step = total, done
            state.textinfo = f"InDetail: {doing} the picture, {done} of {total}"

        try:
            yield report
        finally:
            state.textinfo = before
            state.nextjob()


def interrupted() -> bool:
    """Whether the person has pressed Interrupt or Skip."""
    return shared.state.interrupted or shared.state.skipped
