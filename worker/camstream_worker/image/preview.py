"""A small picture for people."""

import numpy as np
import numpy.typing as npt

from camstream.frame import Image

CONTRAST = (1.0, 99.8)
"""Percentiles of the pixels that become black and white."""


def preview(image: Image, width: int) -> npt.NDArray[np.uint8]:
    """An 8-bit grey picture of an image, at most this wide, with automatic contrast. NaN is black.

    Every n-th pixel is shown, not a mean: a preview must cost little beside the stream.

    :param image: shape (y, x)
    :param width: largest number of columns [pixel]
    """
    step = -(-image.shape[1] // width)
    pixels = image[::step, ::step].astype(np.float32)
    finite = np.isfinite(pixels)
    if not finite.any():
        return np.zeros(pixels.shape, np.uint8)
    black, white = np.percentile(pixels[finite], CONTRAST)
    if white <= black:
        black, white = float(pixels[finite].min()), float(pixels[finite].max())
    scaled = (np.nan_to_num(pixels, nan=black, posinf=white, neginf=black) - black) * (255 / ((white - black) or 1))
    picture: npt.NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return picture
