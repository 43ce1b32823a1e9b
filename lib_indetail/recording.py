"""The record pass: what the image latent's self-attention makes of it at one noise level."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import torch
from torch import nn

from lib_indetail.algebra import KeysValues
from lib_indetail.errors import SOMEONE, CannotAct
from lib_indetail.installed import Installed

RecordPass = Callable[[torch.Tensor, torch.Tensor], object]
Layers = dict[str, KeysValues]


class Memory(Protocol):
    """Remembers the keys and values of a bank at a noise level."""

    def recall(self, bank: str, sigma: float, device: torch.device) -> Layers | None: ...

    def keep(self, bank: str, sigma: float, layers: Layers) -> None: ...


class Recorder:
    """Runs the image latent through the plain UNet and keeps the keys and values of some layers.

    `layers` are the attention modules by name; `latent_at`, `passes` as for `InDetailHooks`; what `memory` knows is
    not computed again.
    """

    def __init__(self, layers: Mapping[str, nn.Module], latent_at: Callable[[float], torch.Tensor],
                 passes: Mapping[str, RecordPass], memory: Memory | None = None):
        self._layers, self._latent_at, self._passes, self._memory = dict(layers), latent_at, dict(passes), memory
        self._recorded: dict[str, dict[int, torch.Tensor]] | None = None
        self._to_the_end = False

    @property
    def active(self) -> bool:
        """Whether the call that goes through the UNet now is a record pass."""
        return self._recorded is not None

    def install(self, installed: Installed) -> None:
        for name, module in self._layers.items():
            for index, projection in enumerate((module.to_k, module.to_v)):
                installed.after(projection, self._listener(name, index))

    def bank(self, bank: str, sigma: float, x: torch.Tensor, timesteps: torch.Tensor) -> Layers:
        """The bank's keys and values at noise level `sigma`, for a UNet call with `x` and `timesteps`.

        Raises CannotAct if the call is on another size than the image latent.
        """
        latent = self._latent_at(sigma).to(x)
        if latent.shape[-2:] != x.shape[-2:]:
            raise CannotAct(f"InDetail cannot act: {SOMEONE} runs the UNet on a size of its own "
                            f"({_size(x)} instead of {_size(latent)} latent cells), as tiles do.")
        layers = self._memory.recall(bank, sigma, x.device) if self._memory else None
        if layers is None:
            layers = self._run(bank, latent, timesteps[:1])
            if self._memory:
                self._memory.keep(bank, sigma, layers)
        return layers

    @contextlib.contextmanager
    def listening(self, bank: str, sigma: float) -> Iterator[None]:
        """What a whole pass of the image latent inside shows is kept as its bank at that level."""
        with self._recording(to_the_end=True) as recorded:
            yield
        if self._memory:
            self._memory.keep(bank, sigma, recorded)

    def forget(self) -> None:
        self._recorded = None

    def _run(self, bank: str, latent: torch.Tensor, timesteps: torch.Tensor) -> Layers:
        with self._recording(to_the_end=False) as recorded, contextlib.suppress(_Enough), torch.no_grad():
            self._passes[bank](latent, timesteps)
        return recorded

    @contextlib.contextmanager
    def _recording(self, to_the_end: bool) -> Iterator[Layers]:
        """The layers' keys and values, which are there when it ends."""
        layers: Layers = {}
        self._recorded, self._to_the_end = {name: {} for name in self._layers}, to_the_end
        try:
            yield layers
            layers.update({name: (parts[0], parts[1]) for name, parts in self._recorded.items()})
        finally:
            self._recorded = None

    def _listener(self, name: str, index: int) -> Callable:
        def indetail_after_projection(module, args, output):
            if self._recorded is None:
                return
            self._recorded[name][index] = output.detach().reshape(1, -1, output.shape[-1])
            if not self._to_the_end and all(len(parts) == 2 for parts in self._recorded.values()):
                raise _Enough

        return indetail_after_projection


@contextlib.contextmanager
def listened(layers: Mapping[str, nn.Module], memory: Memory,
             bank: str) -> Iterator[Callable[[float], contextlib.AbstractContextManager]]:
    """Gives `seen(sigma)`: the memory keeps what a pass inside that shows, as the bank at this level. For a one-pass
    inversion."""
    recorder, installed = Recorder(layers, {}.__getitem__, {}, memory), Installed()
    recorder.install(installed)
    try:
        yield lambda sigma: recorder.listening(bank, sigma)
    finally:
        installed.remove()


class _Enough(Exception):
    """All layers are recorded: the rest of the pass would be for nothing."""


def _size(latent: torch.Tensor) -> str:
    return f"{latent.shape[-1]}x{latent.shape[-2]}"
