"""Where to cut a beam into bands."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Bands(NamedTuple):
    """Bands of equal width along an axis, in the order of its samples."""

    starts: tuple[int, ...]
    """First sample of each band."""
    half: int
    """Half the width of a band, in samples."""

    def centers(self, axis: Floats) -> list[float]:
        """Position of the middle of each band."""
        return [float(axis[start + self.half]) for start in self.starts]

    def length(self, axis: Floats) -> float:
        """Width of the middle band, in the unit of the axis."""
        start = self.starts[len(self.starts) // 2]
        return float(abs(axis[start] - axis[start + 2 * self.half]))


def index_of(axis: Floats, value: float) -> int:
    """The sample at a position, or the one before it (after it on a descending axis); the first or last one if it is outside."""
    last = len(axis) - 1
    if axis[0] > axis[-1]:
        if value > axis[0]:
            return 0
        return last if value < axis[-1] else int(np.searchsorted(-axis, -value))
    if value < axis[0]:
        return 0
    return last if value > axis[-1] else int(np.searchsorted(axis, value, side="right")) - 1


def bands(axis: Floats, mean: float, sigma: float, count: int, scale: float) -> Bands | None:
    """Bands about the middle of a beam: ``scale`` sigma wide together, as many of them (always odd) as fit.

    None if not even the middle one fits.
    """
    count += 1 - count % 2
    middle = index_of(axis, mean)
    half = max(abs(index_of(axis, mean + scale * sigma / count / 2) - middle), 1)
    start, end = middle - half, middle + half
    if start < 0 or end >= len(axis):
        return None
    pairs = min((count - 1) // 2, start // (2 * half), (len(axis) - 1 - end) // (2 * half))
    return Bands(tuple(start + 2 * half * i for i in range(-pairs, pairs + 1)), half)


def line(x: list[float], y: list[float]) -> tuple[float, float]:
    """Slope and offset of the straight line nearest to the points (at least two of different x), by least squares."""
    dx = np.asarray(x) - np.mean(x)
    slope = float(np.dot(dx, y) / np.dot(dx, dx))
    return slope, float(np.mean(y)) - slope * float(np.mean(x))
