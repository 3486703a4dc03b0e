"""``cam_server.pipeline.data_processing.processor``: the default analysis as a function."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from camstream.frame import Axis, Frame, Image, Timestamp
from camstream.spec.legacy import processing_from_cam_server
from camstream.spec.pipeline import PipelineInput, PipelineSpec
from camstream_worker.pipeline.processing import PipelinePlan

ANALYSIS = ("image_good_region", "image_slices", "fw_threshold")
"""Parameters of the analysis. All others are of the preparation, which the image has behind it."""

PASSIVE_BACKGROUND = "background_data"


def process_image(
    image: Image,
    pulse_id: int,
    timestamp: tuple[int, int] | float,
    x_axis: Axis,
    y_axis: Axis,
    parameters: Mapping[str, Any],
    bsdata: Mapping[str, Any] | None = None,  # noqa: ARG001 - scripts pass it on
) -> dict[str, Any]:
    """All channels of the default analysis of a prepared image; the dict is the caller's.

    :param parameters: ``image_good_region``, ``image_slices`` and ``fw_threshold`` are used; all are sent as ``processing_parameters``
    :raises camstream.errors.CamstreamError: if the image, the axes or a parameter cannot be used
    """
    text = json.dumps({name: value for name, value in parameters.items() if name != PASSIVE_BACKGROUND}, default=str)
    wanted = json.dumps({name: parameters[name] for name in ANALYSIS if parameters.get(name) is not None})
    when = Timestamp(*timestamp) if isinstance(timestamp, (tuple, list)) else Timestamp.from_seconds(timestamp)
    channels = _plan(wanted, text).process(Frame(pulse_id, when, image, x_axis, y_axis))
    assert channels is not None  # noqa: S101 - without averaging every image gives a result
    return channels


@lru_cache(maxsize=8)
def _plan(wanted: str, parameters: str) -> PipelinePlan:
    processing = processing_from_cam_server(json.loads(wanted))
    return PipelinePlan(PipelineSpec(input=PipelineInput(address="tcp://127.0.0.1:9999"), processing=processing), None, parameters)
