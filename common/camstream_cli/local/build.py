"""What the worker of each object shall run with: pure, from the objects and where each of them listens."""

from collections.abc import Collection, Mapping

from camstream.decide import wanted_background
from camstream.errors import ImmutableField, SpecError
from camstream.spec.base import Change, changes
from camstream.spec.fields import InputMode, OutputMode
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.worker import StoredBackground, WorkerConfig, camera_of, upstream
from camstream_cli.local.key import Key
from camstream_cli.local.ports import HTTP_HOST, Endpoint

Endpoints = Mapping[Key, Endpoint | SpecError]

READS = {OutputMode.PUB: InputMode.SUB, OutputMode.PUSH: InputMode.PULL}


def build_config(
    thing: Camera | Pipeline,
    objects: Collection[Camera | Pipeline],
    endpoints: Endpoints,
    background: StoredBackground | None,
) -> WorkerConfig:
    """Resolve one object.

    :param endpoints: of every object, or why it has none
    :param background: what :func:`~camstream.decide.wanted_background` asks for, where there is such a file
    :raises SpecError: if the object has no place to listen
    :raises BrokenReference: if it reads an object that does not exist
    """
    endpoint = endpoints[Key.of(thing)]
    if isinstance(endpoint, SpecError):
        raise endpoint
    return WorkerConfig(
        kind=thing.kind,
        name=thing.name,
        namespace=thing.metadata.namespace,
        external_name=thing.external_name,
        camera=thing.spec if isinstance(thing, Camera) else None,
        pipeline=thing.spec if isinstance(thing, Pipeline) else None,
        input_address=_input_address(thing, objects, endpoints) if isinstance(thing, Pipeline) else None,
        input_name=camera_name(thing, objects) if isinstance(thing, Pipeline) else None,
        background=background if wanted_background(thing) else None,
        stream_address=endpoint.listen,
        http_host=HTTP_HOST,
        http_port=endpoint.http_port,
    )


def camera_name(thing: Camera | Pipeline, objects: Collection[Camera | Pipeline]) -> str | None:
    """External name of the camera that the frames come from, where it is known.

    :raises BrokenReference: if a pipeline on the way refers to an object that does not exist
    """
    camera = thing if isinstance(thing, Camera) else camera_of(thing, objects)
    return camera.external_name if camera else None


def stream_address(thing: Camera | Pipeline, endpoint: Endpoint | SpecError | None) -> str | None:
    """Where clients find the stream: with ``output.connect`` they are the ones who listen."""
    if thing.spec.output.connect:
        return thing.spec.output.connect
    return endpoint.public if isinstance(endpoint, Endpoint) else None


def refusal(old: Camera | Pipeline, new: Camera | Pipeline) -> ImmutableField | None:
    """Why an object cannot become another one."""
    assert type(old) is type(new)  # noqa: S101 - a key holds the kind
    fixed = [f"spec.{change.path}" for change in changes(old.spec, new.spec) if change.change is Change.IMMUTABLE]
    if not fixed:
        return None
    return ImmutableField(
        f"{Key.of(new)}: {' and '.join(fixed)} cannot change, so the object stays as it was; "
        f"undo the edit, or delete the object and create it anew"
    )


def _input_address(pipeline: Pipeline, objects: Collection[Camera | Pipeline], endpoints: Endpoints) -> str | None:
    source = upstream(pipeline, objects)
    if source is None:
        return pipeline.spec.input.address
    output, where = source.spec.output, Key.of(source)
    if output.connect:
        raise SpecError(f"{Key.of(pipeline)} reads {where}, which sends to {output.connect} only; remove its output.connect")
    if READS[output.mode] is not pipeline.spec.input.mode:
        raise SpecError(
            f"{Key.of(pipeline)} reads {where} with input.mode {pipeline.spec.input.mode}, but it sends with output.mode {output.mode}; "
            f"set input.mode to {READS[output.mode]}"
        )
    endpoint = endpoints[where]
    if isinstance(endpoint, SpecError):
        raise SpecError(f"{Key.of(pipeline)} reads {where}, which has no address: {endpoint}")
    return endpoint.local
