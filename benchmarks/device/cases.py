"""What is measured: one base case, then one factor varied at a time, in the order of their worth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn.attention import SDPBackend

from benchmarks.device.unet import SD15, SDXL, TINY, Shape
from lib_indetail.attention.masks import token_mask, token_means
from lib_indetail.attention.per_layer import PerLayer
from lib_indetail.bank.memory import BankMemory, Recorded, size_of

EVERY = ("plain", "default", "warm", "no bank", "cold, DDIM", "cold, one pass", "reference_only's rule")
FEW = ("plain", "warm")
MOST = ("plain", "default", "warm", "no bank", "cold, DDIM")


class OnTheDevice(BankMemory):
    """Keeps keys and values where they were made, not in main memory."""

    def keep(self, bank: str, sigma: float, layers: Recorded) -> None:
        self.cache.put(self._entry(bank, sigma), {name: tuple(part.clone() for part in pair)
                                                  for name, pair in layers.items()}, size_of(layers), self._is_ours)


@dataclass(frozen=True)
class Case:
    """`cells` are the latent's sides; `exact` compares with full precision too."""

    name: str
    shape: Shape
    cells: int
    batch: int = 1
    dtype: torch.dtype = torch.float16
    mask: str = ""
    kernel: SDPBackend | None = None
    remember: type[BankMemory] = BankMemory
    arms: tuple[str, ...] = MOST
    exact: bool = False

    def take(self) -> PerLayer | None:
        """The mask of the image prompt: its left half, or a ramp from left to right."""
        ramp = torch.linspace(0, 1, self.cells).expand(self.cells, -1)
        if not self.mask:
            return None
        return token_mask(ramp < 0.5) if self.mask == "hard" else token_means(ramp)


BASE = Case("SDXL, 1024x1024", SDXL, 128, arms=EVERY, exact=True)
KERNELS = {"flash": SDPBackend.FLASH_ATTENTION, "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
           "cuDNN": SDPBackend.CUDNN_ATTENTION}
CASES = (
    BASE,
    replace(BASE, name="SD 1.5, 512x512", shape=SD15, cells=64),
    replace(BASE, name="SD 1.5, 768x768", shape=SD15, cells=96, arms=MOST, exact=False),
    replace(BASE, name="batch 4", batch=4, arms=MOST, exact=False),
    replace(BASE, name="bfloat16", dtype=torch.bfloat16, arms=MOST, exact=False),
    replace(BASE, name="keys and values on the card", remember=OnTheDevice, arms=FEW, exact=False),
    replace(BASE, name="a mask, hard", mask="hard", arms=FEW, exact=False),
    replace(BASE, name="a mask, soft (a bias)", mask="soft", arms=FEW, exact=False),
    *(replace(BASE, name=f"attention: {name}", kernel=kernel, arms=FEW, exact=False)
      for name, kernel in KERNELS.items()),
    replace(BASE, name="attention: plain matrices, SD 1.5, 512x512", shape=SD15, cells=64, kernel=SDPBackend.MATH,
            arms=FEW, exact=False),
)
"""Plain matrices at SDXL's size would need a square of 4096 tokens for each head."""

REHEARSAL = tuple(replace(case, shape=TINY, cells=16, dtype=case.dtype if case.name in ("bfloat16", BASE.name)
                          else torch.float32) for case in CASES if case.kernel in (None, SDPBackend.MATH))
"""The same on a CPU, with the smallest UNet."""
