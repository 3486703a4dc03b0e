"""Full width of a peak at a level."""

import math

import numpy as np
import numpy.typing as npt

from camstream_worker.image.kernels import fit as kernel

Floats = npt.NDArray[np.float64]


def full_width(axis: Floats, profile: Floats, level: float) -> float:
    """Width between the crossings nearest to the peak, at this share of the profile's range above its minimum.

    Crossings lie on straight lines between samples. A side that never falls that far is told by the line through its last two samples.
    NaN for a flat profile or one with NaN or infinity; 0 for a single sample.
    """
    return kernel.full_width(axis, profile, level)


def full_width_plain(axis: Floats, profile: Floats, level: float) -> float:
    """The numpy form of :func:`full_width`, for finite profiles."""
    if len(profile) < 2:
        return 0.0
    lowest = profile.min()
    cut = lowest + (profile.max() - lowest) * level
    if not cut > lowest:
        return math.nan
    peak = int(profile.argmax())
    low = profile <= cut
    before, after = np.flatnonzero(low[1:peak]), np.flatnonzero(low[peak + 1 :])
    left = int(before[-1]) + 1 if len(before) else 0
    right = int(after[0]) + peak + 1 if len(after) else len(profile) - 1
    return abs(_crossing(axis, profile, cut, right - 1) - _crossing(axis, profile, cut, left))


def _crossing(axis: Floats, profile: Floats, cut: float, index: int) -> float:
    """Where the line through a sample and the next one is at the cut."""
    step = profile[index + 1] - profile[index]
    return float(axis[index] + (cut - profile[index]) / step * (axis[index + 1] - axis[index])) if step != 0 else math.nan
