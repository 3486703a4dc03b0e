"""An image as coloured PNG, for scripts that send one as text or write it to a file."""

import importlib
import io
from typing import Final

import numpy as np
import numpy.typing as npt

from camstream.frame import Image

LEVELS: Final = 256


def png(image: Image, scale: float | None, lowest: float | None, highest: float | None, colormap: str) -> bytes:
    """RGBA, not compressed. An image of zeros is transparent.

    :param scale: 1/n for means of n by n pixels; None or 1: as it is
    :param lowest: subtracted before anything else
    :param highest: what is above becomes this
    :raises ValueError: if blocks do not fill the image, or there is no such colour map
    """
    values = np.nan_to_num(np.asarray(image, np.float64))
    if scale not in (None, 1):
        values = block_means(values, float(scale or 0))
    if lowest is not None:
        values = np.maximum(values - lowest, 0)
    if highest is not None:
        values = np.minimum(values, highest)
    top = values.max()
    table = colors(colormap)
    pixels = table[np.clip(values * (LEVELS / (top or 1)), 0, LEVELS - 1).astype(np.intp)] * np.uint8(top > 0)
    # Costs 40 ms and 10 MB that most scripts do without.
    from PIL import Image as Picture

    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


def block_means(values: npt.NDArray[np.float64], scale: float) -> npt.NDArray[np.float64]:
    """Means of blocks of 1/scale by 1/scale pixels."""
    height, width = values.shape
    size = round(1 / scale) if 0 < scale <= 1 else 0
    if size < 1 or abs(size * scale - 1) > 1e-6 or height % size or width % size:
        raise ValueError(f"scale {scale:g}: expected 1/n where n divides {width} and {height}; choose another scale or cut the image")
    means: npt.NDArray[np.float64] = values.reshape(height // size, size, width // size, size).mean(axis=(1, 3))
    return means


def colors(colormap: str) -> npt.NDArray[np.uint8]:
    """Red, green, blue and opacity of each level, shape (256, 4): rainbow, gray, and those of matplotlib where it is installed.

    Source of rainbow: gnuplot's formulae 33, 13 and 10.
    """
    level = np.linspace(0, 1, LEVELS)
    if colormap == "rainbow":
        channels = [np.abs(2 * level - 0.5), np.sin(np.pi * level), np.cos(np.pi / 2 * level), np.ones(LEVELS)]
    elif colormap in ("gray", "grey"):
        channels = [level, level, level, np.ones(LEVELS)]
    else:
        try:
            matplotlib = importlib.import_module("matplotlib")
        except ImportError as error:
            raise ValueError(
                f"colour map {colormap!r}: rainbow and gray are built in; install matplotlib in the image for others"
            ) from error
        channels = list(matplotlib.colormaps[colormap](level).T)
    table: npt.NDArray[np.uint8] = np.rint(np.clip(np.stack(channels, axis=1), 0, 1) * 255).astype(np.uint8)
    return table
