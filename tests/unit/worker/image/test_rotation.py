import numpy as np
import pytest
from scipy import ndimage, special

from camstream.spec.processing import Rotation, RotationMode
from camstream_worker.image.geometry import Region, whole
from camstream_worker.image.rotation import cosine_and_sine, quarter_turns, rotate

RNG = np.random.default_rng(2)
ANGLES = [3.5, -20, 45, 90, 180, -90, 270, 359.9, *RNG.uniform(-360, 360, 12)]


@pytest.mark.parametrize("angle", ANGLES, ids="{:.4g}".format)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(41, 57), (60, 20), (1, 30), (7, 7)], ids=str)
def test_linear_rotation_equals_scipy_to_the_bit(angle, dtype, shape):
    image = RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    found = rotate(image, Rotation(angle=angle, fill=25), whole(shape))
    assert found.dtype == dtype
    assert np.array_equal(found, ndimage.rotate(image, angle, reshape=False, order=1, mode="constant", cval=25))


@pytest.mark.parametrize("fill", [-3, 0.4, 0.5, 200.7, 1e6])
def test_fill_is_rounded_and_cut_as_scipy_does(fill):
    image = np.zeros((9, 9), np.uint8)
    found = rotate(image, Rotation(angle=45, fill=fill), whole(image.shape))
    assert np.array_equal(found, ndimage.rotate(image, 45, reshape=False, order=1, mode="constant", cval=fill))


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_part_of_a_rotated_image_is_cut_out_of_the_whole(dtype):
    image = RNG.integers(0, 60000, (50, 70)).astype(dtype)
    region = Region(11, 7, 30, 25)
    whole_image = rotate(image, Rotation(angle=-33), whole(image.shape))
    assert np.array_equal(rotate(image, Rotation(angle=-33), region), whole_image[region.slices])


@pytest.mark.parametrize("mode", [RotationMode.REFLECT, RotationMode.NEAREST, RotationMode.MIRROR, RotationMode.WRAP])
def test_other_modes_and_orders_are_scipys(mode):
    image = RNG.integers(0, 60000, (20, 30), np.uint16)
    found = rotate(image, Rotation(angle=12, order=3, mode=mode), whole(image.shape))
    assert np.array_equal(found, ndimage.rotate(image, 12, reshape=False, order=3, mode=mode.value.lower()))


def test_sine_and_cosine_equal_scipys_to_the_bit():
    for angle in [*RNG.uniform(-720, 720, 2000).tolist(), *range(-720, 721, 5)]:
        assert cosine_and_sine(angle) == (special.cosdg(angle), special.sindg(angle)), angle


@pytest.mark.parametrize(("angle", "turns"), [(0, 0), (45, 0), (89.9, 0), (90, 1), (180, 2), (270, 3), (-90, 3), (450, 1)])
def test_angle_is_cut_to_whole_quarter_turns(angle, turns):
    assert quarter_turns(angle) == turns
