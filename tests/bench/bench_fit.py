"""The Gaussian fit with centre of mass and rms, against scipy's curve_fit."""

import warnings

import baseline
import numpy as np
from harness import Measurement, interleaved, microseconds
from scipy.optimize import OptimizeWarning, curve_fit

from camstream_worker.image.gaussian import fit_gaussian, start_values
from camstream_worker.image.moments import moments

SAMPLES = (640, 1280, 2560)
EXACT_PX = 1e-7
"""How far centre and sigma may be from the true minimum [pixel]."""


def profile(samples: int, seed: int) -> np.ndarray:
    """Column sums of a beam on a pedestal, with noise."""
    x = np.arange(samples)
    rng = np.random.default_rng(seed)
    return (1e5 + 1.8e6 * np.exp(-((x - 0.47 * samples) ** 2) / (2 * (0.05 * samples) ** 2)) + rng.normal(0, 100, samples)).round()


def require_minimum(axis: np.ndarray, samples: np.ndarray) -> None:
    """Compare with curve_fit, with exact derivatives and as tight as it goes."""
    ours = fit_gaussian(axis, samples)
    start = (ours.offset, ours.amplitude, ours.mean, ours.sigma)
    # From a little aside: it shall find its own way back.
    aside = np.array(start) * (1 + 1e-4)
    found, _ = curve_fit(baseline.gauss, axis, samples, p0=aside, jac=_derivatives, ftol=1e-15, xtol=1e-15, gtol=0, maxfev=1000)
    centre, sigma = abs(found[2] - ours.mean), abs(abs(found[3]) - ours.sigma)
    if not (ours.converged and centre < EXACT_PX and sigma < EXACT_PX):
        raise RuntimeError(f"the fit is {centre} px (centre) and {sigma} px (sigma) from the minimum: {ours}")


def _derivatives(x: np.ndarray, _offset: float, amplitude: float, mean: float, sigma: float) -> np.ndarray:
    u = (x - mean) / sigma
    e = np.exp(-u * u / 2)
    return np.stack([np.ones_like(x), e, amplitude * e * u / sigma, amplitude * e * u * u / sigma], axis=1)


def compare(samples: int, rounds: int) -> Measurement:
    axis = np.arange(samples, dtype=float)
    profiles = [profile(samples, seed) for seed in range(8)]
    for one in profiles:
        require_minimum(axis, one)

    def ours(i: int) -> object:
        p = profiles[i % 8]
        fit = fit_gaussian(axis, p)
        return moments(axis, p, fit.offset, fit.mean, fit.sigma)

    def scipy_and_numpy(i: int) -> object:
        p = profiles[i % 8]
        found, _ = curve_fit(baseline.gauss, axis, p, p0=start_values(axis, p))
        return baseline.moments(axis, p, found)

    medians = interleaved({"curve_fit": scipy_and_numpy, "camstream": ours}, rounds, calls=16)
    ratio = medians["curve_fit"] / medians["camstream"]
    return Measurement(
        "Gaussian fit, centre of mass, rms", f"{samples} samples", ratio, 45, True, "scipy's curve_fit and numpy", microseconds(medians)
    )


def compare_noise(samples: int, rounds: int) -> Measurement:
    """A profile without a beam, where there is nothing to converge to."""
    axis = np.arange(samples, dtype=float)
    profiles = [np.random.default_rng(seed).normal(1e5, 100, samples).round() for seed in range(16)]

    def curve_fit_or_give_up(i: int) -> None:
        p = profiles[i % 16]
        try:
            curve_fit(baseline.gauss, axis, p, p0=start_values(axis, p))
        except RuntimeError:
            return

    def ours(i: int) -> None:
        fit_gaussian(axis, profiles[i % 16])

    with warnings.catch_warnings(category=OptimizeWarning, action="ignore"):
        medians = interleaved({"curve_fit": curve_fit_or_give_up, "camstream": ours}, rounds, calls=16)
    ratio = medians["curve_fit"] / medians["camstream"]
    return Measurement("Gaussian fit of noise only", f"{samples} samples", ratio, 10, True, "scipy's curve_fit", microseconds(medians))


def run(short: bool) -> list[Measurement]:
    rounds = 7 if short else 41
    return [*(compare(samples, rounds) for samples in SAMPLES), compare_noise(1280, 3 if short else 15)]
