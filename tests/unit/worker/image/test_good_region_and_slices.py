import numpy as np
import pytest

from camstream_worker.image.geometry import Region
from camstream_worker.image.good_region import extent, good_region
from camstream_worker.image.profile import profiles
from camstream_worker.image.slices import Bands, bands, index_of, line


def test_region_goes_to_where_the_profile_falls_below_the_threshold_and_is_widened():
    profile = np.array([0, 0, 0, 0, 1, 9, 10, 9, 1, 0, 0, 0, 0])
    assert extent(profile, 0.3, 1.0) == (4, 8)
    assert extent(profile, 0.3, 2.0) == (2, 10)


def test_region_stays_inside_the_image():
    assert extent(np.array([0, 9, 10, 9, 0]), 0.3, 100) == (0, 4)


def test_side_without_an_end_is_replaced_by_the_peak():
    assert extent(np.array([9, 9, 10, 9, 0, 0, 0]), 0.3, 1.0) == (2, 4)


def test_flat_profile_has_no_region():
    flat = profiles(np.full((5, 6), 3, np.uint16))
    assert good_region(flat, 0.3, 1.8) is None


def test_region_of_a_spot_is_a_rectangle_around_it():
    image = np.zeros((20, 30), np.uint16)
    image[8:11, 14:19] = 100
    assert good_region(profiles(image), 0.5, 1.0) == Region(13, 7, 6, 4)


@pytest.mark.parametrize(
    ("value", "ascending", "descending"), [(-1, 0, 4), (0, 0, 4), (1, 1, 3), (1.5, 1, 3), (3.9, 3, 1), (4, 4, 0), (9, 4, 0)]
)
def test_position_belongs_to_the_sample_with_the_lower_position(value, ascending, descending):
    axis = np.arange(5.0)
    assert index_of(axis, value) == ascending
    assert index_of(axis[::-1].copy(), value) == descending


def test_bands_lie_side_by_side_around_the_mean():
    assert bands(np.arange(100.0), 50.2, 10, 5, 2.0) == Bands((40, 44, 48, 52, 56), 2)


def test_even_number_of_bands_becomes_the_next_odd_one():
    assert len(bands(np.arange(100.0), 50.2, 10, 4, 2.0).starts) == 5


def test_only_pairs_of_bands_that_fit_are_made():
    assert bands(np.arange(100.0), 50.2, 10, 99, 40.0).starts == tuple(range(50 - 2 - 4 * 11, 50 - 2 + 4 * 11 + 1, 4))


def test_middle_band_that_does_not_fit_makes_none():
    assert bands(np.arange(100.0), 1.2, 10, 1, 2.0) is None
    assert bands(np.arange(100.0), 99.2, 10, 1, 2.0) is None


def test_centres_and_length_are_in_the_unit_of_the_axis():
    axis = -2.0 * np.arange(100)
    found = Bands((40, 44, 48), 2)
    assert found.centers(axis) == [-84, -92, -100]
    assert found.length(axis) == 8


def test_line_through_points():
    assert line([0, 1, 2], [5, 7, 9]) == pytest.approx((2, 5))
