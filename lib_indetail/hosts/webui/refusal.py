"""A refusal as the host shows it: one sentence under the result, one in the API's answer, one line in the console."""

from __future__ import annotations

import logging

from fastapi import HTTPException

from lib_indetail.errors import InDetailError
from lib_indetail.hosts.webui.runtime import runtime

OURS = "InDetail"
logger = logging.getLogger(__name__)


class Refusal(InDetailError, HTTPException):
    """What a person has to change, status 422. The host writes an exception's class in front of its words, so it is
    called InDetail there; and an HTTPException is answered by the API without a traceback."""

    def __init__(self, sentence: str):
        super().__init__(422, sentence)

    def __str__(self) -> str:
        return self.detail


class _NamesItself(Refusal):
    """Of a sentence that begins with our name already."""


Refusal.__name__, _NamesItself.__name__ = OURS, "Error"


def refusal(sentence: object, p=None) -> Refusal:
    """For `raise refusal(error, p) from None`. The page's host reports it to the console, its API does not: there it is
    a line of our log."""
    text = str(sentence)
    runtime.told.add(text, refuses=True)
    if p is None or getattr(p, "is_api", False):
        logger.error(text)
    return (_NamesItself if text.startswith(OURS) else Refusal)(text)
