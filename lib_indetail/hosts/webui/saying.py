"""What a person is told of a generation."""

from __future__ import annotations

import logging

from lib_indetail.hosts.webui.runtime import runtime

logger = logging.getLogger(__name__)


def say(p, text: str, level: int = logging.INFO) -> None:
    """Under the result and in the accordion's status line, never in the picture's infotext; and in the log, which is
    all that a client of the API has."""
    logger.log(level, text)
    sentence = f"{text.rstrip('.')}."
    runtime.told.add(sentence)
    p.comment(f"InDetail: {sentence}")
