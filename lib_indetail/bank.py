"""The bank: recorded keys and values of image prompts, kept for every generation that reads the same ones.

The image branch is never altered by what is generated, so what was recorded at a noise level holds for ever: for
other seeds, batches, guidance scales, samplers and prompts, as long as picture, text, model and size are the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import torch

from lib_indetail.cache import Cache
from lib_indetail.recording import Layers

DIGITS = 6
"""Noise levels that agree in so many digits are one: samplers come to the same level by different roundings."""


@dataclass(frozen=True, eq=False)
class BankMemory:
    """One image prompt's part of a shared cache. `key` names everything that its banks depend on.

    Where there is no room a level is recorded again each time: a run's own levels never push each other out.
    """

    cache: Cache
    key: Hashable

    def recall(self, bank: str, sigma: float, device: torch.device) -> Layers | None:
        """The layers' keys and values [1, tokens, C'], or None."""
        kept = self.cache.get(self._entry(bank, sigma))
        if kept is None:
            return None
        return {name: (keys.to(device, non_blocking=True), values.to(device, non_blocking=True))
                for name, (keys, values) in kept.items()}

    def keep(self, bank: str, sigma: float, layers: Layers) -> None:
        size = size_of(layers)
        if self.cache.has_room(size, self._is_ours):
            self.cache.put(self._entry(bank, sigma), in_memory(layers), size, self._is_ours)

    def _entry(self, bank: str, sigma: float) -> tuple[Hashable, str, str]:
        return self.key, bank, f"{sigma:.{DIGITS}g}"

    def _is_ours(self, entry: Hashable) -> bool:
        return entry[0] == self.key


def size_of(layers: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> int:
    """Bytes."""
    return sum(part.numel() * part.element_size() for pair in layers.values() for part in pair)


def in_memory(layers: Layers) -> Layers:
    """The same in main memory; pinned if it comes from a GPU, so that it goes back without waiting."""
    return {name: (_in_memory(keys), _in_memory(values)) for name, (keys, values) in layers.items()}


def _in_memory(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.device.type == "cpu":
        return tensor
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.device.type == "cuda")
    return copy.copy_(tensor)
