"""The whole input of a worker: one configuration file, made from one object and what it refers to."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from camstream.errors import CameraNotFound, CycleDetected, PipelineNotFound
from camstream.spec.base import LIVE, Rule, Spec, exactly_one, fixed_part, short_hash
from camstream.spec.camera import CameraSpec
from camstream.spec.fields import Address, ObjectName
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.pipeline import Merge, PipelineInput, PipelineSpec

Objects = Mapping[Key, Camera | Pipeline]
"""Everything that an object may refer to."""

MAX_NAMES = 5
"""Names that a message about a missing one lists."""


class StoredBackground(Spec):
    """A background file and how to know it."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one(("path", "url")),)

    name: str
    """Its id."""
    path: str | None = None
    """Where the worker finds the ``.npy`` file on its own machine."""
    url: Annotated[str | None, Field(pattern=r"^https?://[^/]")] = None
    """Where the worker gets it by HTTP."""
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
    merge_address: Annotated[Address | None, LIVE] = None
    """Pipelines: the second stream to read."""
    gather_address: Address | None = None
    """Pipelines of type FanIn: where to listen for those that send to it."""
    output_address: Address | None = None
    """Pipelines: the FanIn to send to, instead of listening."""
    script_path: str | None = None
    """Pipelines: where the worker finds the script, unless its text is in the spec."""
    files_folder: str | None = None
    """Pipelines: folder below which files may be written. None: nowhere."""
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

    @property
    def fails_for_good(self) -> bool:
        """Whether a worker that fails is not started again: who makes a stream for itself looks at how it failed, as with cam_server."""
        return self.spec.lifecycle.delete_when_idle

    def digest(self) -> str:
        """Short name of exactly this configuration. Defaults are left out: a field that a later version adds changes no name."""
        return short_hash(self.to_dict())

    def identity(self) -> str:
        """Short name of what a running worker cannot take over: where it differs, the worker must be replaced."""
        return short_hash(fixed_part(self))


def upstream(pipeline: Pipeline, objects: Objects) -> Camera | Pipeline | None:
    """The object whose stream a pipeline reads, or None where it reads an address.

    :raises BrokenReference: if there is no such object, or if what it reads or merges comes back to this one
    """
    camera_of(pipeline, objects)
    if circle := _circle(pipeline, objects):
        raise CycleDetected(f"pipeline {pipeline.name!r} is in a circle: {' -> '.join(circle)}; let one of them read a camera")
    return _referred(pipeline, objects)


def _circle(pipeline: Pipeline, objects: Objects) -> list[str]:
    """The way on which a pipeline reads or merges its own messages, by names; empty where there is none."""
    target = pipeline.spec.output.pipeline
    own = {Key.of(pipeline)} | ({Key(Pipeline.__name__, pipeline.metadata.namespace, target.name)} if target else set())
    ways, known = [(pipeline, [pipeline.name])], set[Key]()
    while ways:
        step, way = ways.pop()
        for key in (referred_key(step), merged_key(step)):
            if key is None:
                continue
            if key in own:
                return [*way, key.name]
            other = objects.get(key)
            if isinstance(other, Pipeline) and key not in known:
                known.add(key)
                ways.append((other, [*way, key.name]))
    return []


def camera_of(thing: Camera | Pipeline, objects: Objects) -> Camera | None:
    """The camera at the start of a chain of pipelines, or None where the chain starts with an address.

    :raises BrokenReference: if a pipeline on the way refers to an object that does not exist, or if the chain is a circle
    """
    step: Camera | Pipeline | None = thing
    path: list[str] = []
    while isinstance(step, Pipeline):
        path.append(step.name)
        if step.name in path[:-1]:
            raise CycleDetected(f"pipeline {path[0]!r} is in a circle: {' -> '.join(path)}; let one of them read a camera")
        step = _referred(step, objects)
    return step


def referred_key(pipeline: Pipeline) -> Key | None:
    """Key of the object whose stream a pipeline reads, whether there is one or not."""
    return _key_of(pipeline, pipeline.spec.input)


def merged_key(pipeline: Pipeline) -> Key | None:
    """Key of the object whose stream is merged, whether there is one or not."""
    return _key_of(pipeline, pipeline.spec.merge)


def referred_keys(pipeline: Pipeline) -> set[Key]:
    """Keys of all objects that a pipeline refers to, whether there are any or not."""
    given = pipeline.spec
    found = {referred_key(pipeline), merged_key(pipeline)}
    if given.output.pipeline is not None:
        found.add(Key(Pipeline.__name__, pipeline.metadata.namespace, given.output.pipeline.name))
    return {key for key in found if key is not None}


def referred(pipeline: Pipeline, key: Key, objects: Objects, verb: str = "reads") -> Camera | Pipeline:
    """
    :param verb: what the pipeline does with the other object, for the message
    :raises BrokenReference: if there is no such object
    """
    if key in objects:
        return objects[key]
    same = sorted(other.name for other in objects if other[:2] == key[:2] and other.name != pipeline.name)
    names = get_close_matches(key.name, same, n=MAX_NAMES, cutoff=0.0)
    known = (", ".join(names) or "none") + (", and others" if len(same) > len(names) else "")
    error = CameraNotFound if key.kind == Camera.__name__ else PipelineNotFound
    raise error(
        f"pipeline {pipeline.name!r} {verb} {key.kind.lower()} {key.name!r}, which does not exist "
        f"(there {'is' if len(same) == 1 else 'are'}: {known}); create it or correct the name"
    )


def _key_of(pipeline: Pipeline, given: PipelineInput | Merge | None) -> Key | None:
    if given is None:
        return None
    reference, kind = (given.camera, Camera) if given.camera else (given.pipeline, Pipeline)
    return Key(kind.__name__, pipeline.metadata.namespace, reference.name) if reference else None


def _referred(pipeline: Pipeline, objects: Objects) -> Camera | Pipeline | None:
    key = referred_key(pipeline)
    return referred(pipeline, key, objects) if key else None
