"""The plan of a pipeline."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from camstream import names
from camstream.errors import BackgroundError
from camstream.frame import Frame, Image
from camstream.spec import PipelineSpec
from camstream.spec.geometry import Binning
from camstream.spec.processing import AccumulateMode, BackgroundMode, Function
from camstream_worker.image.averaging import BlockMean, RunningMean
from camstream_worker.pipeline.analysis import analyse
from camstream_worker.pipeline.background import usable
from camstream_worker.pipeline.channels import Channels, is_sent, select, with_parameters
from camstream_worker.pipeline.layout import Layout, layout
from camstream_worker.pipeline.preparation import Preparation


@dataclass(frozen=True, slots=True, eq=False)
class _Setup:
    """What is made once for all frames of one layout."""

    layout: Layout
    dtype: np.dtype[np.generic]
    preparation: Preparation
    problem: str
    """Why the background cannot be used; empty if it can."""

    def fits(self, frame: Frame) -> bool:
        return frame.image.dtype == self.dtype and self.layout.fits(frame)


class PipelinePlan:
    """What a pipeline does to each frame. Several threads may use one plan, unless it is stateful."""

    def __init__(
        self,
        spec: PipelineSpec,
        background: npt.NDArray[np.generic] | None,
        parameters: str,
        call: Callable[..., Any] | None = None,
        own_parameters: dict[str, Any] | None = None,
    ) -> None:
        """
        :param parameters: JSON text, sent as ``processing_parameters``
        :param call: a script instead of the analysis: ``process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata)``
        :param own_parameters: handed to the script; it may keep things there
        """
        self._spec = spec
        self._background = background
        self._parameters = parameters
        self._call, self._own = call, own_parameters or {}
        self._setup: _Setup | None = None
        # The good region is measured in the image.
        self._keep = is_sent(names.IMAGE, spec.selection) or spec.processing.good_region is not None or call is not None
        self._accumulate: BlockMean | RunningMean | None = None
        self._averaging: RunningMean | None = None
        early, late = spec.processing.accumulate, spec.processing.averaging or 1
        if early is not None and early.frames > 1:
            block = early.mode is AccumulateMode.BLOCK
            self._accumulate = BlockMean(early.frames) if block else RunningMean(early.frames, from_first=False)
        if late > 1:
            self._averaging = RunningMean(late, from_first=True)

    @property
    def stateful(self) -> bool:
        """Whether a result depends on earlier frames; then frames must come in order and from one thread."""
        return self._accumulate is not None or self._averaging is not None

    def prepare(self, frame: Frame) -> None:
        """Load the kernels for frames of this pixel type, so that the first of them is no slower than the others.

        They come from numba's cache; what is not there is compiled (:mod:`camstream_worker.image.compile`). No state is touched.
        """
        processing, dtype = self._spec.processing, frame.image.dtype if self._accumulate is None else np.dtype(np.float64)
        binning = processing.binning
        small = {"accumulate": None, "averaging": None, "binning": Binning(x=min(binning.x, 2), y=min(binning.y, 2), mode=binning.mode)}
        spec = self._spec.model_copy(update={"processing": processing.model_copy(update=small)})
        # A small beam takes every path.
        y, x = np.ogrid[-4:4:32j, -4:4:32j]
        beam = (100 * np.exp(-(x**2) - y**2)).astype(dtype)
        # Without the script: nobody may call it with something that was not seen.
        PipelinePlan(spec, np.zeros(beam.shape, np.uint16), self._parameters).process(replace(frame, image=beam, x_axis=None, y_axis=None))

    def process(self, frame: Frame) -> dict[str, Any] | None:
        """The channels of one message in the order of the wire, or None where this frame makes no message.

        :raises FrameError: if the frame cannot be processed
        :raises BackgroundError: if the background cannot be used, unless the spec asks for a message instead
        """
        if frame.image.dtype == np.bool_:
            # numpy does not subtract truth values.
            frame = replace(frame, image=frame.image.view(np.uint8))
        setup = self._setup_for(frame)
        image: Image | None = frame.image
        if self._accumulate is not None:
            image = self._accumulate.add(frame.image)
        if image is None:
            return None
        if setup.problem:
            return select(self._reduced(frame, setup), self._spec.selection)
        # Noise and damaged pixels make infinities and worse; they are results, and are told as such.
        with np.errstate(all="ignore"):
            channels = self._channels(frame, image, setup)
        return None if channels is None else select(channels, self._spec.selection)

    def _channels(self, frame: Frame, image: Image, setup: _Setup) -> Channels | None:
        layout, processing = setup.layout, self._spec.processing
        part, profiles = setup.preparation.prepare(image, keep=self._keep)
        if self._call is not None:
            return self._by_script(self._call, frame, part, layout)
        height, width = layout.region.shape
        channels = {
            names.X_AXIS: layout.x_axis,
            names.Y_AXIS: layout.y_axis,
            names.IMAGE: part,
            names.WIDTH: width,
            names.HEIGHT: height,
            names.PROCESSING_PARAMETERS: self._parameters,
            names.TIMESTAMP: frame.timestamp.seconds(),
        }
        if processing.function is not Function.TRANSPARENT:
            channels |= analyse(part, profiles, layout, processing)
        if processing.function is Function.MERGE:
            channels |= frame.channels
        return channels

    def _by_script(self, call: Callable[..., Any], frame: Frame, image: Image | None, layout: Layout) -> Channels | None:
        assert image is not None  # noqa: S101 - it was kept
        # What was received cannot be written to, and what is in use by others must not be; scripts do as they like.
        own = image if image.flags.writeable and image.base is None else image.copy()
        wanted = self._spec.processing.background
        if wanted is not None and wanted.mode is BackgroundMode.PASSIVE:
            # Anew for each frame: published scripts take it out of their parameters.
            self._own["background_data"] = self._background
        made: Mapping[str, Any] | None = call(
            own, frame.pulse_id, tuple(frame.timestamp), layout.x_axis, layout.y_axis, self._own, dict(frame.channels)
        )
        return None if made is None else with_parameters(made, self._parameters)

    def _setup_for(self, frame: Frame) -> _Setup:
        setup = self._setup
        if setup is None or not setup.fits(frame):
            # Two threads may both come here; they make the same.
            setup = self._setup = self._make_setup(frame)
        return setup

    def _make_setup(self, frame: Frame) -> _Setup:
        found, problem = layout(self._spec.processing, frame), ""
        background, wanted = None, self._spec.processing.background
        if wanted is not None:
            try:
                background = usable(self._background, wanted, frame.image.shape, "the input")
            except BackgroundError as error:
                if not self._spec.failure.notify_on_error:
                    raise
                problem = str(error)
            if wanted.mode is BackgroundMode.PASSIVE:
                background = None
        dtype = frame.image.dtype if self._accumulate is None else np.dtype(np.float64)
        preparation = Preparation(self._spec.processing, found.region, dtype, background, self._averaging)
        return _Setup(found, frame.image.dtype, preparation, problem)

    def _reduced(self, frame: Frame, setup: _Setup) -> Channels:
        """The message that tells why there is no result."""
        height, width = setup.layout.region.shape
        parameters = json.loads(self._parameters)
        parameters["processing_error"] = setup.problem
        if self._background is None:
            parameters["image_background_ok"] = False
        return {
            names.X_AXIS: setup.layout.x_axis,
            names.Y_AXIS: setup.layout.y_axis,
            names.IMAGE: np.zeros((height, width), frame.image.dtype),
            names.WIDTH: width,
            names.HEIGHT: height,
            names.PROCESSING_PARAMETERS: json.dumps(parameters),
        }
