"""Sums along columns and rows, and extremes."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from camstream.frame import Image

Profile = npt.NDArray[Any]
"""Sums of pixels, shape (n,): int64 for images of whole numbers, else the type of the pixels."""


class Profiles(NamedTuple):
    """What one look at every pixel tells."""

    x: Profile
    """Sum of each column, shape (width,)."""
    y: Profile
    """Sum of each row, shape (height,)."""
    minimum: Any
    """Smallest pixel, in the type of the pixels; NaN is ignored."""
    maximum: Any

    @property
    def intensity(self) -> Any:
        """Sum of all pixels."""
        return self.x.sum()


def profiles(image: Image) -> Profiles:
    """Profiles and extremes of an image that has at least one pixel."""
    dtype = image.dtype if image.dtype.kind == "f" else np.dtype(np.int64)
    lowest, highest = (np.fmin, np.fmax) if image.dtype.kind == "f" else (np.minimum, np.maximum)
    return Profiles(
        image.sum(axis=0, dtype=dtype),
        image.sum(axis=1, dtype=dtype),
        lowest.reduce(image, axis=None),
        highest.reduce(image, axis=None),
    )
