"""Plans without a worker, arrays in and arrays out: users' scripts, and configurations in cam_server's own words."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from camstream.frame import Axis, Frame, Image, Timestamp
from camstream.spec import CameraSpec, PipelineSpec
from camstream.spec.legacy import camera_geometry_from_cam_server, processing_from_cam_server
from camstream.spec.pipeline import PipelineInput
from camstream.spec.processing import Processing
from camstream.spec.source import CameraSource, SimulationSource
from camstream_worker.pipeline.plan import camera_plan
from camstream_worker.pipeline.processing import PipelinePlan
from camstream_worker.scripts.loader import load
from camstream_worker.scripts.signatures import IMAGE_FUNCTIONS, image_function


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


def run_script(
    script: Path | str,
    images: Sequence[Image],
    x_axis: Axis,
    y_axis: Axis,
    parameters: Mapping[str, Any] | None = None,
    *,
    processing: Processing | None = None,
    bsdata: Sequence[Mapping[str, Any]] | None = None,
    function: str | None = None,
    libraries: Sequence[Path] = (),
) -> list[dict[str, Any] | None]:
    """What a user's script makes of recorded images, one result per image; None where it sends nothing.

    :param script: its file, or its text
    :param images: shape (y, x) each; pulse ids count from 1
    :param parameters: as in ``spec.script.parameters``; the script may keep things there from one image to the next
    :param processing: steps before the script, as in ``spec.processing``
    :param bsdata: other channels of each image
    :param function: its name, where it is not process_image or process
    :param libraries: folders of modules that it imports
    :raises ScriptError: if it cannot be loaded, raises, or gives what cannot be sent; with file and line
    :raises CamstreamError: where an image does not fit
    """
    name = script.stem if isinstance(script, Path) else "script"
    call = image_function(load(script, name, function, IMAGE_FUNCTIONS, libraries))
    spec = PipelineSpec(input=PipelineInput(address="tcp://127.0.0.1:9999"), processing=processing or Processing())
    own = dict(parameters or {})
    plan = PipelinePlan(spec, None, json.dumps(own, default=str), call, own)
    others = bsdata or [{}] * len(images)
    frames = [
        Frame(pulse_id, Timestamp(pulse_id, 0), image, x_axis, y_axis, channels)
        for pulse_id, (image, channels) in enumerate(zip(images, others, strict=True), start=1)
    ]
    return [plan.process(frame) for frame in frames]


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
