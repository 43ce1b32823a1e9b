"""The image branch: for every bank the latents that it is recorded from, and the pass that shows them to the UNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from lib_indetail.attention.sites import Where
from lib_indetail.bank.levels import Levels
from lib_indetail.bank.memory import Memory

RecordPass = Callable[[torch.Tensor, torch.Tensor], object]


@dataclass(frozen=True, eq=False)
class Branch:
    """How one bank comes to be.

    latent_at: sigma -> z^P, variance-preserving, [1, C, H, W]: a chain's `at`.
    run: (z [1, C, H, W], timesteps [1]) runs the plain UNet on the image latent with the bank's text; its
        keys and values are what the bank holds.
    where: at which sites.
    memory: banks that were recorded before; it knows this one by `text`, which says nothing of where the picture
        stands among others.
    levels: those that are recorded, where not all are that are sampled; then `timestep(sigma)` is what the UNet is fed
        at one of them.
    """

    latent_at: Callable[[float], torch.Tensor]
    run: RecordPass
    text: str
    where: Sequence[Where] = (Where(),)
    memory: Memory | None = None
    levels: Levels | None = None
    timestep: Callable[[float], float] | None = None

    def level(self, sigma: float) -> float:
        """At which it is recorded for those that read it at `sigma`."""
        return self.levels.read_at(sigma) if self.levels else sigma


def branches(latent_at: Callable[[float], torch.Tensor], passes: Mapping[str, RecordPass], blocks: str = "decoder",
             memory: Memory | None = None, levels: Levels | None = None,
             timestep: Callable[[float], float] | None = None) -> dict[str, Branch]:
    """Of one picture, by bank: its self-attention in these blocks."""
    where = (Where("self", blocks),)
    return {bank: Branch(latent_at, run, bank, where, memory, levels, timestep) for bank, run in passes.items()}
