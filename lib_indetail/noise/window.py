"""When: how far a pass has come, told by its noise level alone, and which phase that is."""

from __future__ import annotations

from dataclasses import dataclass

FULL_NOISE = 1000.0


def position(t: float, first: float = FULL_NOISE) -> float:
    """u = 1 - t / first, 0 where the pass starts and 1 where it is clean.

    `t` is the fractional timestep of a UNet call's noise level; `first` is 1000 for a pass from pure noise,
    else the first timestep of the pass (img2img, second pass). Never below 0, whatever rounding does to t.
    """
    return max(0.0, 1.0 - t / first) if first > 0 else 0.0


@dataclass(frozen=True)
class Window:
    """start <= u < end; an end of 1 includes the last call."""

    start: float
    end: float

    def __contains__(self, u: float) -> bool:
        return self.start <= u and (u < self.end or self.end >= 1)
