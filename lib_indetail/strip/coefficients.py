"""Where the frames of a strip lie between its ends: evenly, at the quantiles of a Beta distribution, or where the
images that were made so far say that the way is longest (PAID, section 4.3 and its code)."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

LEAST = 1e-6
"""Of alpha and beta, where they are fitted."""


class Beta(NamedTuple):
    """A Beta distribution: where frames come to lie closely. The larger alpha is, the nearer they are to the end."""

    alpha: float
    beta: float

    def share(self, t: float) -> float:
        """Of the way that is done at t."""
        from scipy.special import betainc

        return float(betainc(self.alpha, self.beta, t))

    def quantile(self, share: float) -> float:
        """t at which this share is done."""
        from scipy.special import betaincinv

        return float(betaincinv(self.alpha, self.beta, share))


EVEN = Beta(1.0, 1.0)
UNKNOWN = Beta(3.0, 3.0)
"""What the way is taken for before any image was compared."""


def quantiles(frames: int, beta: Beta = EVEN) -> list[float]:
    """t of so many frames, both ends among them, ascending from 0 to 1."""
    shares = [number / (frames - 1) for number in range(frames)]
    return shares if beta == EVEN else [beta.quantile(share) for share in shares]


def fitted(ts: Sequence[float], distances: Sequence[float]) -> Beta:
    """The Beta distribution whose shares of the way are nearest to those of images at `ts`, of which neighbours are
    `distances` apart, by least squares."""
    from scipy.optimize import curve_fit
    from scipy.special import betainc

    total = sum(distances)
    shares = [0.0, *(done / total for done in accumulate(distances))]
    (alpha, beta), _ = curve_fit(lambda t, alpha, beta: betainc(alpha, beta, t), ts, shares, p0=(1.0, 1.0),
                                 bounds=(LEAST, float("inf")))
    return Beta(float(alpha), float(beta))


def next_t(ts: Sequence[float], distances: Sequence[float], beta: Beta) -> float:
    """Where another image is wanted: in the middle, as `beta` counts the way, of the two neighbours that are farthest
    apart (the first of such)."""
    gap = max(range(len(distances)), key=distances.__getitem__)
    return beta.quantile((beta.share(ts[gap]) + beta.share(ts[gap + 1])) / 2)


def next_even_t(ts: Sequence[float]) -> float:
    """The same where only the coefficients count: in the middle of the first of the widest gaps."""
    first, second = max(pairwise(ts), key=lambda gap: gap[1] - gap[0])
    return (first + second) / 2


def place_of(t: float, ts: Sequence[float]) -> int:
    """Where t belongs among ascending ones."""
    return bisect(ts, t)
