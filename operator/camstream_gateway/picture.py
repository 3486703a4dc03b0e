"""Images as PNG, coloured as cam_server does. Pure."""

import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from camstream.errors import CamstreamError

Image = npt.NDArray[Any]
Shades = npt.NDArray[np.float64]
"""From 0 to 1."""


class PictureError(CamstreamError):
    """No picture can be made as asked."""


def _rainbow(x: Shades) -> tuple[Shades, Shades, Shades]:
    """Matplotlib's table of that name, by its formula."""
    return np.abs(2 * x - 0.5), np.sin(np.pi * x), np.cos(np.pi / 2 * x)


def _jet(x: Shades) -> tuple[Shades, Shades, Shades]:
    red, green, blue = (1.5 - np.abs(4 * x - peak) for peak in (3, 2, 1))
    return red, green, blue


COLORMAPS: Final[dict[str, Callable[[Shades], tuple[Shades, Shades, Shades]]]] = {
    "rainbow": _rainbow,
    "jet": _jet,
    "gray": lambda x: (x, x, x),
    "hot": lambda x: (x / 0.365, (x - 0.365) / 0.381, (x - 0.746) / 0.254),
    "cool": lambda x: (x, 1 - x, np.ones_like(x)),
}


def png(image: Image, *, scale: float = 1, low: float | None = None, high: float | None = None, colormap: str = "rainbow") -> bytes:
    """A PNG of an image.

    :param image: shape (y, x), numbers
    :param scale: 0.5 makes a quarter of the pixels, each the mean of a block
    :param low: value of the first colour; default 0
    :param high: value of the last one; default the largest pixel
    :raises PictureError: if the colours are not known, or the scale is none
    """
    if colormap not in COLORMAPS:
        raise PictureError(f"unknown colormap {colormap!r}; there are {', '.join(COLORMAPS)}")
    if not 0 < scale <= 1:
        raise PictureError(f"expected a scale above 0 and up to 1, found {scale}")
    pixels = np.nan_to_num(_reduced(image.astype(np.float64), round(1 / scale)))
    bottom = 0.0 if low is None else low
    top = float(pixels.max()) if high is None else high
    shades = np.clip((pixels - bottom) / ((top - bottom) or 1.0), 0.0, 1.0)
    levels = np.linspace(0.0, 1.0, 256)
    table = (np.clip(np.stack(COLORMAPS[colormap](levels), axis=-1), 0, 1) * 255).round().astype(np.uint8)
    return encoded(table[(shades * 255).astype(np.uint8)])


def encoded(rgb: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file.

    :param rgb: shape (y, x, 3)
    """
    height, width = rgb.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = rgb.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + chunk(b"IEND", b"")


def _reduced(image: Shades, n: int) -> Shades:
    """Mean of blocks of n x n pixels; rows and columns that fill no block are left out."""
    n = min(n, *image.shape)
    if n == 1:
        return image
    height, width = image.shape[0] // n, image.shape[1] // n
    found: Shades = image[: height * n, : width * n].reshape(height, n, width, n).mean(axis=(1, 3))
    return found
