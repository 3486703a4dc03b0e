"""One look at every pixel: region of interest, background, threshold, profiles and extremes together.

Unsigned 8 and 16 bit images, which is what cameras send, take the compiled pass; all others the plain one.
"""

import numpy as np
import numpy.typing as npt

from camstream.frame import Image
from camstream_worker.image.background import subtract_clipped
from camstream_worker.image.geometry import UNSIGNED, Region, frozen
from camstream_worker.image.kernels import pixels as kernel
from camstream_worker.image.profile import Profiles, profiles
from camstream_worker.image.threshold import apply_threshold


def measure(image: Image, region: Region) -> Profiles:
    """Profiles and extremes of a part of an image, which has at least one pixel."""
    if not _fused(image, region):
        return profiles(image[region.slices])
    sums = _Sums(image.dtype, region)
    kernel.measure(frozen(image), region.x, region.y, sums.columns, sums.rows, sums.extremes)
    return sums.profiles()


def correct(image: Image, region: Region, background: Image | None, threshold: int, *, keep: bool = True) -> tuple[Image | None, Profiles]:
    """A part of an image less a background (never below zero), without pixels below a threshold, and its profiles.

    :param background: shape of the part, type of the image; None: nothing is subtracted
    :param threshold: 0 or less: nothing is cut
    :param keep: without it no image is made
    """
    if background is None and threshold <= 0:
        return np.ascontiguousarray(image[region.slices]) if keep else None, measure(image, region)
    if not _fused(image, region) or threshold > UNSIGNED[image.dtype]:
        part = correct_plain(image, region, background, threshold)
        return part, profiles(part)
    sums = _Sums(image.dtype, region)
    out: Image = np.empty(region.shape if keep else (4, region.width), image.dtype)
    dark = np.zeros((1, region.width), image.dtype) if background is None else background
    limit = np.array([max(threshold, 0)], image.dtype)
    kernel.correct(frozen(image), region.x, region.y, frozen(dark), limit, out, sums.columns, sums.rows, sums.extremes)
    return out if keep else None, sums.profiles()


def correct_plain(image: Image, region: Region, background: Image | None, threshold: int) -> Image:
    """The numpy form of the image of :func:`correct`."""
    part = np.ascontiguousarray(image[region.slices])
    if background is not None:
        part = subtract_clipped(part, background)
    return apply_threshold(part, threshold) if threshold > 0 else part


def _fused(image: Image, region: Region) -> bool:
    return image.dtype in UNSIGNED and image.flags.c_contiguous and max(region.shape) <= kernel.MOST


class _Sums:
    """Where a compiled pass leaves what it has seen."""

    def __init__(self, dtype: np.dtype[np.generic], region: Region) -> None:
        self.columns = np.zeros(region.width, np.uint32)
        self.rows = np.empty(region.height, np.int64)
        self.extremes: npt.NDArray[np.generic] = np.array([UNSIGNED[dtype], 0], dtype)

    def profiles(self) -> Profiles:
        return Profiles(self.columns.astype(np.int64), self.rows, self.extremes[0], self.extremes[1])
