"""Centre of mass and rms of a profile."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from camstream_worker.image.kernels import fit as kernel


class Moments(NamedTuple):
    """In the unit of the axis."""

    center_of_mass: float
    rms: float


def moments(axis: npt.NDArray[np.float64], profile: npt.NDArray[np.float64], offset: float, mean: float, sigma: float) -> Moments:
    """Centre of mass and rms of what is above the offset and within five sigma of the mean.

    Weights are shares of the *whole* profile, also of what is cut away (cam_server, section 6.3). They say little
    where most of the sum is noise. NaN where the fit has no finite numbers.
    """
    if not math.isfinite(offset + mean + sigma):
        return Moments(math.nan, math.nan)
    return Moments(*kernel.moments(axis, profile, offset, mean, sigma))


def moments_plain(axis: npt.NDArray[np.float64], profile: npt.NDArray[np.float64], offset: float, mean: float, sigma: float) -> Moments:
    """The numpy form of :func:`moments`, for finite numbers."""
    weights = profile - offset
    total = weights.sum()
    if total != 0:
        weights = weights / total
    weights = np.where(np.abs(axis - mean) > 5 * sigma, 0.0, weights)
    center = float((axis * weights).sum())
    return Moments(center, math.sqrt(abs(float(((axis - center) ** 2 * weights).sum()))))
