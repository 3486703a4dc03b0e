"""What the worker of each object shall run with: pure, and shared by local mode and the operator."""

from collections.abc import Callable
from dataclasses import dataclass

from camstream.decide import wanted_background
from camstream.errors import SpecError
from camstream.spec.fields import InputMode, OutputMode
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.worker import Objects, StoredBackground, WorkerConfig, camera_of, upstream

READS = {OutputMode.PUB: InputMode.SUB, OutputMode.PUSH: InputMode.PULL}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker listens."""

    stream_address: str
    http_host: str
    http_port: int


def resolve(
    thing: Camera | Pipeline, objects: Objects, place: Place, address_of: Callable[[Key], str], background: StoredBackground | None
) -> WorkerConfig:
    """Put together everything that the worker of one object needs.

    :param objects: everything that it may refer to
    :param address_of: where the stream of another object is found; may raise SpecError where it has none
    :param background: what :func:`~camstream.decide.wanted_background` asks for, where there is such a file
    :raises BrokenReference: if it reads an object that does not exist, or itself
    :raises SpecError: if it cannot read what it refers to
    """
    return WorkerConfig(
        kind=thing.kind,
        name=thing.name,
        namespace=thing.metadata.namespace,
        external_name=thing.external_name,
        camera=thing.spec if isinstance(thing, Camera) else None,
        pipeline=thing.spec if isinstance(thing, Pipeline) else None,
        input_address=_input_address(thing, objects, address_of) if isinstance(thing, Pipeline) else None,
        input_name=camera_name(thing, objects) if isinstance(thing, Pipeline) else None,
        background=background if wanted_background(thing) else None,
        stream_address=place.stream_address,
        http_host=place.http_host,
        http_port=place.http_port,
    )


def camera_name(thing: Camera | Pipeline, objects: Objects) -> str | None:
    """External name of the camera that the frames come from, where it is known.

    :raises BrokenReference: if a pipeline on the way refers to an object that does not exist
    """
    camera = camera_of(thing, objects)
    return camera.external_name if camera else None


def _input_address(pipeline: Pipeline, objects: Objects, address_of: Callable[[Key], str]) -> str | None:
    source = upstream(pipeline, objects)
    if source is None:
        return pipeline.spec.input.address
    output, reader, where = source.spec.output, Key.of(pipeline), Key.of(source)
    if output.connect:
        raise SpecError(f"{reader} reads {where}, which sends to {output.connect} only; remove its output.connect")
    if READS[output.mode] is not pipeline.spec.input.mode:
        raise SpecError(
            f"{reader} reads {where} with input.mode {pipeline.spec.input.mode}, but it sends with output.mode {output.mode}; "
            f"set input.mode to {READS[output.mode]}"
        )
    return address_of(where)
