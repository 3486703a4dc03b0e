"""The three kinds as objects: metadata, spec, status."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from camstream.spec.background import BackgroundSpec
from camstream.spec.base import Spec, short_hash
from camstream.spec.camera import CameraSpec
from camstream.spec.fields import Namespace, ObjectName
from camstream.spec.pipeline import PipelineSpec
from camstream.spec.status import BackgroundStatus, CameraStatus, PipelineStatus


class Metadata(Spec):
    """The part of Kubernetes' object metadata that camstream reads; the rest is kept as it is."""

    model_config = ConfigDict(extra="allow")

    name: ObjectName
    namespace: Namespace = "default"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    generation: int | None = None
    uid: str | None = None
    creation_timestamp: str | None = None
    """[UTC] As Kubernetes writes times."""


class Object(Spec):
    """What every kind has."""

    plural: ClassVar[str]
    short_name: ClassVar[str]

    api_version: Literal["camstream.dev/v1alpha1"] = "camstream.dev/v1alpha1"
    metadata: Metadata

    @property
    def name(self) -> str:
        return self.metadata.name


class Camera(Object):
    """One image source: where it comes from, its geometry and calibration, one bsread stream."""

    plural: ClassVar[str] = "cameras"
    short_name: ClassVar[str] = "cam"

    kind: Literal["Camera"] = "Camera"
    spec: CameraSpec
    status: CameraStatus = CameraStatus()

    @property
    def external_name(self) -> str:
        return self.spec.external_name or self.name


class Pipeline(Object):
    """One processing of a camera, a stream or another pipeline, with one output."""

    plural: ClassVar[str] = "pipelines"
    short_name: ClassVar[str] = "cpl"

    kind: Literal["Pipeline"] = "Pipeline"
    spec: PipelineSpec
    status: PipelineStatus = PipelineStatus()

    @property
    def external_name(self) -> str:
        return self.spec.external_name or self.name


class Background(Object):
    """A request to collect one background, and the immutable record of it."""

    plural: ClassVar[str] = "backgrounds"
    short_name: ClassVar[str] = "cbg"

    kind: Literal["Background"] = "Background"
    spec: BackgroundSpec
    status: BackgroundStatus = BackgroundStatus()


KINDS: dict[str, type[Camera] | type[Pipeline] | type[Background]] = {k.__name__: k for k in (Camera, Pipeline, Background)}

AnyObject = Annotated[Camera | Pipeline | Background, Field(discriminator="kind")]
Streaming = Camera | Pipeline


def etag(thing: AnyObject) -> str:
    """Short name of what people write in an object: it is another one after every edit, and the same whatever its status is."""
    metadata = thing.metadata
    written = {"uid": metadata.uid, "labels": metadata.labels, "annotations": metadata.annotations, "spec": thing.spec.to_dict()}
    return short_hash(written)


_any_object: TypeAdapter[Camera | Pipeline | Background] = TypeAdapter(AnyObject)


def parse_object(document: Any) -> Camera | Pipeline | Background:
    """Turn one manifest, as read from YAML, into its model.

    :raises pydantic.ValidationError: with the path of everything that is wrong
    """
    return _any_object.validate_python(document)
