"""What a plan derives from the shape and the axes of its frames, once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from camstream.errors import FrameError, ShapeMismatch
from camstream.frame import Axis, Frame
from camstream.spec.processing import Processing, RotationMode
from camstream_worker.image.axis import pixel_axis
from camstream_worker.image.geometry import Region, bin_axis, fit_region, turn_axes, whole
from camstream_worker.image.rotation import quarter_turns


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Shapes and axes from the input of a pipeline to its output."""

    input_shape: tuple[int, ...]
    input_axes: tuple[Axis | None, Axis | None]
    region: Region
    """In the binned, mirrored and rotated image."""
    x_axis: Axis
    y_axis: Axis
    x_positions: npt.NDArray[np.float64]
    """The axes again, in the type of the fits."""
    y_positions: npt.NDArray[np.float64]

    def fits(self, frame: Frame) -> bool:
        """Whether a frame has the shape and axes that this was made from."""
        x_axis, y_axis = self.input_axes
        return frame.image.shape == self.input_shape and _same(frame.x_axis, x_axis) and _same(frame.y_axis, y_axis)


def _same(axis: Axis | None, known: Axis | None) -> bool:
    """To the byte, which is the quickest way: this is asked of every frame."""
    if axis is None or known is None:
        return axis is known
    return axis.dtype == known.dtype and axis.shape == known.shape and axis.tobytes() == known.tobytes()


def layout(processing: Processing, frame: Frame) -> Layout:
    """Follow the axes of a frame through the steps.

    :raises FrameError: if the pixels are no real numbers
    :raises ShapeMismatch: if the frame is no image, or its axes have other lengths
    """
    if frame.image.dtype.kind not in "buif":
        raise FrameError(f"pulse {frame.pulse_id}: expected pixels that are real numbers, found {frame.image.dtype}")
    if frame.image.ndim != 2 or 0 in frame.image.shape:
        raise ShapeMismatch(f"pulse {frame.pulse_id}: expected an image (y, x), found shape {frame.image.shape}")
    height, width = frame.image.shape
    x_axis = pixel_axis(width) if frame.x_axis is None else frame.x_axis
    y_axis = pixel_axis(height) if frame.y_axis is None else frame.y_axis
    if (len(y_axis), len(x_axis)) != (height, width):
        raise ShapeMismatch(f"pulse {frame.pulse_id}: the image is {width}x{height}, its axes are for {len(x_axis)}x{len(y_axis)}")
    # Copies, because a received array goes back to where it came from.
    axes = frame.x_axis if frame.x_axis is None else x_axis.copy(), frame.y_axis if frame.y_axis is None else y_axis.copy()
    binning, rotation = processing.binning, processing.rotation
    x_axis, y_axis = bin_axis(x_axis, binning.x), bin_axis(y_axis, binning.y)
    x_axis, y_axis = x_axis[:: -1 if processing.mirror.x else 1], y_axis[:: -1 if processing.mirror.y else 1]
    if rotation is not None and rotation.mode is RotationMode.ORTHOGONAL:
        x_axis, y_axis = turn_axes(x_axis, y_axis, quarter_turns(rotation.angle))
    region = whole((len(y_axis), len(x_axis)))
    wanted = processing.region_of_interest
    if wanted is not None:
        region = fit_region(Region(wanted.offset_x, wanted.offset_y, wanted.size_x, wanted.size_y), (len(y_axis), len(x_axis)))
    rows, columns = region.slices
    x_axis, y_axis = np.ascontiguousarray(x_axis[columns], np.float32), np.ascontiguousarray(y_axis[rows], np.float32)
    return Layout(frame.image.shape, axes, region, x_axis, y_axis, x_axis.astype(np.float64), y_axis.astype(np.float64))
