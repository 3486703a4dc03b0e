"""Fit of a Gaussian on an offset: b + A exp(-(x - m)^2 / (2 s^2))."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from camstream_worker.image.kernels import fit as kernel

Floats = npt.NDArray[np.float64]

PARAMETERS = 4


class GaussianFit(NamedTuple):
    """A fit and how it was obtained."""

    offset: float
    """b, in units of the profile."""
    amplitude: float
    """A, in units of the profile; negative for a dip."""
    mean: float
    """m, in the unit of the axis."""
    sigma: float
    """s, in the unit of the axis; positive."""
    converged: bool
    """Whether these are the least squares. Otherwise the numbers are the start values."""
    reduced_chi_squared: float
    """Sum of squared residuals over (n - 4), in squared units of the profile; NaN where there was no fit."""


def start_values(axis: Floats, profile: Floats) -> tuple[float, float, float, float]:
    """Offset, amplitude, mean and sigma from minimum, range, highest sample and area; NaN and infinity go through.

    The compiled form is part of :func:`camstream_worker.image.kernels.fit.gaussian`.
    """
    offset = float(profile.min())
    amplitude = float(profile.max()) - offset
    mean = float(axis[int(profile.argmax())])
    if amplitude == 0:
        return offset, amplitude, mean, 1.0
    with np.errstate(invalid="ignore"):
        sigma = abs(float(np.trapezoid(profile - offset, axis))) / (amplitude * math.sqrt(2 * math.pi))
    return offset, amplitude, mean, sigma


def fit_gaussian(axis: Floats, profile: Floats) -> GaussianFit:
    """Least squares, all samples with equal weight.

    Where cam_server's fit stops when the sum of squares changes little, this one goes on to the minimum. Like there, the start
    values stand in for a fit that does not converge: too few or infinite samples, a flat profile, a peak narrower than a sample, noise.

    :param axis: shape (n,), contiguous
    :param profile: shape (n,), contiguous, n >= 1
    """
    values = np.empty(5)
    outcome = kernel.gaussian(axis, profile, values)
    if outcome == kernel.INFINITE:
        return GaussianFit(*start_values(axis, profile), False, math.nan)
    offset, amplitude, mean, sigma, squares = values.tolist()
    freedom = len(profile) - PARAMETERS
    return GaussianFit(offset, amplitude, mean, sigma, outcome == kernel.CONVERGED, squares / freedom if freedom > 0 else math.nan)


def curve(axis: Floats, fit: GaussianFit) -> npt.NDArray[np.float32]:
    """The fitted model over the axis, in the type of cam_server (there under NumPy 1)."""
    if not math.isfinite(sum(fit[:PARAMETERS])):
        return curve_plain(axis, fit)
    model = np.empty(len(axis), np.float32)
    kernel.curve(axis, fit.offset, fit.amplitude, fit.mean, fit.sigma, model)
    return model


def curve_plain(axis: Floats, fit: GaussianFit) -> npt.NDArray[np.float32]:
    """The numpy form of :func:`curve`."""
    model = fit.offset + fit.amplitude * np.exp(-((axis - fit.mean) ** 2) / (2 * fit.sigma**2))
    return np.asarray(model, np.float32)
