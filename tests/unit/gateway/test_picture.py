"""Images as PNG. The reader of the expected pixels is Pillow's."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from camstream_gateway.picture import PictureError, png

RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_gray_levels_follow_the_pixels() -> None:
    assert np.array_equal(decoded(png(RAMP, colormap="gray")), np.repeat(RAMP[..., None], 3, axis=2))


def test_rainbow_begins_violet_and_ends_red() -> None:
    # By the formula of matplotlib's table: |2x - 0.5|, sin(pi x), cos(pi x / 2).
    found = decoded(png(RAMP))
    assert found[0, 0].tolist() == [128, 0, 255]
    assert found[-1, -1].tolist() == [255, 0, 0]


def test_limits_cut_and_stretch() -> None:
    found = decoded(png(RAMP, low=100, high=101, colormap="gray"))[..., 0]
    assert np.array_equal(found, np.where(RAMP > 100, 255, 0))


def test_scale_takes_the_mean_of_blocks_and_leaves_out_what_fills_none() -> None:
    image = np.kron([[0, 255], [255, 0]], np.ones((3, 3)))
    found = decoded(png(np.pad(image, ((0, 1), (0, 2))), scale=1 / 3, colormap="gray"))[..., 0]
    assert found.tolist() == [[0, 255], [255, 0]]


@pytest.mark.parametrize("image", [np.zeros((2, 3)), np.full((2, 3), np.nan), np.full((1, 1), 7, np.int8), np.ones((3, 2), bool)])
def test_any_image_gives_a_picture(image: np.ndarray[Any, Any]) -> None:
    assert decoded(png(image)).shape == (*image.shape, 3)


def test_wrong_wishes_are_told() -> None:
    with pytest.raises(PictureError, match="unknown colormap 'sunset'; there are rainbow"):
        png(RAMP, colormap="sunset")
    with pytest.raises(PictureError, match="expected a scale above 0"):
        png(RAMP, scale=-1)
