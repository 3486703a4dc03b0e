"""Binning, mirror, quarter turns and regions of interest, of image and axes together."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from camstream.errors import ShapeMismatch
from camstream.frame import Axis, Image

UINT16_MAX = 65535
UNSIGNED: Final[dict[np.dtype[Any], int]] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): UINT16_MAX}
"""What cameras send, and what the kernels for images are made for: pixel type and its largest value."""


class Region(NamedTuple):
    """A rectangle of an image, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle in an image."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at ({self.x}, {self.y})"


def frozen(image: Image) -> Image:
    """A view of an image that cannot be written to: received frames are so, and kernels are compiled for nothing else."""
    view = image.view()
    view.flags.writeable = False
    return view


def whole(shape: tuple[int, ...]) -> Region:
    """The region that is the image."""
    return Region(0, 0, shape[1], shape[0])


def fit_region(region: Region, shape: tuple[int, ...]) -> Region:
    """Make a region smaller until it fits into an image of this shape, then move it inside."""
    width, height = min(region.width, shape[1]), min(region.height, shape[0])
    x, y = min(region.x, shape[1] - width), min(region.y, shape[0] - height)
    return Region(max(x, 0), max(y, 0), width, height)


def is_inside(region: Region, shape: tuple[int, ...]) -> bool:
    """Whether a region lies inside an image of this shape."""
    return region.x + region.width <= shape[1] and region.y + region.height <= shape[0]


def bin_image(image: Image, x: int, y: int, mean: bool) -> npt.NDArray[np.uint16]:
    """Combine blocks of ``x`` by ``y`` pixels into one, by sum or mean. What does not fill a block is dropped.

    The result is uint16, cut (not wrapped) at both ends; a mean is rounded towards zero.

    :raises ShapeMismatch: if no block fits
    """
    if image.shape[0] < y or image.shape[1] < x:
        raise ShapeMismatch(f"binning {x}x{y} needs an image of that size at least, found {image.shape[1]}x{image.shape[0]}: bin less")
    if image.dtype not in UNSIGNED or x * y > UINT16_MAX or not image.flags.c_contiguous:
        return bin_plain(image, x, y, mean)
    # Imported here, because numba costs 0.3 s and 60 MB, and most cameras do not bin.
    from camstream_worker.image.kernels import binning as kernel

    out = np.empty((image.shape[0] // y, image.shape[1] // x), np.uint16)
    kernel.bin_image(frozen(image), x, y, mean, out)
    return out


def bin_plain(image: Image, x: int, y: int, mean: bool) -> npt.NDArray[np.uint16]:
    """The numpy form of :func:`bin_image`, for all pixel types."""
    height, width = image.shape[0] // y, image.shape[1] // x
    blocks = image[: height * y, : width * x].reshape(height, y, width, x)
    total = blocks.sum(axis=(1, 3), dtype=np.float64 if image.dtype.kind == "f" else np.int64)
    if mean:
        total = total / (x * y)
    binned: npt.NDArray[np.uint16] = np.clip(total, 0, UINT16_MAX).astype(np.uint16)
    return binned


def bin_axis(axis: Axis, size: int) -> Axis:
    """Mean position of each block of ``size`` pixels."""
    count = len(axis) // size
    mean: Axis = axis[: count * size].reshape(count, size).mean(axis=1).astype(np.float32)
    return mean


def mirror(image: Image, x: bool, y: bool) -> Image:
    """A view of the image, flipped left to right (x) and top to bottom (y)."""
    return image[:: -1 if y else 1, :: -1 if x else 1]


def turn(image: Image, quarter_turns: int) -> Image:
    """A view of the image, turned counter-clockwise."""
    turned: npt.NDArray[Any] = np.rot90(image, quarter_turns)
    return turned


def turn_axes(x_axis: Axis, y_axis: Axis, quarter_turns: int) -> tuple[Axis, Axis]:
    """The axes of an image that was turned counter-clockwise."""
    match quarter_turns % 4:
        case 1:
            return y_axis, x_axis[::-1]
        case 2:
            return x_axis[::-1], y_axis[::-1]
        case 3:
            return y_axis[::-1], x_axis
        case _:
            return x_axis, y_axis
