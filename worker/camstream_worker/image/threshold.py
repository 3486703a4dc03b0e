"""Cut what is too dark."""

import numpy as np

from camstream.frame import Image


def apply_threshold(image: Image, threshold: int) -> Image:
    """Set pixels below the threshold to 0, in a copy."""
    return np.where(image < threshold, image.dtype.type(0), image)
