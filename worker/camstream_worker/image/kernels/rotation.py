"""Rotation with a linear spline."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Pixels = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

LINE = 32
"""Pixels of 16 bits in a line of the cache."""


@njit(nogil=True)
def _outer_pixel(image: Pixels, y: float, x: float, fill: Any) -> Any:
    """A pixel that may lie outside the image or on its last row or column."""
    height, width = image.shape
    if not (0.0 <= y <= height - 1.0 and 0.0 <= x <= width - 1.0):
        return np.int32(fill)
    top, left = int(y), int(x)
    down, right = y - top, x - left
    below, beside = min(top + 1, height - 1), min(left + 1, width - 1)
    value = image[top, left] * (1.0 - down) * (1.0 - right)
    value += image[top, beside] * (1.0 - down) * right
    value += image[below, left] * down * (1.0 - right)
    value += image[below, beside] * down * right
    return np.int32(value + 0.5)


@njit(nogil=True)
def _is_inner(image: Pixels, y: float, x: float) -> bool:
    return bool(0.0 <= y < image.shape[0] - 1.0 and 0.0 <= x < image.shape[1] - 1.0)


@njit(nogil=True)
def _locate(
    row_y: float, row_x: float, step_y: float, step_x: float, first: int, width: float, where: Indices, down: Floats, right: Floats
) -> None:
    """For each pixel of a row: the index of its upper left neighbour, and how far it is from there."""
    for i in range(where.size):
        column = float(first + i)
        y, x = row_y + step_y * column, row_x + step_x * column
        top, left = np.floor(y), np.floor(x)
        down[i], right[i] = y - top, x - left
        # 32 bits: no image has more pixels, and processors without AVX-512 cannot make several indices of 64 bits at once.
        where[i] = np.int32(top * width + left)


@njit(nogil=True)
def _gather(pixels: Pixels, width: Any, where: Indices, here: Indices, aside: Indices, below: Indices, across: Indices) -> None:
    """The four neighbours of each pixel of a row."""
    one = np.uint64(1)
    for i in range(where.size):
        # Unsigned indices spare the look at whether they are negative.
        k = np.uint64(where[i])
        here[i] = pixels[k]
        aside[i] = pixels[k + one]
        below[i] = pixels[k + width]
        across[i] = pixels[k + width + one]


@njit(nogil=True)
def _blend(here: Indices, aside: Indices, below: Indices, across: Indices, down: Floats, right: Floats, out: Pixels) -> None:
    for i in range(out.size):
        up, left = 1.0 - down[i], 1.0 - right[i]
        value = here[i] * up * left + aside[i] * up * right[i]
        value = value + below[i] * down[i] * left + across[i] * down[i] * right[i]
        out[i] = np.int32(value + 0.5)


@njit(nogil=True)
def _fetch(image: Pixels, start: int, stop: int) -> int:
    """Bring rows into the cache: all at once they come much faster than one by one, when a pixel waits for them."""
    seen = 0
    for y in range(max(start, 0), min(stop, image.shape[0])):
        for x in range(0, image.shape[1], LINE):
            seen |= image[y, x]
    return seen


@njit(nogil=True, cache=True)
def rotate(image: Pixels, matrix: Floats, offset: Floats, fill: Pixels, x0: int, y0: int, out: Pixels) -> int:
    """A part of the turned image, from row y0 and column x0 on, for unsigned 8 and 16 bit images.

    The order of every operation is that of ``scipy.ndimage.affine_transform`` (order 1, mode constant), so that results are equal to the
    bit: no fastmath here. Each row is done in three loops: where, what and how much of it; all but the second can be vectorised.

    :param matrix: of the rotation, for (y, x)
    :param fill: one pixel that takes the place of what lies outside the image, in an array of the image's type
    :return: nothing of interest, but without it the compiler would not fetch rows ahead
    """
    pixels, width = image.ravel(), np.uint64(image.shape[1])
    columns = out.shape[1]
    where, down, right = np.empty(columns, np.int32), np.empty(columns), np.empty(columns)
    here, aside = np.empty(columns, np.int32), np.empty(columns, np.int32)
    below, across = np.empty(columns, np.int32), np.empty(columns, np.int32)
    rise = matrix[0, 1] * float(x0 + columns)
    fetched, seen = 0, 0
    for j in range(out.shape[0]):
        row = float(y0 + j)
        needed = int(offset[0] + matrix[0, 0] * row + max(rise, 0.0)) + 3
        if needed > fetched:
            seen |= _fetch(image, max(fetched, int(needed - abs(rise))), needed)
            fetched = needed
        row_y, row_x = offset[0] + matrix[0, 0] * row, offset[1] + matrix[1, 0] * row
        start, stop = 0, columns
        while start < stop:
            column = float(x0 + start)
            y, x = row_y + matrix[0, 1] * column, row_x + matrix[1, 1] * column
            if _is_inner(image, y, x):
                break
            out[j, start] = _outer_pixel(image, y, x, fill[0])
            start += 1
        while stop > start:
            column = float(x0 + stop - 1)
            y, x = row_y + matrix[0, 1] * column, row_x + matrix[1, 1] * column
            if _is_inner(image, y, x):
                break
            stop -= 1
            out[j, stop] = _outer_pixel(image, y, x, fill[0])
        n = stop - start
        _locate(row_y, row_x, matrix[0, 1], matrix[1, 1], x0 + start, float(image.shape[1]), where[:n], down[:n], right[:n])
        _gather(pixels, width, where[:n], here, aside, below, across)
        _blend(here[:n], aside[:n], below[:n], across[:n], down[:n], right[:n], out[j, start:stop])
    return seen
