"""Values that belong to a site's tokens: made once for each size, and on the device from then on, so that an attention
never waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch

from lib_indetail.attention.sites import Tokens

T = TypeVar("T")
CPU = torch.device("cpu")


class PerLayer(Generic[T]):
    """`make(tokens, device)` is asked once for tokens that lie alike and each device, and what it gives is kept."""

    def __init__(self, make: Callable[[Tokens, torch.device], T]):
        self._make = make
        self._made: dict[tuple[Tokens, torch.device], T] = {}
        self._kept: dict[tuple[Tokens, torch.device], torch.Tensor] = {}

    @classmethod
    def pooled(cls, pool: Callable[[Tokens], torch.Tensor]) -> PerLayer[torch.Tensor]:
        """What is made on the CPU, and then sent."""
        each = cls(lambda tokens, device: pool(tokens) if device == CPU else each.on(tokens, CPU).to(device))
        return each

    def on(self, tokens: Tokens, device: torch.device) -> T:
        key = tokens, device
        if key not in self._made:
            self._made[key] = self._make(tokens, device)
        return self._made[key]

    def kept(self, tokens: Tokens, device: torch.device) -> torch.Tensor:
        """Of a mask [tokens]: the numbers of the tokens where it is not 0. They are found on the CPU, since on a device
        one would have to wait for how many there are."""
        key = tokens, device
        if key not in self._kept:
            self._kept[key] = self.on(tokens, CPU).nonzero().flatten().to(device)
        return self._kept[key]

    def __call__(self, tokens: Tokens) -> T:
        return self.on(tokens, CPU)


def on_device(value: Any, tokens: Tokens, device: torch.device) -> Any:
    """What belongs to these tokens, on the device: of a tensor, of a function of the tokens, or kept by a PerLayer.
    What has no device (None) stays what it is."""
    if isinstance(value, PerLayer):
        return value.on(tokens, device)
    made = value(tokens) if callable(value) else value
    return made if made is None else made.to(device)


def kept_numbers(mask: Any, tokens: Tokens, device: torch.device) -> torch.Tensor:
    """The numbers of the tokens where a mask [tokens] is not 0, on the device. Only a PerLayer knows them without
    waiting for a GPU."""
    if isinstance(mask, PerLayer):
        return mask.kept(tokens, device)
    return on_device(mask, tokens, device).nonzero().flatten()
