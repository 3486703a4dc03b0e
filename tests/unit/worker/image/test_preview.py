import numpy as np
import pytest

from camstream_worker.image.preview import preview


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_preview_is_grey_and_not_wider_than_asked_for(dtype):
    image = np.arange(100 * 250).reshape(100, 250).astype(dtype)
    found = preview(image, 60)
    assert found.dtype == np.uint8
    assert found.shape == (20, 50)


def test_contrast_spans_the_image_but_for_a_few_hot_pixels():
    image = np.tile(np.linspace(1000, 2000, 200), (200, 1)).astype(np.uint16)
    image[0, 0] = 65535
    found = preview(image, 200)
    assert found[5, 2] < 10
    assert found[5, 100] == pytest.approx(128, abs=4)
    assert found[5, 199] > 250


@pytest.mark.parametrize("image", [np.full((4, 4), 7), np.full((4, 4), np.nan), np.zeros((1, 1))], ids=["flat", "nan", "one-pixel"])
def test_image_without_contrast_is_black(image):
    assert preview(image, 10).max() == 0


def test_dark_image_with_one_bright_pixel_is_not_all_black():
    image = np.zeros((50, 50), np.uint16)
    image[10, 10] = 3
    assert preview(image, 50)[10, 10] == 255


def test_nan_is_black():
    image = np.linspace(0, 1, 100).reshape(10, 10)
    image[9, 9] = np.nan
    assert preview(image, 10)[9, 9] == 0
