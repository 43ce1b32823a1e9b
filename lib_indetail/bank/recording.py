"""The record pass: what the image latent's self-attention makes of it at one noise level."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import torch
from torch import nn

from lib_indetail.attention.installed import Installed
from lib_indetail.attention.layers import sites
from lib_indetail.attention.sites import Site
from lib_indetail.bank.image_branch import Branch
from lib_indetail.bank.memory import Memory, Recorded, away
from lib_indetail.bank.streaming import OneAhead
from lib_indetail.errors import CannotAct
from lib_indetail.noise.finite import RECORD, finite

Hearing = Callable[[Sequence[float]], contextlib.AbstractContextManager]


class Ear:
    """Hears the keys and values of some layers, by name, while a pass of the image latent goes through them."""

    def __init__(self, layers: Mapping[str, nn.Module]):
        self._layers = dict(layers)
        self._heard: Heard | None = None

    @property
    def active(self) -> bool:
        """Whether the call that goes through the UNet now is such a pass."""
        return self._heard is not None

    def install(self, installed: Installed) -> None:
        for name, module in self._layers.items():
            for index, projection in enumerate((module.to_k, module.to_v)):
                installed.after(projection, self._listener(name, index))

    @contextlib.contextmanager
    def hearing(self, heard: Heard) -> Iterator[None]:
        """One pass inside; it may be broken off, and the rest of the block with it."""
        self._heard = heard
        try:
            with contextlib.suppress(_Enough):
                yield
        finally:
            self._heard = None

    def forget(self) -> None:
        self._heard = None

    def hear(self, name: str, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Those of a site that is no module."""
        if self._heard is not None:
            for index, part in enumerate((keys, values)):
                self._heard.add(name, index, part)

    def _listener(self, name: str, index: int) -> Callable:
        def indetail_after_projection(module, args, output):
            if self._heard is not None:
                self._heard.add(name, index, output)

        return indetail_after_projection


class Heard:
    """What is heard of a pass of some rows. Each part of the `wanted` layers is handed to `put` as it comes; behind the
    last one the pass is broken off, unless it is wanted `to_the_end`."""

    def __init__(self, wanted: Collection[str], rows: int = 1,
                 put: Callable[[torch.Tensor], torch.Tensor] = lambda part: part, to_the_end: bool = False):
        self._wanted, self._rows, self._put, self._to_the_end = wanted, rows, put, to_the_end
        self._parts: dict[tuple[str, int], torch.Tensor] = {}

    def add(self, name: str, index: int, output: torch.Tensor) -> None:
        """Keys (index 0) or values (1) of a layer."""
        if name not in self._wanted:
            return
        self._parts[name, index] = self._put(output.detach()).reshape(self._rows, -1, output.shape[-1])
        if not self._to_the_end and len(self._parts) == 2 * len(self._wanted):
            raise _Enough

    def check(self, stage: str = RECORD) -> None:
        """Raises CannotAct for NaN. It is looked for in the last layer, to which it comes from all before it."""
        for part in list(self._parts.values())[-2:]:
            finite(part, stage)

    def recorded(self, row: int = 0) -> Recorded:
        return {name: tuple(self._parts[name, index][row:row + 1] for index in (0, 1)) for name in self._wanted}


class Recorder:
    """Runs image latents through the plain UNet and keeps the keys and values of some sites, by bank: of modules, and
    of `functions`. What a branch's memory knows is not computed again."""

    def __init__(self, unet: nn.Module, branches: Mapping[str, Branch], functions: Sequence[Site] = ()):
        self._branches = dict(branches)
        modules = {bank: sites(unet, branch.where) for bank, branch in branches.items()}
        self._wanted = {bank: [site.name for site in (*modules[bank], *functions)
                               if any(where.has(site) for where in branch.where)] for bank, branch in branches.items()}
        self.layers = {site.name: module for found in modules.values() for site, module in found.items()}
        self.ear = Ear(self.layers)
        self._arriving = {bank: OneAhead(branch.memory) for bank, branch in branches.items() if branch.memory}

    def bank(self, bank: str, sigma: float, x: torch.Tensor, timesteps: torch.Tensor) -> Recorded:
        """The bank's keys and values that are read at noise level `sigma`, for a UNet call with `x` and `timesteps`.

        Raises CannotAct if the call is on another size than the image latent.
        """
        branch = self._branches[bank]
        level = branch.level(sigma)
        latent = branch.latent_at(level).to(x)
        if latent.shape[-2:] != x.shape[-2:]:
            raise of_another_size(x, latent)
        arriving = self._arriving.get(bank)
        layers = arriving.recall(branch.text, level, x.device, branch.levels) if arriving else None
        if layers is None:
            fed = torch.full_like(timesteps[:1], branch.timestep(level)) if branch.levels else timesteps[:1]
            layers = self._run(bank, latent, fed)
            if branch.memory:
                branch.memory.keep(branch.text, level, layers)
        return layers

    def level(self, bank: str, sigma: float) -> float:
        """At which the bank is recorded that is read at `sigma`."""
        return self._branches[bank].level(sigma)

    def records(self, bank: str, layer: str) -> bool:
        """Whether it is recorded in the layer of that name."""
        return layer in self._wanted.get(bank, ())

    def forget(self) -> None:
        self.ear.forget()
        for arriving in self._arriving.values():
            arriving.forget()

    def _run(self, bank: str, latent: torch.Tensor, timesteps: torch.Tensor) -> Recorded:
        heard = Heard(self._wanted[bank])
        with self.ear.hearing(heard), torch.no_grad():
            self._branches[bank].run(latent, timesteps)
        heard.check()
        return heard.recorded()


@contextlib.contextmanager
def listened(layers: Mapping[str, nn.Module], memory: Memory, bank: str, to_the_end: bool = True,
             of: Collection[float] | None = None, stage: str = RECORD) -> Iterator[Hearing]:
    """Gives `hearing(sigmas)`: the memory keeps what a pass inside that shows, as the bank, row by row at these levels,
    but for those that are none `of` some. Unless it is wanted `to_the_end` the pass is broken off behind the last
    layer. `stage` is what NaN is said to be of."""
    ear, installed = Ear(layers), Installed()
    ear.install(installed)

    @contextlib.contextmanager
    def hearing(sigmas: Sequence[float]) -> Iterator[None]:
        heard = Heard(layers, len(sigmas), away, to_the_end)
        with ear.hearing(heard):
            yield
        heard.check(stage)
        for row, sigma in enumerate(sigmas):
            if of is None or sigma in of:
                memory.keep(bank, sigma, heard.recorded(row))

    try:
        yield hearing
    finally:
        installed.remove()


class _Enough(Exception):
    """All layers are recorded: the rest of the pass would be for nothing."""


def of_another_size(x: torch.Tensor, latent: torch.Tensor) -> CannotAct:
    """Of a call with `x` where the sampler's latent is another."""
    return CannotAct(f"{{someone}} runs the UNet on a size of its own ({_size(x)} instead of {_size(latent)} latent "
                     "cells), as tiles do")


def _size(latent: torch.Tensor) -> str:
    return f"{latent.shape[-1]}x{latent.shape[-2]}"
