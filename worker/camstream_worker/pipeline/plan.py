"""A spec becomes a plan: what to do with each frame of a worker.

The numeric libraries are imported with the plan that needs them: numba costs 0.3 s and 60 MB, and most cameras do without.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from camstream.spec import CameraSpec, PipelineSpec
from camstream.spec.pipeline import PipelineType

if TYPE_CHECKING:
    from camstream_worker.pipeline.camera import CameraPlan
    from camstream_worker.pipeline.processing import PipelinePlan
    from camstream_worker.pipeline.streams import CustomPlan, StorePlan, StreamPlan

__all__ = ["camera_plan", "pipeline_plan"]


def camera_plan(spec: CameraSpec, background: npt.NDArray[np.generic] | None, name: str) -> "CameraPlan":
    """Plan of a camera.

    :param background: shape (y, x) of the image before the region of interest; None: nothing is subtracted
    :param name: of the camera, for messages
    """
    from camstream_worker.pipeline.camera import CameraPlan

    return CameraPlan(spec, background, name)


def pipeline_plan(
    spec: PipelineSpec,
    background: npt.NDArray[np.generic] | None,
    parameters: str,
    *,
    camera: str = "",
    call: Callable[..., Any] | None = None,
    own_parameters: dict[str, Any] | None = None,
    first: bool = True,
) -> "PipelinePlan | StreamPlan | StorePlan | CustomPlan":
    """Plan of a pipeline.

    :param background: shape (y, x) of the image after binning; None: there is none
    :param parameters: JSON text, sent as ``processing_parameters``
    :param camera: external name of the camera that the images come from
    :param call: the user's function, where there is a script
    :param own_parameters: handed to it
    :param first: whether it has not been called yet
    """
    if spec.type is PipelineType.PROCESSING:
        from camstream_worker.pipeline.processing import PipelinePlan

        return PipelinePlan(spec, background, parameters, call, own_parameters)
    from camstream_worker.pipeline.streams import CustomPlan, StorePlan, StreamPlan

    own = {} if own_parameters is None else own_parameters
    if spec.type is PipelineType.STORE:
        return StorePlan(camera)
    if spec.type is PipelineType.CUSTOM and call is not None:
        return CustomPlan(spec.selection, parameters, call, own, first)
    return StreamPlan(spec.selection, parameters, call, own)
