"""Beside time: are the numbers finite, are the uncond rows what they were, how exact is half precision, and does a
step's attention wait for the card?"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from benchmarks.work import Work


def checked(work: Work, made: dict[str, torch.Tensor]) -> dict[str, str]:
    """After `work.prepare()`; `made` are the latents of each arm."""
    plain, read = _plain(work), _read(work)
    half = len(plain) // 2
    off = float((plain[half:] - read[half:]).abs().max())
    changed = float((plain[:half] - read[:half]).abs().max())
    return {"finite": "yes" if all(latent.isfinite().all() for latent in made.values()) else "NO",
            "uncond rows": "the same bits" if off == 0 else f"off by {off:.2g}",
            "cond rows": f"changed by {changed:.2g}",
            "a step waits for the card": waits(work)}


@torch.no_grad()
def exactness(work: Work) -> dict[str, str]:
    """Relative errors of one evaluation in half precision, without an image prompt and with one; each precision records
    for itself."""
    full = replace(work, unet=_in_full(work), dtype=torch.float32)
    for name in ("picture", "noise", "text", "context"):
        setattr(full, name, getattr(work, name).float())
    full.chain = type(work.chain)(work.chain.sigmas, tuple(latent.float() for latent in work.chain.latents))
    return {"error of half precision, plain": f"{_relative(_plain(work), _plain(full)):.2g}",
            "error of half precision, reading": f"{_relative(_read(work), _read(full)):.2g}"}


def waits(work: Work) -> str:
    """"no", or where a step of the stratified phase or of the concatenation phase asked the card for something."""
    if work.device.type != "cuda":
        return "no GPU to wait for"
    memory = work.remember(work.bank, "picture")
    with torch.no_grad(), work.generation(work.read(work.chain, memory)) as generation:
        for t in (*work.timesteps, *work.timesteps):  # everything that is made once is there then
            work.read_by_rows(generation, t)
        torch.cuda.synchronize()
        try:
            with _forbidden():
                for t in work.timesteps:
                    work.read_by_rows(generation, t)
        except RuntimeError as error:
            frame = [each for each in traceback.extract_tb(error.__traceback__) if "lib_indetail" in each.filename]
            where = f"{frame[-1].filename.rpartition('/')[2]}:{frame[-1].lineno}" if frame else "outside lib_indetail"
            return f"YES, {where}: {str(error).splitlines()[0]}"
    return "no"


@contextmanager
def _forbidden() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@torch.no_grad()
def _plain(work: Work) -> torch.Tensor:
    return work.rows(work.noise, work.timesteps[len(work.timesteps) // 2]).float()


@torch.no_grad()
def _read(work: Work) -> torch.Tensor:
    t = work.timesteps[len(work.timesteps) // 2]
    with work.generation(work.read(work.chain)) as generation:
        return work.read_by_rows(generation, t).float()


def _in_full(work: Work) -> torch.nn.Module:
    return copy.deepcopy(work.unet).float()


def _relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())
