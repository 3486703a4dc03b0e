"""Rotation and binning, against scipy and numpy."""

import numpy as np
from harness import SIZES, Measurement, cold_frames, interleaved, microseconds, require_equal
from scipy import ndimage

from camstream.spec.processing import Rotation
from camstream_worker.image.geometry import bin_image, whole
from camstream_worker.image.rotation import rotate

ANGLE = 3.5


def numpy_bin(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    return np.minimum(image.reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3)), 65535).astype(np.uint16)


def compare(size: str, rounds: int) -> list[Measurement]:
    shape = SIZES[size]
    frames = cold_frames(shape)
    turn = Rotation(angle=ANGLE)
    scipy_rotate = lambda i: ndimage.rotate(frames[i % len(frames)], ANGLE, reshape=False, order=1)  # noqa: E731
    our_rotate = lambda i: rotate(frames[i % len(frames)], turn, whole(shape))  # noqa: E731
    our_bin = lambda i: bin_image(frames[i % len(frames)], 2, 2, mean=False)  # noqa: E731
    require_equal(("rotation",), {"rotation": scipy_rotate(0)}, {"rotation": our_rotate(0)})
    require_equal(("binning",), {"binning": numpy_bin(frames[0])}, {"binning": our_bin(0)})
    rotation = interleaved({"scipy.ndimage.rotate": scipy_rotate, "camstream": our_rotate}, rounds)
    binning = interleaved({"numpy": lambda i: numpy_bin(frames[i % len(frames)]), "camstream": our_bin}, rounds)
    return [
        Measurement(
            "rotation, order 1",
            size,
            rotation["scipy.ndimage.rotate"] / rotation["camstream"],
            goal=5,
            baseline="scipy.ndimage.rotate",
            raw=microseconds(rotation),
        ),
        Measurement(
            "binning 2x2", size, binning["numpy"] / binning["camstream"], 5, True, "numpy's reshape and sum", microseconds(binning)
        ),
    ]


def run(short: bool) -> list[Measurement]:
    return [measurement for size in SIZES for measurement in compare(size, 3 if short else 15)]
