"""The Camera: one image source, its geometry and calibration, one bsread stream."""

from typing import Annotated

from pydantic import Field

from camstream.spec.base import IMMUTABLE, LIVE, Spec
from camstream.spec.fields import ExternalName, PixelType, Positive
from camstream.spec.geometry import BackgroundChoice, Calibration, CameraGeometry
from camstream.spec.output import Lifecycle, StreamOutput, WorkerPlacement
from camstream.spec.source import CameraSource

Names = Annotated[list[ExternalName], Field(max_length=32)]


class CameraOutput(StreamOutput):
    """The bsread stream of a camera."""

    queue_size: Positive = 100
    """Messages that may wait for one client."""


class CameraSpec(Spec):
    """What a camera shall be."""

    external_name: Annotated[ExternalName | None, IMMUTABLE] = None
    """Name of the camera outside Kubernetes, where upper case and other characters are usual. Default: the object's name."""
    aliases: Annotated[Names, LIVE] = []
    """Other names under which the camera is listed."""
    groups: Annotated[Names, LIVE] = []
    """Groups under which the camera is listed."""
    source: CameraSource
    geometry: Annotated[CameraGeometry, LIVE] = CameraGeometry()
    calibration: Annotated[Calibration | None, LIVE] = None
    """Without it the axes count pixels from 0."""
    background: Annotated[BackgroundChoice | None, LIVE] = None
    """Subtract this background, never below zero. It must have the camera's geometry before the region of interest."""
    pixel_type: Annotated[PixelType | None, LIVE] = None
    """Convert the pixels to this type. Default: as the source delivers them."""
    output: CameraOutput = CameraOutput()
    lifecycle: Annotated[Lifecycle, LIVE] = Lifecycle()
    worker: WorkerPlacement = WorkerPlacement()
