"""A training stage that ends when its minutes are over: its rate follows the clock, and what it has is written as it
goes."""

from __future__ import annotations

import copy
import itertools
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

SHOWN, PARTS = 50, 10
"""Losses are written as means over so many steps, or over such a part of the stage, whichever is less."""
SEED = 20261128


@dataclass
class Clock:
    """How far a stage is: by seconds, or by steps in a rehearsal."""

    seconds: float = 0.0
    steps: int = 0
    step: int = 0
    _begun: float = field(default_factory=time.monotonic)

    @property
    def progress(self) -> float:
        """0 to 1, when the stage is over."""
        share = self.step / self.steps if self.steps else (time.monotonic() - self._begun) / max(self.seconds, 1e-9)
        return min(1.0, share)


class Stage:
    """`modules` are trained, and the slow means of their weights are what the stage gives. Its file is written at the
    end and now and then; losses go to a file of lines."""

    def __init__(self, name: str, work: Path, modules: dict[str, nn.Module], clock: Clock, rate: float,
                 decay: float = 0.998):
        self.name, self.modules, self.clock, self.rate, self.decay = name, modules, clock, rate, decay
        self.path, self.log = work / f"{name}.pt", work / f"{name}.jsonl"
        self.device = next(next(iter(modules.values())).parameters()).device
        self.averages = {key: copy.deepcopy(module).requires_grad_(False) for key, module in modules.items()}
        self._parameters = list(itertools.chain.from_iterable(module.parameters() for module in modules.values()))
        self.optimiser = torch.optim.AdamW(self._parameters, lr=rate, weight_decay=1e-3, betas=(0.9, 0.99), fused=True)
        self.lot = torch.Generator().manual_seed(SEED + sum(map(ord, name)))
        self.log.write_text("")

    def run(self, loss_of: Callable[[torch.Generator, float], dict[str, torch.Tensor]],
            save_every: float = 60.0) -> dict[str, nn.Module]:
        """`loss_of(lot, progress)` gives named losses; "loss" is the one that is minimised."""
        shown, told, saved = [], 0.0, time.monotonic()
        while (progress := self.clock.progress) < 1 or self.clock.step == 0:
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate * self._share(progress)
            self.optimiser.zero_grad(set_to_none=True)
            losses = loss_of(self.lot, progress)
            losses["loss"].backward()
            nn.utils.clip_grad_norm_(self._parameters, 1.0)
            self.optimiser.step()
            self._average()
            self.clock.step += 1
            shown.append({name: value.detach() for name, value in losses.items()})
            if len(shown) == SHOWN or progress >= told + 1 / PARTS:
                self._tell(shown)
                shown, told = [], progress
            if time.monotonic() - saved > save_every:
                self.save()
                saved = time.monotonic()
        if shown:
            self._tell(shown)
        self.save()
        return {key: module.eval().requires_grad_(False) for key, module in self.averages.items()}

    def save(self) -> None:
        """The averaged weights; written under another name and renamed."""
        state = {key: module.state_dict() for key, module in self.averages.items()}
        partial = self.path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.path)

    def _share(self, progress: float) -> float:
        """Of the rate: a short warm-up, then a cosine down to a twentieth."""
        warm = min(1.0, (self.clock.step + 1) / 100)
        return warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))

    @torch.no_grad()
    def _average(self) -> None:
        """Short at first, so that a short stage forgets where it began."""
        decay = min(self.decay, (1 + self.clock.step) / (10 + self.clock.step))
        for key, module in self.modules.items():
            ours, theirs = list(self.averages[key].parameters()), list(module.parameters())
            torch._foreach_lerp_(ours, theirs, 1 - decay)
            for mean, now in zip(self.averages[key].buffers(), module.buffers(), strict=True):
                mean.copy_(now)

    def _tell(self, losses: list[dict[str, torch.Tensor]]) -> None:
        means = {name: round(float(torch.stack([each[name].float() for each in losses]).mean()), 5)
                 for name in losses[0]}
        line = {"step": self.clock.step, "progress": round(self.clock.progress, 3), **means}
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(self.name, json.dumps(line), flush=True)
