"""One look at every pixel: background, threshold, region of interest, profiles and extremes together."""

import numpy as np

from camstream.frame import Image
from camstream_worker.image.background import subtract_clipped
from camstream_worker.image.geometry import Region
from camstream_worker.image.profile import Profiles, profiles
from camstream_worker.image.threshold import apply_threshold


def measure(image: Image, region: Region) -> Profiles:
    """Profiles and extremes of a part of an image."""
    return profiles(image[region.slices])


def correct(image: Image, region: Region, background: Image | None, threshold: int) -> tuple[Image, Profiles]:
    part = np.ascontiguousarray(image[region.slices])
    if background is not None:
        part = subtract_clipped(part, background[region.slices])
    if threshold > 0:
        part = apply_threshold(part, threshold)
    return part, profiles(part)
