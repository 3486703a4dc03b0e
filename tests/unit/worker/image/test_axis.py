import numpy as np
import pytest

from camstream.spec.geometry import Calibration, ReferenceMarker
from camstream_worker.image.axis import calibrated_axes, pixel_axis


def test_pixels_count_from_zero_in_float32():
    axis = pixel_axis(3)
    assert axis.dtype == np.float32
    assert axis.tolist() == [0, 1, 2]


def test_origin_is_the_middle_of_the_mark_and_both_axes_descend():
    mark = ReferenceMarker(left=10, top=20, right=30, bottom=30)
    x, y = calibrated_axes(Calibration(reference_marker=mark, reference_marker_width=40, reference_marker_height=30), 40, 50)
    assert (x[20], x[21]) == (0, -2)
    assert (y[25], y[26]) == (0, -3)
    assert (x.dtype, len(x), y.dtype, len(y)) == (np.float32, 40, np.float32, 50)


def test_angle_of_view_shortens_what_a_pixel_measures():
    x, y = calibrated_axes(Calibration(angle_horizontal=60, angle_vertical=0), 101, 101)
    assert x[50] - x[51] == pytest.approx(0.5)
    assert y[50] - y[51] == pytest.approx(1.0)


def test_mark_without_width_makes_a_pixel_count_one_in_both_directions():
    mark = ReferenceMarker(left=5, top=0, right=5, bottom=10)
    x, y = calibrated_axes(Calibration(reference_marker=mark, reference_marker_height=1000), 10, 10)
    assert (x[4] - x[5], y[4] - y[5]) == (1, 1)
