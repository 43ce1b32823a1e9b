"""What a host answers of one generation: see `run.host` for its other answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch

from lib_indetail.run.host import Pass, Sample


class Job(Protocol):
    """One generation of a host, from its beginning to its end. `state` is the core's own, None at the beginning."""

    state: Any

    def write(self, lines: Mapping[str, Any]) -> None:
        """These lines, and no others of ours, stand in the infotext."""

    def add(self, lines: Mapping[str, Any]) -> None:
        """These stand there too."""

    def say(self, text: str, level: int) -> None:
        """To the person, beside the result and in the log."""

    def is_inner(self) -> bool:
        """Whether it was begun inside another one."""

    def refuse_sampling_elsewhere(self) -> None:
        """Raises CannotAct where somebody will sample in the host's place."""

    def refuse(self, error: Exception) -> None:
        """Raise it where the generation would be sampled."""

    def resize(self, width: int, height: int) -> None:
        """Other pixels for all passes; before the first one begins."""

    def arm(self, run: Callable[[Pass, torch.Tensor, Sample], torch.Tensor] | None) -> None:
        """`run(pass, latents, sample)` stands in the place of the next sampling call; None takes it away. `sample` is
        given latents, and what those are that stand behind the pass's own. It gives all of them, and `run` those that
        the host shows."""

    def made_without_us(self) -> str:
        """Who sampled a batch although nobody came by, in words."""
