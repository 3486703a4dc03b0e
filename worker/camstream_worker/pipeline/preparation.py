"""The steps between a frame and its analysis, for frames of one layout."""

import numpy as np
import numpy.typing as npt

from camstream.frame import Image
from camstream.spec.fields import BinningMode
from camstream.spec.processing import BackgroundMode, Processing, Rotation, RotationMode
from camstream_worker.image.averaging import RunningMean
from camstream_worker.image.background import subtract_clipped, subtract_signed
from camstream_worker.image.geometry import bin_image, mirror, turn, whole
from camstream_worker.image.pixels import correct, measure
from camstream_worker.image.profile import Profiles
from camstream_worker.image.rotation import quarter_turns, rotate
from camstream_worker.pipeline.arithmetic import scale_and_offset
from camstream_worker.pipeline.layout import Layout


class Preparation:
    """Binning, background, mirror, rotation, region of interest, threshold, averaging, scale and offset, in this order.

    Mirror and quarter turns move pixels without changing them. The background is therefore moved once instead, and subtracted
    in the same pass over memory as everything else; only a rotation by another angle needs it done before.
    """

    def __init__(self, processing: Processing, layout: Layout, background: npt.NDArray[np.uint16] | None, averaging: RunningMean | None) -> None:
        """:param background: shape of the image as it comes in; None: nothing is subtracted
        :param averaging: state of the late averaging, which outlives this object
        """
        self._processing = processing
        self._region = layout.region
        self._averaging = averaging
        self._threshold = int(processing.threshold or 0)
        self._rotation: Rotation | None = None
        self._turns = 0
        rotation = processing.rotation
        if rotation is not None and rotation.mode is RotationMode.ORTHOGONAL:
            self._turns = quarter_turns(rotation.angle)
        elif rotation is not None and rotation.angle != 0:
            self._rotation = rotation
        self._signed = processing.background is not None and processing.background.mode is BackgroundMode.SUBTRACT_SIGNED
        self._binning = processing.binning
        if background is not None and self._binning.active:
            background = self._bin(background)
        self._first = self._last = background
        if background is not None and (self._signed or self._rotation is not None):
            self._last = None
        elif background is not None:
            self._first, self._last = None, np.ascontiguousarray(self._move(background)[layout.region.slices])

    def _bin(self, image: Image) -> npt.NDArray[np.uint16]:
        return bin_image(image, self._binning.x, self._binning.y, self._binning.mode is BinningMode.MEAN)

    def _move(self, image: Image) -> Image:
        flip = self._processing.mirror
        return turn(mirror(image, flip.x, flip.y), self._turns)

    def prepare(self, image: Image, keep: bool = True) -> tuple[Image, Profiles]:
        """The prepared image and what was seen of it on the way.

        :param keep: the image is needed; without it only its profiles and extremes are right
        """
        processing = self._processing
        if self._binning.active:
            image = self._bin(image)
        if self._first is not None:
            image = subtract_signed(image, self._first) if self._signed else subtract_clipped(image, self._first)
        image = self._move(image)
        if self._rotation is not None:
            image = rotate(image, self._rotation)
        image, profiles = correct(image, self._region, self._last, self._threshold)
        if self._averaging is None and processing.scale is None and processing.offset is None:
            return image, profiles
        if self._averaging is not None:
            mean = self._averaging.add(image)
            image = image if mean is None else mean
        image = scale_and_offset(image, processing.scale, processing.offset)
        return image, measure(image, whole(image.shape))
