"""Calibration: pixels to the unit of a reference mark."""

import math

import numpy as np

from camstream.frame import Axis
from camstream.spec.geometry import Calibration


def pixel_axis(count: int) -> Axis:
    """Pixel numbers from 0."""
    return np.arange(count, dtype=np.float32)


def calibrated_axes(calibration: Calibration, width: int, height: int) -> tuple[Axis, Axis]:
    """Positions of columns and rows, with the origin in the middle of the mark; both descend (+x is left, +y is up).

    The middle is cut to a whole pixel, and the arithmetic is float32, as in cam_server. A mark without width or height
    cannot be measured: a pixel then counts 1 in both directions.
    """
    mark = calibration.reference_marker
    dx, dy = mark.right - mark.left, mark.bottom - mark.top
    pitch_x = pitch_y = 1.0
    if dx != 0 and dy != 0:
        pitch_x = calibration.reference_marker_width / dx * math.cos(math.radians(calibration.angle_horizontal))
        pitch_y = calibration.reference_marker_height / dy * math.cos(math.radians(calibration.angle_vertical))
    return _axis(width, int(dx / 2 + mark.left), pitch_x), _axis(height, int(dy / 2 + mark.top), pitch_y)


def _axis(count: int, origin: int, pitch: float) -> Axis:
    axis: Axis = -np.float32(pitch) * (pixel_axis(count) - np.float32(origin))
    return axis
