"""Ahead of sampling: with the chain known, many noise levels are recorded as few large UNet calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch

from lib_indetail.bank.memory import BankMemory
from lib_indetail.bank.recording import Hearing
from lib_indetail.errors import Interrupted
from lib_indetail.inversion.inverter import Model, Progress
from lib_indetail.methods.plans import InDetail

MOST_ROWS = 8
ROW_BYTES = 13000
"""What one row of a call needs for each latent cell and byte of a number, measured on SD 1.5's UNet."""


def banks_read(method: InDetail, levels: Iterable[tuple[float, float]]) -> dict[str, list[float]]:
    """For every bank the noise levels at which rows will read it, of `levels` (sigma, u)."""
    read: dict[str, list[float]] = {}
    for sigma, u in levels:
        for bank in sorted(method.banks(u)):
            read.setdefault(bank, []).append(sigma)
    return read


def rows_at_once(free: int, latent: torch.Tensor, bytes_each: int) -> int:
    """How many rows of [1, C, H, W] a call may have with so many bytes free, in numbers of `bytes_each`."""
    row = ROW_BYTES * latent.shape[-2] * latent.shape[-1] * bytes_each
    return min(MOST_ROWS, max(1, free // row))


def record_ahead(models: Mapping[str, Model], wanted: Mapping[str, list[float]], memory: BankMemory,
                 latent_at: Callable[[float], torch.Tensor], timestep: Callable[[float], float],
                 hearing: Callable[[str], Hearing], rows: int, *, progress: Progress | None = None,
                 interrupted: Callable[[], bool] | None = None) -> None:
    """Record the `wanted` levels of each bank that the memory lacks and has room for, up to `rows` to a call.

    `models` are the passes by bank, `latent_at` a chain's `at`, `timestep(sigma)` what the sampler will feed the UNet;
    `hearing(bank)` gives the recorder's ear (`recording.listened`). Out of memory on a GPU: smaller calls, and at last
    none, for what is missing is recorded live. Raises Interrupted.
    """
    total = sum(len(memory.missing(bank, sigmas)) for bank, sigmas in wanted.items())
    done = 0
    for bank, sigmas in wanted.items():
        while part := memory.missing(bank, sigmas)[:rows]:
            if interrupted is not None and interrupted():
                raise Interrupted("The recording of the image prompt was interrupted.")
            latents = torch.cat([latent_at(sigma) for sigma in part])
            try:
                with hearing(bank)(part):
                    models[bank](latents, torch.tensor([timestep(sigma) for sigma in part], device=latents.device))
            except torch.cuda.OutOfMemoryError:
                if rows == 1:
                    return
                rows //= 2
                continue
            if part == memory.missing(bank, sigmas)[:rows]:
                return
            done += len(part)
            if progress is not None:
                progress(done, max(done, total))
