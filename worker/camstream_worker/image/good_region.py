"""The part of an image around the beam."""

import numpy as np

from camstream_worker.image.geometry import Region
from camstream_worker.image.profile import Profile, Profiles


def extent(profile: Profile, threshold: float, scale: float) -> tuple[int, int]:
    """First sample of the peak and the one after its last; equal where there is no peak.

    From the highest sample to the nearest ones below a share of the range, widened by a factor about their middle.
    Where the profile stays above to its end, the highest sample takes the place of that side (cam_server, section 6.5).
    """
    peak = int(profile.argmax())
    lowest = profile.min()
    low = profile < (profile[peak] - lowest) * threshold + lowest
    before, after = np.flatnonzero(low[1 : peak + 1]), np.flatnonzero(low[peak:])
    start = int(before[-1]) + 1 if len(before) else peak
    end = int(after[0]) + peak if len(after) else peak
    margin = (end - start) * (scale - 1) / 2
    last = len(profile) - 1
    return int(min(max(start - margin, 0), last)), int(min(max(end + margin, 0), last))


def good_region(profiles: Profiles, threshold: float, scale: float) -> Region | None:
    """The rectangle around the peaks of both profiles, or None where one of them has none."""
    x0, x1 = extent(profiles.x, threshold, scale)
    y0, y1 = extent(profiles.y, threshold, scale)
    return Region(x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None
