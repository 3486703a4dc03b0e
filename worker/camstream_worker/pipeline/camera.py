"""The plan of a camera."""

from typing import Any

import numpy as np
import numpy.typing as npt

from camstream import names
from camstream.errors import ShapeMismatch
from camstream.frame import Axis, Frame, Image
from camstream.spec import CameraSpec
from camstream.spec.fields import BinningMode
from camstream_worker.image.axis import calibrated_axes, pixel_axis
from camstream_worker.image.background import subtract_clipped
from camstream_worker.image.geometry import Region, bin_image, is_inside, mirror, turn, whole
from camstream_worker.pipeline.background import usable


class _Setup:
    """What is made once for all frames of one shape."""

    def __init__(self, spec: CameraSpec, background: npt.NDArray[np.generic] | None, name: str, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or 0 in shape:
            raise ShapeMismatch(f"camera {name!r}: expected an image (y, x), found shape {shape}")
        geometry = spec.geometry
        self.shape = shape
        height, width = shape[0] // geometry.binning.y, shape[1] // geometry.binning.x
        if geometry.rotate_quarter_turns % 2:
            height, width = width, height
        self.region = whole((height, width))
        if geometry.region_of_interest is not None:
            roi = geometry.region_of_interest
            self.region = Region(roi.offset_x, roi.offset_y, roi.size_x, roi.size_y)
        if not is_inside(self.region, (height, width)):
            raise ShapeMismatch(
                f"camera {name!r}: region of interest {self.region} does not lie inside the image, "
                f"which is {width}x{height} after binning and rotation: correct regionOfInterest"
            )
        rows, columns = self.region.slices
        x_axis, y_axis = pixel_axis(width), pixel_axis(height)
        if spec.calibration is not None:
            x_axis, y_axis = calibrated_axes(spec.calibration, width, height)
        self.x_axis: Axis = x_axis[columns].copy()
        self.y_axis: Axis = y_axis[rows].copy()
        self.background: npt.NDArray[np.uint16] | None = None
        if background is not None and spec.background is not None:
            self.background = usable(background, spec.background, (height, width), f"camera {name!r}")[self.region.slices]


class CameraPlan:
    """What a camera does to each frame. Several threads may use one plan."""

    stateful = False

    def __init__(self, spec: CameraSpec, background: npt.NDArray[np.generic] | None, name: str) -> None:
        self._spec = spec
        self._background = background
        self._name = name
        self._setup: _Setup | None = None

    def prepare(self, frame: Frame) -> None:
        """Load what frames like this one need, so that the first of them is no slower than the others."""
        self.process(frame)

    def process(self, frame: Frame) -> dict[str, Any] | None:
        """The channels of one message in the order of the wire.

        :raises ShapeMismatch: if the frame is no image, or the region of interest does not lie inside it
        :raises BackgroundError: if the background has another shape
        """
        setup = self._setup
        if setup is None or setup.shape != frame.image.shape:
            setup = self._setup = _Setup(self._spec, self._background, self._name, frame.image.shape)
        image = self._transform(frame.image, setup)
        return {
            names.WIDTH: image.shape[1],
            names.HEIGHT: image.shape[0],
            names.TIMESTAMP: frame.timestamp.seconds(),
            names.IMAGE: image,
            names.X_AXIS: setup.x_axis,
            names.Y_AXIS: setup.y_axis,
        }

    def _transform(self, image: Image, setup: _Setup) -> Image:
        geometry = self._spec.geometry
        if geometry.binning.active:
            image = bin_image(image, geometry.binning.x, geometry.binning.y, geometry.binning.mode is BinningMode.MEAN)
        image = turn(mirror(image, geometry.mirror.x, geometry.mirror.y), geometry.rotate_quarter_turns)
        image = image[setup.region.slices]
        if setup.background is not None:
            image = subtract_clipped(image, setup.background)
        if self._spec.pixel_type is not None:
            image = convert(image, np.dtype(self._spec.pixel_type.value))
        return np.ascontiguousarray(image)


def convert(image: Image, dtype: np.dtype[Any]) -> Image:
    """The image in another pixel type; what does not fit is cut at the limits of that type."""
    if dtype.kind in "iu" and not np.can_cast(image.dtype, dtype):
        limits = np.iinfo(dtype)
        image = np.clip(np.nan_to_num(image), limits.min, limits.max)
    return image.astype(dtype, copy=False)
