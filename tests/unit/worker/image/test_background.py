import numpy as np
import pytest

from camstream_worker.image.background import as_background, in_type, subtract_clipped, subtract_signed
from camstream_worker.image.threshold import apply_threshold

DARK = np.array([[10, 300]], np.uint16)


@pytest.mark.parametrize(
    ("dtype", "pixels", "expected"),
    [
        (np.uint16, [[5, 310]], [[0, 10]]),
        (np.uint8, [[11, 255]], [[1, 0]]),
        (np.int16, [[-7, 310]], [[0, 10]]),
        (np.int32, [[-7, 310]], [[0, 10]]),
        (np.float64, [[10.5, 0.0]], [[0.5, 0.0]]),
    ],
)
def test_subtraction_ends_at_zero_and_keeps_the_pixel_type(dtype, pixels, expected):
    image = np.array(pixels, dtype)
    image.flags.writeable = False
    found = subtract_clipped(image, in_type(DARK, image.dtype))
    assert found.dtype == dtype
    assert found.tolist() == expected


def test_signed_subtraction_goes_below_zero_in_int32():
    found = subtract_signed(np.array([[5, 310]], np.uint16), DARK)
    assert found.dtype == np.int32
    assert found.tolist() == [[-5, 10]]


def test_background_file_of_another_type_is_cast_to_uint16():
    assert as_background(np.array([[1.9]])).tolist() == [[1]]


def test_pixels_below_the_threshold_become_zero_and_those_on_it_stay():
    image = np.array([[1, 2, 3]], np.uint16)
    image.flags.writeable = False
    found = apply_threshold(image, 2)
    assert (found.dtype, found.tolist()) == (np.uint16, [[0, 2, 3]])
