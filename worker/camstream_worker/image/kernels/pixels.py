"""One pass over the pixels of an unsigned 8 or 16 bit image.

Four rows at a time stay in the first-level cache between the short loops that look at them; each loop keeps to lanes of one width, which is
what LLVM vectorises well. Sums are kept in 32 bits: enough for :data:`MOST` rows or columns.

A kernel looks at ``rows.size`` by ``columns.size`` pixels from row y0 and column x0 on. Threads that share an image each take
some rows of it, with column sums and extremes of their own.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Pixels = npt.NDArray[Any]
Sums = npt.NDArray[np.uint32]

MOST = 65537


@njit(nogil=True)
def _correct_row(pixels: Pixels, background: Pixels, threshold: Pixels, out: Pixels, lowest: Any, highest: Any) -> tuple[Any, Any]:
    zero = threshold.dtype.type(0)
    limit = threshold[0]
    for x in range(out.size):
        # Without the casts numba computes in 64 bits.
        v = out.dtype.type(max(pixels[x], background[x]) - background[x])
        v = v if v >= limit else zero
        out[x] = v
        lowest = min(lowest, v)
        highest = max(highest, v)
    return lowest, highest


@njit(nogil=True)
def _extremes_of_row(pixels: Pixels, lowest: Any, highest: Any) -> tuple[Any, Any]:
    for x in range(pixels.size):
        lowest = min(lowest, pixels[x])
        highest = max(highest, pixels[x])
    return lowest, highest


@njit(nogil=True)
def _sum_row(a: Pixels, columns: Sums) -> Any:
    total = np.uint32(0)
    for x in range(columns.size):
        v = np.uint32(a[x])
        total = np.uint32(total + v)
        columns[x] = np.uint32(columns[x] + v)
    return total


@njit(nogil=True)
def _sum_four_rows(a: Pixels, b: Pixels, c: Pixels, d: Pixels, columns: Sums, rows: npt.NDArray[np.int64]) -> None:
    p = q = r = s = np.uint32(0)
    for x in range(columns.size):
        va, vb, vc, vd = np.uint32(a[x]), np.uint32(b[x]), np.uint32(c[x]), np.uint32(d[x])
        p = np.uint32(p + va)
        q = np.uint32(q + vb)
        r = np.uint32(r + vc)
        s = np.uint32(s + vd)
        columns[x] = np.uint32(columns[x] + np.uint32(np.uint32(va + vb) + np.uint32(vc + vd)))
    rows[0], rows[1], rows[2], rows[3] = p, q, r, s


@njit(nogil=True, cache=True)
def correct(
    image: Pixels,
    x0: int,
    y0: int,
    background: Pixels,
    threshold: Pixels,
    out: Pixels,
    columns: Sums,
    rows: npt.NDArray[np.int64],
    extremes: Pixels,
) -> None:
    """Subtract, cut, and sum what is left.

    :param background: as many rows as the part, or one row for all
    :param threshold: one number, in an array of the image's type
    :param out: as many rows as the part, or four rows of scratch space that are used again and again
    :param columns: uint32, is added to
    :param rows: int64
    :param extremes: smallest and largest pixel so far
    """
    height, x1 = rows.size, x0 + columns.size
    lowest, highest = extremes[0], extremes[1]
    keep, many = out.shape[0] == height, background.shape[0] == height
    for top in range(0, height, 4):
        bottom = min(top + 4, height)
        first = top if keep else 0
        for i in range(bottom - top):
            y = top + i
            lowest, highest = _correct_row(image[y0 + y, x0:x1], background[y if many else 0], threshold, out[first + i], lowest, highest)
        if bottom - top == 4:
            _sum_four_rows(out[first], out[first + 1], out[first + 2], out[first + 3], columns, rows[top:bottom])
        else:
            for i in range(bottom - top):
                rows[top + i] = _sum_row(out[first + i], columns)
    extremes[0], extremes[1] = lowest, highest


@njit(nogil=True, cache=True)
def measure(image: Pixels, x0: int, y0: int, columns: Sums, rows: npt.NDArray[np.int64], extremes: Pixels) -> None:
    """Sum only; parameters as for :func:`correct`."""
    height, x1 = rows.size, x0 + columns.size
    lowest, highest = extremes[0], extremes[1]
    for top in range(0, height, 4):
        bottom = min(top + 4, height)
        for y in range(top, bottom):
            lowest, highest = _extremes_of_row(image[y0 + y, x0:x1], lowest, highest)
        if bottom - top == 4:
            y = y0 + top
            _sum_four_rows(image[y, x0:x1], image[y + 1, x0:x1], image[y + 2, x0:x1], image[y + 3, x0:x1], columns, rows[top:bottom])
        else:
            for y in range(top, bottom):
                rows[y] = _sum_row(image[y0 + y, x0:x1], columns)
    extremes[0], extremes[1] = lowest, highest
