"""The steps between a frame and its analysis, for frames of one layout."""

import numpy as np
import numpy.typing as npt

from camstream.frame import Image
from camstream.spec.fields import BinningMode
from camstream.spec.processing import BackgroundMode, Processing, RotationMode
from camstream_worker.image.averaging import RunningMean
from camstream_worker.image.background import in_type, subtract_clipped, subtract_signed
from camstream_worker.image.geometry import Region, bin_image, mirror, turn, whole
from camstream_worker.image.pixels import correct, measure
from camstream_worker.image.profile import Profiles
from camstream_worker.image.rotation import quarter_turns, rotate
from camstream_worker.pipeline.arithmetic import scale_and_offset


class Preparation:
    """Binning, background, mirror, rotation, region of interest, threshold, averaging, scale and offset, in this order.

    Mirror and quarter turns move pixels without changing them. The background is therefore moved once instead, and subtracted
    in the same pass over memory as everything else; only a rotation by another angle needs it done before.
    """

    def __init__(
        self,
        processing: Processing,
        region: Region,
        dtype: np.dtype[np.generic],
        background: npt.NDArray[np.uint16] | None,
        averaging: RunningMean | None,
    ) -> None:
        """:param region: in the binned, mirrored and rotated image
        :param dtype: of the images to come
        :param background: shape of the images to come; None: nothing is subtracted
        :param averaging: state of the late averaging, which outlives this object
        """
        self._processing = processing
        self._region = region
        self._averaging = averaging
        self._threshold = int(processing.threshold or 0)
        rotation = processing.rotation
        orthogonal = rotation is not None and rotation.mode is RotationMode.ORTHOGONAL
        self._turns = quarter_turns(rotation.angle) if rotation is not None and orthogonal else 0
        self._rotation = rotation if rotation is not None and not orthogonal and rotation.angle != 0 else None
        self._moves = bool(processing.mirror.x or processing.mirror.y or self._turns)
        self._signed = processing.background is not None and processing.background.mode is BackgroundMode.SUBTRACT_SIGNED
        self._first: Image | None = None
        self._last: Image | None = None
        if background is None:
            return
        if processing.binning.active:
            background, dtype = self._bin(background), np.dtype(np.uint16)
        if self._signed:
            self._first = background
        elif self._rotation is not None:
            self._first = in_type(background, dtype)
        else:
            self._last = np.ascontiguousarray(self._move(in_type(background, dtype))[region.slices])

    def prepare(self, image: Image, *, keep: bool = True) -> tuple[Image | None, Profiles]:
        """The prepared image and its profiles.

        :param keep: without it the image is not made where that can be helped
        """
        processing, region = self._processing, self._region
        if processing.binning.active:
            image = self._bin(image)
        if self._first is not None:
            image = subtract_signed(image, self._first) if self._signed else subtract_clipped(image, self._first)
        if self._moves:
            image = self._move(image)
        if self._rotation is not None:
            image, region = rotate(image, self._rotation, region), whole(region.shape)
        elif self._moves:
            image, region = np.ascontiguousarray(image[region.slices]), whole(region.shape)
        late = self._averaging is not None or processing.scale is not None or processing.offset is not None
        part, profiles = correct(image, region, self._last, self._threshold, keep=keep or late)
        if part is None or not late:
            return part, profiles
        if self._averaging is not None:
            mean = self._averaging.add(part)
            part = part if mean is None else mean
        part = scale_and_offset(part, processing.scale, processing.offset)
        return part, measure(part, whole(part.shape))

    def _bin(self, image: Image) -> npt.NDArray[np.uint16]:
        binning = self._processing.binning
        return bin_image(image, binning.x, binning.y, binning.mode is BinningMode.MEAN)

    def _move(self, image: Image) -> Image:
        flip = self._processing.mirror
        return turn(mirror(image, flip.x, flip.y), self._turns)
