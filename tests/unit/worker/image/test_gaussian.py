import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from camstream_worker.image.gaussian import GaussianFit, curve, curve_plain, fit_gaussian, start_values
from camstream_worker.image.kernels import fit as kernel

X = np.arange(300.0)


def model(x, offset, amplitude, mean, sigma):
    return offset + amplitude * np.exp(-((x - mean) ** 2) / (2 * sigma**2))


def derivatives(x, _offset, amplitude, mean, sigma):
    u = (x - mean) / sigma
    e = np.exp(-u * u / 2)
    return np.stack([np.ones_like(x), e, amplitude * e * u / sigma, amplitude * e * u * u / sigma], axis=1)


def noisy(seed, noise=200.0, sigma=15.0):
    return (model(X, 1e5, 8e4, 140.3, sigma) + np.random.default_rng(seed).normal(0, noise, X.size)).round()


@settings(deadline=None)  # the first one may have to compile
@given(
    offset=st.floats(-1e6, 1e6),
    amplitude=st.floats(1, 1e7),
    mean=st.floats(60, 240),
    sigma=st.floats(1.5, 40),
)
def test_exact_gaussian_is_found(offset, amplitude, mean, sigma):
    fit = fit_gaussian(X, model(X, offset, amplitude, mean, sigma))
    assert fit.converged
    # Digits that the offset takes from the amplitude.
    lost = 1e-15 * (abs(offset) + amplitude) / amplitude
    assert fit.mean == pytest.approx(mean, abs=sigma * (1e-10 + 1e3 * lost))
    assert fit.sigma == pytest.approx(sigma, rel=1e-9 + 1e4 * lost)
    assert fit.amplitude == pytest.approx(amplitude, rel=1e-9 + 1e4 * lost)


@pytest.mark.parametrize("seed", range(10))
def test_fit_is_the_minimum_that_curve_fit_finds_with_tight_tolerances(seed):
    profile = noisy(seed)
    fit = fit_gaussian(X, profile)
    aside = np.array(fit[:4]) * (1 + 1e-4)
    expected, _ = curve_fit(model, X, profile, p0=aside, jac=derivatives, ftol=1e-15, xtol=1e-15, gtol=0, maxfev=1000)
    assert fit.converged
    assert fit.mean == pytest.approx(expected[2], abs=1e-7)
    assert fit.sigma == pytest.approx(expected[3], abs=1e-7)
    assert fit.offset == pytest.approx(expected[0], abs=1e-7 * fit.amplitude)
    assert fit.amplitude == pytest.approx(expected[1], rel=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_gradient_is_zero_at_the_result(seed):
    profile = noisy(seed, noise=5000)
    fit = fit_gaussian(X, profile)
    residual = profile - model(X, *fit[:4])
    slopes = derivatives(X, *fit[:4])
    cosines = slopes.T @ residual / np.linalg.norm(slopes, axis=0) / np.linalg.norm(residual)
    assert fit.converged
    assert np.abs(cosines).max() < 1e-8


def test_second_derivatives_are_those_of_the_sum_of_squares():
    profile, point = noisy(1, noise=3e4), np.array([1.1e5, 7e4, 143.0, 13.0])
    flat, newton, gradient = np.zeros((4, 4)), np.zeros((4, 4)), np.zeros(4)
    kernel._evaluate(X, profile, point, flat, newton, gradient)

    def downhill(at):
        return derivatives(X, *at).T @ (profile - model(X, *at))

    for i, step in enumerate(1e-5 * np.array([7e4, 7e4, 13, 13])):
        aside = np.eye(4)[i] * step
        slope = (downhill(point - aside) - downhill(point + aside)) / (2 * step)
        full = np.tril(newton) + np.tril(newton, -1).T
        assert full[i] == pytest.approx(slope, rel=1e-5, abs=1e-5 * abs(slope).max())


def test_two_beams_are_fitted_as_cam_server_does_at_the_minimum_of_minpack():
    profile = model(X, 1e5, 8e4, 90, 12) + model(X, 0, 6e4, 170, 15)
    fit = fit_gaussian(X, profile)
    expected, _ = curve_fit(model, X, profile, p0=start_values(X, profile))
    assert fit.converged
    assert fit.mean == pytest.approx(expected[2], rel=1e-4)
    assert fit.sigma == pytest.approx(abs(expected[3]), rel=1e-3)


def test_descending_calibrated_axis_gives_the_same_beam_in_its_own_unit():
    profile = noisy(1)
    axis = -3.5 * (X - 100)
    plain, calibrated = fit_gaussian(X, profile), fit_gaussian(axis, profile)
    assert calibrated.mean == pytest.approx(-3.5 * (plain.mean - 100), rel=1e-9)
    assert calibrated.sigma == pytest.approx(3.5 * plain.sigma, rel=1e-9)


def test_reduced_chi_squared_is_the_variance_of_the_noise():
    fit = fit_gaussian(X, noisy(3, noise=200))
    residual = noisy(3, noise=200) - model(X, *fit[:4])
    assert fit.reduced_chi_squared == pytest.approx((residual**2).sum() / (X.size - 4), rel=1e-9)
    assert fit.reduced_chi_squared == pytest.approx(200**2, rel=0.3)


def test_flat_profile_has_no_peak():
    fit = fit_gaussian(X, np.full(X.size, 7.0))
    assert fit[:5] == (7, 0, 0, 1, False)
    assert math.isnan(fit.reduced_chi_squared)


def test_peak_of_one_sample_is_too_narrow_and_keeps_the_start_values():
    profile = np.zeros(X.size)
    profile[50] = 100
    fit = fit_gaussian(X, profile)
    assert not fit.converged
    assert fit[:3] == (0, 100, 50)
    assert fit.sigma == pytest.approx(1 / math.sqrt(2 * math.pi))


def test_hot_pixel_over_noise_is_no_narrow_beam():
    for seed in range(0, 150, 3):
        noise = np.random.default_rng(seed)
        profile = noise.normal(0, 1, 6 + seed)
        profile[profile.size // 2] += 50
        fit = fit_gaussian(X[: profile.size], profile)
        assert not (fit.converged and fit.sigma < 0.2), seed


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_samples_than_parameters_keep_the_start_values(count):
    profile = np.array([1.0, 9.0, 2.0])[:count]
    fit = fit_gaussian(X[:count], profile)
    assert not fit.converged
    assert fit[:4] == pytest.approx(start_values(X[:count], profile))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_sample_that_is_no_number_keeps_the_start_values_with_what_it_makes_of_them(bad):
    profile = noisy(1)
    profile[70] = bad
    with np.errstate(invalid="ignore"):
        fit = fit_gaussian(X, profile)
        expected = start_values(X, profile)
    assert not fit.converged
    assert fit[:4] == pytest.approx(expected, nan_ok=True)
    assert fit.mean == 70


def test_noise_alone_is_told_as_not_converged_or_as_a_minimum():
    outcomes = set()
    for seed in range(40):
        profile = np.random.default_rng(seed).normal(1e5, 300, X.size).round()
        fit = fit_gaussian(X, profile)
        outcomes.add(fit.converged)
        if fit.converged:
            residual = profile - model(X, *fit[:4])
            slopes = derivatives(X, *fit[:4])
            assert np.abs(slopes.T @ residual / np.linalg.norm(slopes, axis=0) / np.linalg.norm(residual)).max() < 1e-6
        else:
            assert fit[:4] == pytest.approx(start_values(X, profile))
    assert outcomes == {True, False}


@pytest.mark.parametrize("seed", range(5))
def test_compiled_start_values_equal_numpys(seed):
    # An infinite slope of noise on top of a ramp does not converge, so that the start values are seen.
    profile = np.random.default_rng(seed).normal(0, 1, 3) + 5
    assert fit_gaussian(X[:3], profile)[:4] == pytest.approx(start_values(X[:3], profile), rel=1e-12)


def test_compiled_curve_equals_numpys():
    fit = GaussianFit(-3e4, 7e4, 140.3, 15.0, True, 0.0)
    found, expected = curve(X, fit), curve_plain(X, fit)
    assert found.dtype == expected.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-6 * 7e4


def test_curve_of_a_fit_that_is_no_number_is_none_either():
    assert np.isnan(curve(X, GaussianFit(math.nan, math.nan, 3, math.nan, False, math.nan))).all()
