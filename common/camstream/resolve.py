"""What the worker of each object shall run with: pure, and shared by local mode and the operator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from camstream.decide import wanted_background
from camstream.errors import SpecError
from camstream.spec.fields import InputMode, OutputMode
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import PipelineOutput
from camstream.spec.pipeline import Merge, PipelineInput, PipelineType
from camstream.spec.script import ConfigMapKey, Script
from camstream.spec.worker import Objects, StoredBackground, WorkerConfig, camera_of, merged_key, referred, upstream

READS = {OutputMode.PUB: InputMode.SUB, OutputMode.PUSH: InputMode.PULL}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker listens."""

    stream_address: str
    http_host: str
    http_port: int
    gather_address: str | None = None
    """Where a FanIn listens for those that send to it."""
    script_path: str | None = None
    """Where the worker finds the script of a ConfigMap."""
    files_folder: str | None = None
    """Below which folder files may be written."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where other objects are found; each may raise SpecError where there is no such address."""

    stream: Callable[[Key], str]
    """The stream of an object."""
    gather: Callable[[Key], str]
    """Where to send what a FanIn gathers."""


def resolve(
    thing: Camera | Pipeline, objects: Objects, place: Place, addresses: Addresses, background: StoredBackground | None
) -> WorkerConfig:
    """Put together everything that the worker of one object needs.

    :param objects: everything that it may refer to
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
        **(_of_pipeline(thing, objects, place, addresses) if isinstance(thing, Pipeline) else {}),
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


def _of_pipeline(pipeline: Pipeline, objects: Objects, place: Place, addresses: Addresses) -> dict[str, Any]:
    given = pipeline.spec
    if given.output.file is not None and place.files_folder is None:
        raise SpecError(
            f"{Key.of(pipeline)} writes a file, but there is no folder for files; "
            "choose a worker class with filesFolder, or remove output.file"
        )
    source = upstream(pipeline, objects)
    merged = merged_key(pipeline)
    return {
        "input_name": camera_name(pipeline, objects),
        "input_address": _stream_of(pipeline, source, given.input, addresses),
        "merge_address": _stream_of(pipeline, referred(pipeline, merged, objects, "merges") if merged else None, given.merge, addresses),
        "output_address": _gathering(pipeline, objects, addresses),
        "gather_address": place.gather_address if given.type is PipelineType.FAN_IN else None,
        "script_path": _script_path(given.script, place),
        "files_folder": place.files_folder if given.output.file else None,
    }


def _stream_of(
    pipeline: Pipeline, source: Camera | Pipeline | None, given: PipelineInput | Merge | None, addresses: Addresses
) -> str | None:
    if source is None or given is None:
        return given.address if given else None
    output, reader, where = source.spec.output, Key.of(pipeline), Key.of(source)
    if output.connect is not None:
        raise SpecError(f"{reader} reads {where}, which sends to {output.connect} only; remove its output.connect, or read that receiver")
    if isinstance(output, PipelineOutput) and output.pipeline is not None:
        name = output.pipeline.name
        raise SpecError(f"{reader} reads {where}, which sends to pipeline {name!r} only; read that one, or remove its output.pipeline")
    if isinstance(output, PipelineOutput) and output.file is not None:
        raise SpecError(f"{reader} reads {where}, which writes a file and sends nothing; remove its output.file, or read what it reads")
    if READS[output.mode] is not given.mode:
        part = "merge" if isinstance(given, Merge) else "input"
        raise SpecError(
            f"{reader} reads {where} with {part}.mode {given.mode}, but it sends with output.mode {output.mode}; "
            f"set {part}.mode to {READS[output.mode]}"
        )
    return addresses.stream(where)


def _gathering(pipeline: Pipeline, objects: Objects, addresses: Addresses) -> str | None:
    given = pipeline.spec.output.pipeline
    if given is None:
        return None
    key = Key(Pipeline.__name__, pipeline.metadata.namespace, given.name)
    found = referred(pipeline, key, objects, "sends to")
    assert isinstance(found, Pipeline)  # noqa: S101 - the key says so
    if found.spec.type is not PipelineType.FAN_IN:
        raise SpecError(f"{Key.of(pipeline)} sends to {key}, which is of type {found.spec.type}; only a FanIn gathers what others send")
    return addresses.gather(key)


def wanted_config_map(thing: Camera | Pipeline) -> ConfigMapKey | None:
    """The entry of a ConfigMap that holds the script of an object, where it does."""
    return thing.spec.script.config_map if isinstance(thing, Pipeline) and thing.spec.script else None


def _script_path(script: Script | None, place: Place) -> str | None:
    if script is None:
        return None
    return place.script_path if script.config_map else script.file
