"""A refusal on the page of hosts that generate in a thread of their own: what is raised there gets lost."""

from __future__ import annotations

from collections.abc import Iterator

from modules_forge import main_thread

from lib_indetail.errors import InDetailError
from lib_indetail.hosts.webui.around import Around


class _Raised:
    """In the place of a generation's results: the page, which lists them, meets the error, and shows it."""

    def __init__(self, error: InDetailError):
        self._error = error

    def __iter__(self) -> Iterator:
        raise self._error


def _caught(work, task) -> None:
    try:
        work(task)
    except InDetailError as error:
        task.result = _Raised(error)


around_tasks = Around(main_thread.Task, "work", _caught)
