import numpy as np

from camstream_worker.image.averaging import BlockMean, RunningMean


def image(*pixels, dtype=np.uint16):
    return np.array([pixels], dtype)


def test_block_gives_one_mean_with_every_nth_image():
    mean = BlockMean(3)
    given = [mean.add(image(value)) for value in (1, 2, 6, 10, 20, 30)]
    assert [None if g is None else g.tolist() for g in given] == [None, None, [[3]], None, None, [[20]]]
    assert given[2].dtype == np.float64


def test_running_mean_from_the_first_image_on():
    mean = RunningMean(2, from_first=True)
    assert [mean.add(image(value)).tolist() for value in (1, 2, 6)] == [[[1]], [[1.5]], [[4]]]


def test_running_mean_that_waits_for_its_images():
    mean = RunningMean(3, from_first=False)
    given = [mean.add(image(value)) for value in (1, 2, 6, 7)]
    assert [None if g is None else g.tolist() for g in given] == [None, None, [[3]], [[5]]]


def test_image_of_another_shape_starts_anew():
    block, running = BlockMean(2), RunningMean(2, from_first=True)
    block.add(image(1))
    assert block.add(image(5, 5)) is None
    assert block.add(image(7, 7)).tolist() == [[6, 6]]
    running.add(image(1))
    assert running.add(image(5, 5)).tolist() == [[5, 5]]


def test_nan_is_forgotten_with_the_image_that_had_it():
    mean = RunningMean(2, from_first=True)
    mean.add(image(np.nan, dtype=np.float64))
    mean.add(image(1, dtype=np.float64))
    assert mean.add(image(3, dtype=np.float64)).tolist() == [[2]]


def test_mean_that_was_given_does_not_change_with_the_next_image():
    mean = RunningMean(2, from_first=True)
    first = mean.add(image(1))
    mean.add(image(9))
    assert first.tolist() == [[1]]
