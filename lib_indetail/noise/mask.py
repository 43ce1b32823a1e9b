"""How far each cell of a picture's latent counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Mask:
    """`values` [h, w], 0 to 1. Of a `hard` one (padding that is no picture) a token counts wholly or not at all; of
    another as far as its cells do."""

    values: torch.Tensor
    hard: bool = False

    @property
    def cells(self) -> torch.Tensor:
        """Which cells are the picture, [h, w] bool: those that mostly count."""
        if self.hard:
            return self.values > 0
        return self.values >= min(0.5, float(self.values.max()))
