"""Stable Diffusion's noise schedule."""

from __future__ import annotations

import torch


def alphas_cumprod(steps: int = 1000, start: float = 0.00085, end: float = 0.012) -> torch.Tensor:
    """The "scaled linear" one: abar, [steps] float32."""
    betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()
