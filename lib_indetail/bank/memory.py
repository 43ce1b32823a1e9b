"""The bank: recorded keys and values of image prompts, kept for every generation that reads the same ones.

The image branch is never altered by what is generated, so what was recorded at a noise level holds for ever: for
other seeds, batches, guidance scales, samplers and prompts, as long as picture, text, model and size are the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from lib_indetail.attention.bias import KeysValues
from lib_indetail.kept.cache import Cache

DIGITS = 6
"""Noise levels that agree in so many digits are one: samplers come to the same level by different roundings."""

Recorded = dict[str, KeysValues]
"""The layers' keys and values at one noise level, [1, tokens, C'] each."""


class Memory(Protocol):
    """Remembers, in main memory, the keys and values of a bank at a noise level."""

    def recall(self, bank: str, sigma: float) -> Recorded | None: ...

    def keep(self, bank: str, sigma: float, layers: Recorded) -> None: ...

    def below(self, bank: str, sigma: float) -> float | None:
        """The next lower level that is there."""


@dataclass(frozen=True, eq=False)
class BankMemory:
    """One image prompt's part of a shared cache. `key` names everything that its banks depend on; `run` those of all
    image prompts that a generation reads.

    Where there is no room a level is recorded again each time: a run's own levels never push each other out.
    """

    cache: Cache
    key: Hashable
    run: set[Hashable] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.run.add(self.key)

    def recall(self, bank: str, sigma: float) -> Recorded | None:
        return self.cache.get(self._entry(bank, sigma))

    def keep(self, bank: str, sigma: float, layers: Recorded) -> None:
        size = size_of(layers)
        if size <= self.cache.room(self._is_ours):
            self.cache.put(self._entry(bank, sigma), in_memory(layers), size, self._is_ours)

    def below(self, bank: str, sigma: float) -> float | None:
        levels = [float(level) for key, of, level in self.cache.keys() if (key, of) == (self.key, bank)]
        return max((level for level in levels if level < float(_rounded(sigma))), default=None)

    @property
    def level_bytes(self) -> int:
        """Of the largest level that is there."""
        return self.cache.largest(lambda entry: entry[0] == self.key)

    def missing(self, bank: str, sigmas: Iterable[float]) -> list[float]:
        """Those that are not there, as many as there is room for; all, while none of ours tells what one takes."""
        absent = self.absent(bank, sigmas)
        each = self.cache.largest(self._is_ours)
        room = self.cache.room(self._is_ours)
        return absent[:room // each if each else len(absent) if room else 0]

    def absent(self, bank: str, sigmas: Iterable[float]) -> list[float]:
        """Those that are not there, whether there is room for them or not."""
        return [sigma for sigma in sigmas if self._entry(bank, sigma) not in self.cache]

    def _entry(self, bank: str, sigma: float) -> tuple[Hashable, str, str]:
        return self.key, bank, _rounded(sigma)

    def _is_ours(self, entry: Hashable) -> bool:
        return entry[0] in self.run


def _rounded(sigma: float) -> str:
    return f"{sigma:.{DIGITS}g}"


def size_of(layers: Mapping[str, KeysValues]) -> int:
    """Bytes."""
    return sum(part.numel() * part.element_size() for pair in layers.values() for part in pair)


def in_memory(layers: Recorded) -> Recorded:
    """The same in main memory, and nothing beside it held there."""
    return {name: (away(keys), away(values)) for name, (keys, values) in layers.items()}


def away(tensor: torch.Tensor) -> torch.Tensor:
    """In main memory; pinned if it comes from a GPU, so that it goes back without waiting."""
    if tensor.device.type != "cpu":
        copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.device.type == "cuda")
        return copy.copy_(tensor)
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()
