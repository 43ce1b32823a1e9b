"""The record pass: what the image latent's self-attention makes of it at one noise level."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from lib_indetail.bank import Layers, Memory, away
from lib_indetail.errors import SOMEONE, CannotAct
from lib_indetail.installed import Installed
from lib_indetail.streaming import OneAhead

RecordPass = Callable[[torch.Tensor, torch.Tensor], object]
Seen = Callable[[Sequence[float]], contextlib.AbstractContextManager]


class Recorder:
    """Runs the image latent through the plain UNet and keeps the keys and values of some layers.

    `layers` are the attention modules by name; `latent_at`, `passes` as for `InDetailHooks`; what `memory` knows is
    not computed again.
    """

    def __init__(self, layers: Mapping[str, nn.Module], latent_at: Callable[[float], torch.Tensor],
                 passes: Mapping[str, RecordPass], memory: Memory | None = None):
        self._layers, self._latent_at, self._passes, self._memory = dict(layers), latent_at, dict(passes), memory
        self._arriving = OneAhead(memory) if memory else None
        self._recording: _Recording | None = None

    @property
    def active(self) -> bool:
        """Whether the call that goes through the UNet now is a record pass."""
        return self._recording is not None

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
        layers = self._arriving.recall(bank, sigma, x.device) if self._arriving else None
        if layers is None:
            layers = self._run(bank, latent, timesteps[:1])
            if self._memory:
                self._memory.keep(bank, sigma, layers)
        return layers

    @contextlib.contextmanager
    def listening(self, bank: str, sigmas: Sequence[float], to_the_end: bool = True) -> Iterator[None]:
        """What a pass of the image latent inside shows is kept as its bank, row by row at these levels. Unless it is
        wanted `to_the_end`, the pass is broken off behind the last layer, and the rest of the block with it."""
        recording = self._recording = _Recording(len(sigmas), away, to_the_end)
        try:
            with contextlib.suppress(_Enough):
                yield
        finally:
            self._recording = None
        for row, sigma in enumerate(sigmas):
            self._memory.keep(bank, sigma, recording.layers(row))

    def forget(self) -> None:
        self._recording = None
        if self._arriving:
            self._arriving.forget()

    def _run(self, bank: str, latent: torch.Tensor, timesteps: torch.Tensor) -> Layers:
        recording = self._recording = _Recording(1)
        try:
            with contextlib.suppress(_Enough), torch.no_grad():
                self._passes[bank](latent, timesteps)
        finally:
            self._recording = None
        return recording.layers(0)

    def _listener(self, name: str, index: int) -> Callable:
        def indetail_after_projection(module, args, output):
            if self._recording is not None:
                self._recording.add(name, index, output, len(self._layers))

        return indetail_after_projection


class _Recording:
    """One pass of some rows being recorded; each part is handed to `put` as it comes."""

    def __init__(self, rows: int, put: Callable[[torch.Tensor], torch.Tensor] = lambda part: part,
                 to_the_end: bool = False):
        self._rows, self._put, self._to_the_end = rows, put, to_the_end
        self._parts: dict[str, dict[int, torch.Tensor]] = {}

    def add(self, name: str, index: int, output: torch.Tensor, layers: int) -> None:
        """Raises _Enough behind the last of so many layers."""
        parts = self._parts.setdefault(name, {})
        parts[index] = self._put(output.detach()).reshape(self._rows, -1, output.shape[-1])
        if not self._to_the_end and sum(map(len, self._parts.values())) == 2 * layers:
            raise _Enough

    def layers(self, row: int) -> Layers:
        return {name: (parts[0][row:row + 1], parts[1][row:row + 1]) for name, parts in self._parts.items()}


@contextlib.contextmanager
def listened(layers: Mapping[str, nn.Module], memory: Memory, bank: str, to_the_end: bool = True) -> Iterator[Seen]:
    """Gives `seen(sigmas)`: the memory keeps what a pass inside that shows, as the bank at these levels."""
    recorder, installed = Recorder(layers, {}.__getitem__, {}, memory), Installed()
    recorder.install(installed)
    try:
        yield lambda sigmas: recorder.listening(bank, sigmas, to_the_end)
    finally:
        installed.remove()


class _Enough(Exception):
    """All layers are recorded: the rest of the pass would be for nothing."""


def _size(latent: torch.Tensor) -> str:
    return f"{latent.shape[-1]}x{latent.shape[-2]}"
