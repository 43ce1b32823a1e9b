"""Keys and values on their way to the device: one noise level ahead of the one that is read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch

from lib_indetail.bank.levels import Levels
from lib_indetail.bank.memory import Memory, Recorded


class Transfer:
    """Recorded being copied to a device; on a GPU beside what it computes, in a stream of its own."""

    def __init__(self, layers: Recorded, device: torch.device):
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        with torch.cuda.stream(self._stream) if self._stream else contextlib.nullcontext():
            self._layers = {name: tuple(part.to(device, non_blocking=True) for part in pair)
                            for name, pair in layers.items()}

    def arrived(self) -> Recorded:
        """The layers on the device, for what is computed next."""
        if self._stream:
            reading = torch.cuda.current_stream(self._device)
            reading.wait_stream(self._stream)
            for pair in self._layers.values():
                for part in pair:
                    part.record_stream(reading)
        return self._layers


class OneAhead:
    """Recalls from a memory, and begins to bring the next lower level of the same bank: so two levels of a bank are on
    the device at most, the one that is read and the one that comes."""

    def __init__(self, memory: Memory, transfer: Callable[[Recorded, torch.device], Transfer] = Transfer):
        self._memory, self._transfer = memory, transfer
        self._coming: dict[str, tuple[Recorded, Transfer]] = {}

    def recall(self, bank: str, sigma: float, device: torch.device, levels: Levels | None = None) -> Recorded | None:
        """The layers' keys and values [1, tokens, C'] on the device, or None. `levels` are those that will be asked
        for, where not all are that are there."""
        layers = self._memory.recall(bank, sigma)
        sent, transfer = self._coming.pop(bank, (None, None))
        if layers is None:
            return None
        if sent is not layers:
            transfer = self._transfer(layers, device)
        self._begin(bank, levels.below(sigma) if levels else self._memory.below(bank, sigma), device)
        return transfer.arrived()

    def forget(self) -> None:
        self._coming.clear()

    def _begin(self, bank: str, sigma: float | None, device: torch.device) -> None:
        if sigma is not None and (layers := self._memory.recall(bank, sigma)) is not None:
            self._coming[bank] = layers, self._transfer(layers, device)
