"""The whole input of a worker: one configuration file, made from one object and what it refers to."""

import hashlib
import json
from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, model_validator

from camstream.errors import BrokenReference
from camstream.spec.base import LIVE, Spec
from camstream.spec.camera import CameraSpec
from camstream.spec.fields import Address, ObjectName
from camstream.spec.objects import Background, Camera, Pipeline
from camstream.spec.pipeline import PipelineSpec


class StoredBackground(Spec):
    """A background file and how to know it."""

    name: str
    """Its id."""
    path: str
    """Where the worker finds the ``.npy`` file."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the file; a worker refuses any other content."""


class WorkerConfig(Spec):
    """One object, resolved: nothing in here needs a look at any other object."""

    kind: Literal["Camera", "Pipeline"]
    name: ObjectName
    namespace: str = "default"
    external_name: str
    camera: CameraSpec | None = None
    pipeline: PipelineSpec | None = None
    input_address: Annotated[Address | None, LIVE] = None
    """Pipelines: the stream to read."""
    input_name: Annotated[str | None, LIVE] = None
    """Pipelines: external name of the camera that the frames come from, where it is known."""
    background: Annotated[StoredBackground | None, LIVE] = None
    """The background that the spec asks for. Not set although asked for: there is none yet."""
    stream_address: Address
    """Where to listen for clients."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=0, le=65535)
    """Health, status and metrics. 0: any free port."""

    @model_validator(mode="after")
    def _spec_of_the_kind(self) -> "WorkerConfig":
        wanted, other = (self.camera, self.pipeline) if self.kind == "Camera" else (self.pipeline, self.camera)
        if wanted is None or other is not None:
            raise ValueError(f"kind is {self.kind}: set {self.kind.lower()} and nothing else")
        return self

    @property
    def spec(self) -> CameraSpec | PipelineSpec:
        spec = self.camera or self.pipeline
        assert spec is not None  # noqa: S101 - the validator saw to it
        return spec

    def digest(self) -> str:
        """Short name of exactly this configuration."""
        text = json.dumps(self.to_full_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def upstream(pipeline: Pipeline, objects: Collection[Camera | Pipeline | Background]) -> Camera | Pipeline | None:
    """The object whose stream a pipeline reads, or None where it reads an address.

    :raises BrokenReference: if there is no such object, or if the chain of pipelines comes back to this one
    """
    found = _referred(pipeline, objects)
    path = [pipeline.name]
    step = found
    while isinstance(step, Pipeline):
        path.append(step.name)
        if step.name in path[:-1]:
            raise BrokenReference(f"pipeline {pipeline.name!r} is in a circle: {' -> '.join(path)}; let one of them read a camera")
        step = _referred(step, objects)
    return found


def camera_of(pipeline: Pipeline, objects: Collection[Camera | Pipeline | Background]) -> Camera | None:
    """The camera at the start of a chain of pipelines, or None where the chain starts with an address."""
    step: Camera | Pipeline | None = pipeline
    while isinstance(step, Pipeline):
        step = upstream(step, objects)
    return step


def _referred(pipeline: Pipeline, objects: Collection[Camera | Pipeline | Background]) -> Camera | Pipeline | None:
    given = pipeline.spec.input
    reference, kind = (given.camera, Camera) if given.camera else (given.pipeline, Pipeline)
    if reference is None:
        return None
    same = [o for o in objects if isinstance(o, kind) and o.metadata.namespace == pipeline.metadata.namespace]
    for candidate in same:
        if candidate.name == reference.name:
            return candidate
    known = ", ".join(sorted(o.name for o in same)) or "none"
    raise BrokenReference(
        f"pipeline {pipeline.name!r} reads {kind.__name__.lower()} {reference.name!r}, which does not exist "
        f"(there are: {known}); create it or correct the name"
    )
