import numpy as np
import pytest

from camstream.errors import ShapeMismatch
from camstream_worker.image.geometry import Region, bin_axis, bin_image, bin_plain, fit_region, mirror, turn, turn_axes

BINNINGS = [(1, 2), (2, 1), (2, 2), (3, 2), (4, 5), (7, 7)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("mean", [False, True], ids=["sum", "mean"])
@pytest.mark.parametrize(("x", "y"), BINNINGS)
def test_compiled_binning_equals_numpy_to_the_bit(dtype, mean, x, y):
    image = np.random.default_rng(x * y).integers(0, np.iinfo(dtype).max, (29, 37), dtype, endpoint=True)
    found = bin_image(image, x, y, mean)
    assert found.dtype == np.uint16
    assert np.array_equal(found, bin_plain(image, x, y, mean))


def test_sum_of_a_block_is_cut_at_the_limit_of_uint16_and_does_not_wrap():
    image = np.full((4, 4), 40000, np.uint16)
    assert bin_image(image, 2, 2, mean=False).tolist() == [[65535, 65535], [65535, 65535]]
    assert bin_image(image, 2, 2, mean=True).tolist() == [[40000, 40000], [40000, 40000]]


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32, np.float32, np.float64])
def test_other_pixel_types_are_binned_to_uint16_too(dtype):
    image = np.array([[1, 2, 9], [3, 5, 9]], dtype)
    assert bin_image(image, 2, 2, mean=False).tolist() == [[11]]
    assert bin_image(image, 2, 2, mean=True).tolist() == [[2]]


def test_negative_pixels_become_zero_when_binned():
    assert bin_image(np.full((2, 2), -5, np.int16), 2, 2, mean=False).tolist() == [[0]]


def test_block_larger_than_the_image_is_refused():
    with pytest.raises(ShapeMismatch, match=r"binning 5x1 needs an image of that size at least, found 4x4: bin less"):
        bin_image(np.zeros((4, 4), np.uint16), 5, 1, mean=False)


def test_axis_is_binned_to_the_middle_of_each_block():
    assert bin_axis(np.array([0, 1, 2, 3, 4], np.float32), 2).tolist() == [0.5, 2.5]


@pytest.mark.parametrize("turns", range(4))
def test_axes_turn_with_the_image(turns):
    x_axis, y_axis = np.array([1, 2, 4], np.float32), np.array([100, 300], np.float32)
    image = y_axis[:, None] + x_axis[None, :]
    turned = turn(image, turns)
    x, y = turn_axes(x_axis, y_axis, turns)
    # Each pixel still is the sum of its two positions, whichever axis they are on now.
    assert np.array_equal(turned, y[:, None] + x[None, :])


def test_mirror_flips_left_to_right_for_x_and_top_to_bottom_for_y():
    image = np.array([[1, 2], [3, 4]])
    assert mirror(image, True, False).tolist() == [[2, 1], [4, 3]]
    assert mirror(image, False, True).tolist() == [[3, 4], [1, 2]]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Region(1, 2, 3, 4), Region(1, 2, 3, 4)),
        (Region(8, 0, 5, 5), Region(5, 0, 5, 5)),
        (Region(3, 3, 100, 100), Region(0, 0, 10, 20)),
        (Region(100, 100, 2, 2), Region(8, 18, 2, 2)),
    ],
)
def test_region_is_first_made_smaller_then_moved_inside(wanted, expected):
    assert fit_region(wanted, (20, 10)) == expected
