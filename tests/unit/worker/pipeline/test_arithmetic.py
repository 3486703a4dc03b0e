import numpy as np
import pytest

from camstream_worker.pipeline.arithmetic import scale_and_offset


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "expected"),
    [
        (np.uint16, 2, None, np.uint16),
        (np.uint16, 2.0, None, np.uint16),
        (np.uint16, 0.5, None, np.float64),
        (np.uint16, None, -9, np.int32),
        (np.uint16, None, 70000, np.uint32),
        (np.uint8, 1.25, -3.5, np.float64),
        (np.int16, 3, None, np.int16),
        (np.float32, 0.5, 70000, np.float32),
        (np.float64, 2, 1, np.float64),
    ],
)
def test_pixel_type_follows_the_rules_of_numpy_1(dtype, scale, offset, expected):
    assert scale_and_offset(np.ones((1, 2), dtype), scale, offset).dtype == expected


def test_whole_number_wraps_at_the_limit_of_the_pixel_type():
    assert scale_and_offset(np.array([[40000]], np.uint16), 2, None).tolist() == [[80000 - 65536]]


def test_offset_comes_after_the_scale():
    assert scale_and_offset(np.array([[10]], np.uint16), 0.5, -3.5).tolist() == [[1.5]]


def test_image_is_not_modified():
    image = np.array([[10]], np.uint16)
    image.flags.writeable = False
    scale_and_offset(image, 3, 1)
    assert image.tolist() == [[10]]
