"""What people were told lately, so that a page can say again what belongs to it."""

from __future__ import annotations

import html
from collections import deque
from dataclasses import dataclass

MOST = 256


@dataclass(frozen=True)
class Said:
    """A sentence, and whether it refuses something."""

    text: str
    refuses: bool = False


class Told:
    """The last sentences, whoever they were for."""

    def __init__(self) -> None:
        self._said: deque[Said] = deque(maxlen=MOST)

    def add(self, text: str, refuses: bool = False) -> None:
        self._said.append(Said(text, refuses))

    def shown_in(self, log: str) -> list[Said]:
        """Those that stand in what a host shows under a result, each once and in that order."""
        shown = html.unescape(log)
        found = {said.text: said for said in self._said if said.text in shown}
        whole = [said for said in found.values()
                 if not any(said.text != other and said.text in other for other in found)]
        return sorted(whole, key=lambda said: shown.index(said.text))
