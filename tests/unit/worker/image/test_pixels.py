import numpy as np
import pytest

from camstream_worker.image.geometry import Region, frozen, whole
from camstream_worker.image.kernels import pixels as kernel
from camstream_worker.image.pixels import correct, correct_plain, measure
from camstream_worker.image.profile import profiles

RNG = np.random.default_rng(1)
SHAPES = [(1, 1), (1, 9), (9, 1), (3, 33), (4, 64), (37, 101)]


def random_image(dtype, shape):
    if np.dtype(dtype).kind == "f":
        return RNG.normal(0, 100, shape).astype(dtype)
    return RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def assert_same(found, expected):
    assert np.array_equal(found.x, expected.x)
    assert np.array_equal(found.y, expected.y)
    assert (found.minimum, found.maximum) == (expected.minimum, expected.maximum)
    assert [v.dtype for v in found] == [v.dtype for v in expected]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_compiled_sums_equal_numpy_to_the_bit(dtype, shape):
    image = frozen(random_image(dtype, shape))
    assert_same(measure(image, whole(shape)), profiles(image))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("threshold", [0, 1, 100, 70000])
@pytest.mark.parametrize("dark", [False, True], ids=["no-background", "background"])
@pytest.mark.parametrize("keep", [False, True], ids=["no-image", "image"])
def test_compiled_correction_equals_numpy_to_the_bit(dtype, shape, threshold, dark, keep):
    image = frozen(random_image(dtype, shape))
    background = random_image(dtype, shape) if dark else None
    found, seen = correct(image, whole(shape), background, threshold, keep=keep)
    expected = correct_plain(image, whole(shape), background, threshold)
    assert_same(seen, profiles(expected))
    if keep:
        assert found.dtype == dtype
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize("region", [Region(0, 0, 20, 30), Region(3, 5, 11, 13), Region(19, 29, 1, 1)], ids=str)
def test_part_of_an_image_of_any_type_is_what_numpy_cuts_out(dtype, region):
    image, dark = random_image(dtype, (30, 20)), random_image(dtype, region.shape)
    found, seen = correct(image, region, dark, 3)
    part = image[region.slices]
    expected = np.where(part > dark, part - dark, 0)
    expected = np.where(expected < 3, 0, expected).astype(dtype)
    assert np.array_equal(found, expected)
    assert_same(seen, profiles(expected))
    assert_same(measure(image, region), profiles(part))


def test_sums_of_the_brightest_image_do_not_overflow():
    image = np.full((700, 900), 65535, np.uint16)
    seen = measure(image, whole(image.shape))
    assert seen.x.dtype == np.int64
    assert set(seen.x.tolist()) == {700 * 65535}
    assert set(seen.y.tolist()) == {900 * 65535}
    assert seen.intensity == 700 * 900 * 65535


@pytest.mark.parametrize("cut", [1, 5, 8, 36])
def test_two_threads_worth_of_rows_make_the_same_as_all_at_once(cut):
    image, dark = random_image(np.uint16, (37, 50)), frozen(random_image(np.uint16, (37, 50)))
    out = np.empty_like(image)
    parts = []
    for start, stop in ((0, cut), (cut, 37)):
        columns, rows, extremes = np.zeros(50, np.uint32), np.empty(stop - start, np.int64), np.array([65535, 0], np.uint16)
        kernel.correct(frozen(image), 0, start, dark[start:stop], np.array([7], np.uint16), out[start:stop], columns, rows, extremes)
        parts.append((columns, rows, extremes))
    (c0, r0, e0), (c1, r1, e1) = parts
    expected, seen = correct(image, whole(image.shape), dark, 7)
    assert np.array_equal(out, expected)
    assert np.array_equal(c0 + c1, seen.x)
    assert np.array_equal(np.concatenate([r0, r1]), seen.y)
    assert (min(e0[0], e1[0]), max(e0[1], e1[1])) == (seen.minimum, seen.maximum)


def test_extremes_ignore_nan_and_sums_do_not():
    image = np.array([[1.0, np.nan], [3.0, 4.0]])
    seen = measure(image, whole(image.shape))
    assert (seen.minimum, seen.maximum) == (1, 4)
    assert seen.x[0] == 4
    assert np.isnan(seen.x[1])


def test_uncorrected_image_is_passed_on_without_a_copy():
    image = random_image(np.uint16, (4, 5))
    found, _ = correct(image, whole(image.shape), None, 0)
    assert np.shares_memory(found, image)
