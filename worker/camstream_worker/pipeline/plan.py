"""A spec becomes a plan: what to do with each frame of a worker.

The numeric libraries are imported with the plan that needs them: numba costs 0.3 s and 60 MB, and most cameras do without.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from camstream.spec import CameraSpec, PipelineSpec

if TYPE_CHECKING:
    from camstream_worker.pipeline.camera import CameraPlan
    from camstream_worker.pipeline.processing import PipelinePlan

__all__ = ["camera_plan", "pipeline_plan"]


def camera_plan(spec: CameraSpec, background: npt.NDArray[np.generic] | None, name: str) -> "CameraPlan":
    """Plan of a camera.

    :param background: shape (y, x) of the image before the region of interest; None: nothing is subtracted
    :param name: of the camera, for messages
    """
    from camstream_worker.pipeline.camera import CameraPlan

    return CameraPlan(spec, background, name)


def pipeline_plan(spec: PipelineSpec, background: npt.NDArray[np.generic] | None, parameters: str) -> "PipelinePlan":
    """Plan of a pipeline.

    :param background: shape (y, x) of the image after binning; None: there is none
    :param parameters: JSON text, sent as ``processing_parameters``
    """
    from camstream_worker.pipeline.processing import PipelinePlan

    return PipelinePlan(spec, background, parameters)
