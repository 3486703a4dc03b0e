"""Subtract a background: clipped at zero, or signed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from camstream.frame import Image


def as_background(array: npt.NDArray[np.generic]) -> npt.NDArray[np.uint16]:
    """The pixels of a background file, in the type in which backgrounds are subtracted."""
    background: npt.NDArray[np.uint16] = array.astype(np.uint16)
    return background


def in_type(background: npt.NDArray[np.uint16], dtype: np.dtype[Any]) -> Image:
    """The background in an image's type, cut at its upper limit: what is above takes every pixel to zero all the same."""
    if dtype.kind in "iu":
        background = np.minimum(background, min(np.iinfo(dtype).max, np.iinfo(np.uint16).max))
    return background.astype(dtype, copy=False)


def subtract_clipped(image: Image, background: Image) -> Image:
    """Subtract a background, never going below zero. The pixel type stays; the inputs are not modified.

    Unsigned pixels would wrap on a plain ``image - background``.

    :param image: shape (y, x)
    :param background: same shape and type
    """
    result = np.maximum(image, background)
    np.subtract(result, background, out=result)
    return result


def subtract_signed(image: Image, background: npt.NDArray[np.uint16]) -> npt.NDArray[np.int32]:
    """Subtract a background in int32; pixels may become negative."""
    difference: npt.NDArray[np.int32] = image.astype(np.int32) - background
    return difference
