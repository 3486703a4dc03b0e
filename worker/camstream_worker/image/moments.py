"""Centre of mass and rms of a profile."""

import math

import numpy as np
import numpy.typing as npt

from camstream_worker.image.kernels import fit as kernel

Floats = npt.NDArray[np.float64]


def moments(axis: Floats, profile: Floats, offset: float, mean: float, sigma: float) -> tuple[float, float]:
    """Centre of mass and rms of what is above the offset and within five sigma of the mean.

    Weights are shares of the *whole* profile, also of what is cut away (cam_server, section 6.3). They say little
    where most of the sum is noise. NaN where the fit has no finite numbers.
    """
    if not math.isfinite(offset + mean + sigma):
        return math.nan, math.nan
    return kernel.moments(axis, profile, offset, mean, sigma)


def moments_plain(axis: Floats, profile: Floats, offset: float, mean: float, sigma: float) -> tuple[float, float]:
    """The numpy form of :func:`moments`, for finite numbers."""
    weights = profile - offset
    total = weights.sum()
    if total != 0:
        weights = weights / total
    weights = np.where(np.abs(axis - mean) > 5 * sigma, 0.0, weights)
    center = float((axis * weights).sum())
    return center, math.sqrt(abs(float(((axis - center) ** 2 * weights).sum())))
