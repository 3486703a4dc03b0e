"""Plans without a worker: configurations in cam_server's own words, arrays in, arrays out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from camstream.frame import Axis, Frame, Image, Timestamp
from camstream.spec import CameraSpec, PipelineSpec
from camstream.spec.legacy import camera_geometry_from_cam_server, processing_from_cam_server
from camstream.spec.pipeline import PipelineInput
from camstream.spec.source import CameraSource, SimulationSource
from camstream_worker.pipeline.plan import camera_plan
from camstream_worker.pipeline.processing import PipelinePlan


def analyse(
    images: Sequence[Image],
    x_axis: Axis,
    y_axis: Axis,
    background: npt.NDArray[np.generic] | None,
    parameters: Mapping[str, Any],
) -> dict[str, Any] | None:
    """The channels of the last image, or None where it makes no message.

    :param images: shape (y, x) each, oldest first
    :param background: shape (y, x), or None
    :param parameters: configuration of a cam_server pipeline
    :raises CamstreamError: where an image or the background does not fit
    """
    spec = PipelineSpec(input=PipelineInput(address="tcp://127.0.0.1:9999"), processing=processing_from_cam_server(parameters))
    plan = PipelinePlan(spec, background, json.dumps(dict(parameters)))
    channels = None
    for pulse_id, image in enumerate(images):
        channels = plan.process(Frame(pulse_id, Timestamp(0, 0), image, x_axis, y_axis))
    return channels


def transform(image: Image, config: Mapping[str, Any]) -> tuple[Image, Axis, Axis]:
    """The image and the axes that a camera would send.

    :param config: configuration of a cam_server camera
    :raises ShapeMismatch: if the region of interest does not lie inside the image
    """
    geometry, calibration = camera_geometry_from_cam_server(config)
    spec = CameraSpec(source=CameraSource(simulation=SimulationSource()), geometry=geometry, calibration=calibration)
    channels = camera_plan(spec, None, "offline").process(Frame(0, Timestamp(0, 0), image))
    assert channels is not None  # noqa: S101 - a camera sends every frame
    return channels["image"], channels["x_axis"], channels["y_axis"]
