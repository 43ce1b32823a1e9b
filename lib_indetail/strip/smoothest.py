"""Which frames of many make the smoothest strip (PAID's dynamic selection, its code).

Of all ways from the first image to the last by so many frames in order, it is one whose steps differ least: the
largest and the smallest are `spread` apart at most, and the least spread is searched by halving.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

CLOSE = 1e-6
"""The search ends where the spread is known so well."""
Distances = Sequence[Sequence[float]]
"""[i][j] of images i and j."""


def smoothest(distances: Distances, frames: int) -> list[int]:
    """The numbers of the frames, ascending, the first and the last image among them. Raises ValueError where there are
    fewer images than frames."""
    count = len(distances)
    if not 2 <= frames <= count:
        raise ValueError(f"{frames} frames cannot be chosen among {count} images.")
    if frames == count:
        return list(range(count))
    return chosen(distances, frames) or chosen(distances, frames, above=True) or list(range(frames - 1)) + [count - 1]


def chosen(distances: Distances, frames: int, above: bool = False) -> list[int] | None:
    """What the authors' code chooses, None where it finds nothing: a window of steps that would reach beyond the
    longest distance is passed over, unless those `above` it count too."""
    steps = sorted(distances[i][j] for i in range(len(distances)) for j in range(i + 1, len(distances)))
    low, high, found = 0.0, steps[-1] - steps[0], None
    while high - low > CLOSE:
        spread = (low + high) / 2
        path = _within(distances, frames, spread, steps, above)
        if path is None:
            low = spread
        else:
            high, found = spread, path
    return found


def _within(distances: Distances, frames: int, spread: float, steps: Sequence[float], above: bool) -> list[int] | None:
    for least in steps:
        if not above and least + spread > steps[-1]:
            break
        path = _path(len(distances), frames, lambda i, j, least=least: least <= distances[i][j] <= least + spread)
        if path is not None:
            return path
    return None


def _path(count: int, frames: int, allowed: Callable[[int, int], bool]) -> list[int] | None:
    """From 0 to count - 1 by `frames` ascending numbers, all steps allowed."""
    reached: list[dict[int, int | None]] = [{0: None}]
    for _ in range(frames - 1):
        before = reached[-1]
        reached.append({j: i for j in range(count) for i in before if i < j and allowed(i, j)})
    if count - 1 not in reached[-1]:
        return None
    path = [count - 1]
    for level in reversed(reached[1:]):
        path.append(level[path[-1]])
    return path[::-1]
