"""What requests and answers hold beside the objects themselves. Pure; OpenAPI's schemas are made from these models."""

from typing import Annotated

from pydantic import Field

from camstream.spec.base import Spec
from camstream.spec.objects import Background, Camera, Pipeline
from camstream_gateway.cam_server.service import COLLECT_S, FRAMES, MOST_COLLECT_S, MOST_FRAMES


class CameraList(Spec):
    """Cameras in the order of their namespaces and names."""

    items: list[Camera]


class PipelineList(Spec):
    """Pipelines in the order of their namespaces and names."""

    items: list[Pipeline]


class BackgroundList(Spec):
    """Backgrounds in the order of their namespaces and names."""

    items: list[Background]


class Collection(Spec):
    """How to collect a background."""

    frames: Annotated[int, Field(ge=1, le=MOST_FRAMES)] = FRAMES
    """Images of which the mean is kept."""
    timeout_seconds: Annotated[float, Field(gt=0, le=MOST_COLLECT_S)] = COLLECT_S
    """How long to wait for them [s]."""


class Collected(Spec):
    """A background that is kept."""

    name: str
    """Its id, as ``spec.processing.background.name`` of a pipeline wants it."""


class BackgroundIds(Spec):
    """Ids of the backgrounds of a camera."""

    items: list[str]
    """The oldest first."""


class ErrorDetail(Spec):
    """What is wrong."""

    code: str
    """For programs: one word, the same for the same problem."""
    message: str
    """For people: who, what was expected, what was found, what to do."""


class ErrorReply(Spec):
    """The answer to every request that is not done."""

    error: ErrorDetail
