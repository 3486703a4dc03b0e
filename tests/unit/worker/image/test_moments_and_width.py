import math

import numpy as np
import pytest

from camstream_worker.image.moments import moments, moments_plain
from camstream_worker.image.width import full_width, full_width_plain

X = np.arange(200.0)


def beam(offset=100.0, amplitude=1000.0, mean=90.2, sigma=8.0):
    return offset + amplitude * np.exp(-((X - mean) ** 2) / (2 * sigma**2))


@pytest.mark.parametrize("seed", range(5))
def test_compiled_moments_equal_numpys(seed):
    profile = beam() + np.random.default_rng(seed).normal(0, 20, X.size)
    args = (-2.5 * X, profile, 101.0, -2.5 * 90, 2.5 * 8)
    assert moments(*args) == pytest.approx(moments_plain(*args), rel=1e-11)


def test_moments_of_a_beam_are_its_centre_and_width():
    center_of_mass, rms = moments(X, beam(), 100, 90.2, 8)
    assert center_of_mass == pytest.approx(90.2, abs=1e-3)
    assert rms == pytest.approx(8, rel=1e-3)


def test_what_is_further_than_five_sigma_is_cut_but_still_counts_as_weight():
    profile = np.zeros(X.size)
    profile[90] = profile[199] = 1.0
    # Half the sum lies far away: the centre is only half of 90.
    assert moments(X, profile, 0, 90, 8)[0] == pytest.approx(45)


def test_empty_profile_has_its_moments_at_zero():
    assert moments(X, np.zeros(X.size), 0, 0, 1) == (0, 0)


def test_moments_without_a_fit_are_no_numbers():
    assert all(math.isnan(m) for m in moments(X, beam(), math.nan, 3, math.nan))


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_compiled_width_equals_numpys(level, seed):
    profile = beam() + np.random.default_rng(seed).normal(0, 50, X.size)
    assert full_width(-2.0 * X, profile, level) == pytest.approx(full_width_plain(-2.0 * X, profile, level), rel=1e-12)


def test_half_width_of_a_gaussian():
    assert full_width(X, beam(), 0.5) == pytest.approx(8 * 2 * math.sqrt(2 * math.log(2)), rel=2e-3)


def test_crossings_lie_on_straight_lines_between_samples():
    assert full_width(X[:5], np.array([0.0, 0, 4, 0, 0]), 0.5) == 1
    assert full_width(X[:5], np.array([0.0, 2, 4, 1, 0]), 0.25) == 2.5


def test_side_that_does_not_fall_far_enough_is_told_by_its_last_two_samples():
    # Left of the peak: 3, 4, falling by 1 from sample to sample; half of 4 is reached one sample before the first.
    assert full_width(X[:4], np.array([3.0, 4, 2, 0]), 0.5) == 3


@pytest.mark.parametrize("profile", [[5.0, 5, 5, 5], [1, math.nan, 2, 3], [1, math.inf, 2, 3]], ids=str)
def test_flat_or_damaged_profile_has_no_width(profile):
    assert math.isnan(full_width(X[:4], np.array(profile), 0.5))


def test_single_sample_has_width_zero():
    assert full_width(X[:1], np.array([5.0]), 0.5) == 0


@pytest.mark.parametrize("peak", [0, 3])
def test_peak_on_the_first_or_last_sample_is_safe(peak):
    profile = np.zeros(4)
    profile[peak] = 1
    assert full_width(X[:4], profile, 0.5) == full_width_plain(X[:4], profile, 0.5) == 0
