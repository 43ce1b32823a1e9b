"""Between two latents on a sphere: noise between two noises stays noise."""

from __future__ import annotations

import torch

PARALLEL = 0.9995
"""Of the cosine between two vectors: beyond it, either way, they are blended in a straight line."""


def slerp(first: torch.Tensor, second: torch.Tensor, amount: float) -> torch.Tensor:
    """first at 0, second at 1, [.., width] each. Every row along the last axis is a vector of its own, as in the code
    of PAID; rows that are parallel, opposite or nothing are blended in a straight line. It is counted in single
    precision."""
    a, b = first.float(), second.float()
    cosines = (a * b).sum(-1, keepdim=True) / (a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True))
    angles = cosines.clamp(-1, 1).arccos()
    arc = (((1 - amount) * angles).sin() * a + (amount * angles).sin() * b) / angles.sin()
    return torch.where(cosines.abs() <= PARALLEL, arc, torch.lerp(a, b, amount)).to(first)
