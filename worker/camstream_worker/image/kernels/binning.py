"""Blocks of pixels to one, for unsigned 8 and 16 bit images."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Pixels = npt.NDArray[Any]
Sums = npt.NDArray[np.uint32]


@njit(nogil=True)
def _add_row(pixels: Pixels, sums: Sums) -> None:
    for x in range(sums.size):
        sums[x] = np.uint32(sums[x] + np.uint32(pixels[x]))


@njit(nogil=True)
def _pair(sums: Sums, out: npt.NDArray[np.uint16]) -> None:
    for i in range(out.size):
        out[i] = min(np.uint32(sums[2 * i] + sums[2 * i + 1]), np.uint32(65535))


@njit(nogil=True, cache=True, error_model="numpy")
def bin_image(image: Pixels, size_x: int, size_y: int, mean: bool, out: npt.NDArray[np.uint16]) -> None:
    """Sum (cut at 65535) or mean (rounded down) of blocks, into a uint16 array whose shape says how many.

    Sums are kept in 32 bits: enough for 65537 pixels of 16 bits.
    """
    width = out.shape[1] * size_x
    sums = np.empty(width, np.uint32)
    for y in range(out.shape[0]):
        sums[:] = 0
        for row in range(y * size_y, (y + 1) * size_y):
            _add_row(image[row, :width], sums)
        # Two is what everybody uses; a constant lets LLVM vectorise it.
        if size_x == 2 and not mean:
            _pair(sums, out[y])
            continue
        for x in range(out.shape[1]):
            total = np.uint32(0)
            for i in range(x * size_x, (x + 1) * size_x):
                total += sums[i]
            out[y, x] = total // np.uint32(size_x * size_y) if mean else min(total, np.uint32(65535))
