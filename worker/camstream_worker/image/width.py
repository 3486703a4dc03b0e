"""Full width of a peak at a level."""

import math

import numpy as np
import numpy.typing as npt


def full_width(axis: npt.NDArray[np.float64], profile: npt.NDArray[np.float64], level: float) -> float:
    """Width between the crossings nearest to the peak, at this share of the profile's range above its minimum.

    Crossings lie on straight lines between samples. A side that never falls that far is told by the line through its last two samples.
    NaN for a flat profile or one with NaN or infinity; 0 for a single sample. The compiled form is
    :func:`camstream_worker.image.kernels.fit.full_width`.
    """
    if len(profile) < 2:
        return 0.0
    lowest = profile.min()
    height = profile - lowest
    cut = height.max() * level
    if not 0 < cut < math.inf:
        return math.nan
    peak = int(height.argmax())
    low = height <= cut
    before, after = np.flatnonzero(low[1:peak]), np.flatnonzero(low[peak + 1 :])
    left = int(before[-1]) + 1 if len(before) else 0
    right = int(after[0]) + peak + 1 if len(after) else len(profile) - 1
    return abs(_crossing(axis, height, cut, right - 1) - _crossing(axis, height, cut, left))


def _crossing(axis: npt.NDArray[np.float64], height: npt.NDArray[np.float64], cut: float, index: int) -> float:
    """Where the line through a sample and the next one is at the cut."""
    step = height[index + 1] - height[index]
    if step == 0:
        return math.nan
    return float(axis[index] + (cut - height[index]) / step * (axis[index + 1] - axis[index]))
