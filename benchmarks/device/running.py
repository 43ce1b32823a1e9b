"""Runs one case: every arm once to warm up, then in turns, so that none has the machine's better minute."""

from __future__ import annotations

import gc
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from statistics import median

import torch
from torch.nn.attention import sdpa_kernel

from benchmarks.bounds import timed
from benchmarks.device.cases import Case
from benchmarks.device.checks import checked, exactness
from benchmarks.device.unet import Shape, UNet, random_unet
from benchmarks.work import Work

ROUNDS = 3


@dataclass
class Ran:
    """Of a case: seconds of each arm, bytes at the peak, rows through the UNet, and what else was looked at. `failed`
    says why there is no more."""

    case: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    bank_bytes: int = 0
    failed: str = ""

    def median(self, arm: str) -> float:
        return median(self.seconds[arm])


def run(case: Case, device: torch.device, steps: int, limit: float) -> Ran:
    """No round is begun after `limit` seconds. What a case raises ends that case alone."""
    ran, begun = Ran(case), time.monotonic()
    try:
        work = Work(_unet(case.shape, device, case.dtype), case.batch, case.cells, steps, steps, device, case.dtype,
                    case.take(), case.remember)
        with _kernel(case):
            work.prepare()
            ran.bank_bytes = work.bank.bytes
            made = {}
            for turn in range(ROUNDS + 1):
                if turn > 1 and time.monotonic() - begun > limit:
                    break
                for arm in case.arms[::-1 if turn % 2 else 1]:
                    made[arm] = _once(work, arm, ran, turn > 0)
            ran.checks = checked(work, made)
            if case.exact:
                ran.checks |= exactness(work)
    except Exception as error:
        ran.failed = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    finally:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return ran


def _once(work: Work, arm: str, ran: Ran, counts: bool) -> torch.Tensor:
    calls = {"plain": work.plain, "default": work.cold(), "warm": work.warm, "no bank": work.without_bank,
             "reference_only's rule": torch.no_grad()(work.reference_only)}
    call = calls.get(arm) or work.over_all_levels(arm.removeprefix("cold, "))
    kept: list[torch.Tensor] = []
    work.calls.clear()
    if work.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = timed(work, lambda: kept.append(call()))
    if counts:
        ran.seconds.setdefault(arm, []).append(seconds)
        ran.rows[arm] = sum(work.calls)
        ran.peaks[arm] = torch.cuda.max_memory_allocated() if work.device.type == "cuda" else 0
    return kept[0]


def _kernel(case: Case) -> AbstractContextManager:
    return nullcontext() if case.kernel is None else sdpa_kernel(case.kernel)


@cache
def _unets() -> dict[tuple[Shape, torch.dtype], UNet]:
    return {}


def _unet(shape: Shape, device: torch.device, dtype: torch.dtype) -> UNet:
    """The last one is kept: cases that differ in something else share it."""
    if (shape, dtype) not in _unets():
        _unets().clear()
        gc.collect()
        _unets()[shape, dtype] = random_unet(shape, device, dtype)
    return _unets()[shape, dtype]
