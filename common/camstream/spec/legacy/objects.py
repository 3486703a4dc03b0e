"""Objects from cam_server's configurations, and configurations of our objects. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from camstream.errors import SpecError
from camstream.names import INSTANCE_OF, OTHER_KEYS, READ_ONLY, digest_name
from camstream.spec.base import problems
from camstream.spec.camera import CameraSpec
from camstream.spec.key import Key
from camstream.spec.legacy.back import NEVER_IDLE_S, camera_config, left_over, pipeline_config
from camstream.spec.legacy.convert import Converted, Loss, camera_from_cam_server, pipeline_from_cam_server
from camstream.spec.legacy.values import object_name
from camstream.spec.objects import Camera, Metadata, Pipeline
from camstream.spec.output import Lifecycle, LifecycleMode
from camstream.spec.pipeline import PipelineSpec
from camstream.spec.worker import referred_key

Config = dict[str, Any]
Streaming = Camera | Pipeline
T = TypeVar("T", Camera, Pipeline)
S = TypeVar("S", CameraSpec, PipelineSpec)

PIPELINE_TYPES: Final = ("processing", "store", "stream", "custom", "script", "fanout", "fanin")
SOURCE_TYPES: Final = ("epics", "bsread", "bsread_simulation", "simulation", "area_detector", "bschannel", "hdf5")

OTHER_PIPELINES: Final = ("input_pipeline", "input_pipeline2", "output_pipeline")
"""Keys that name a pipeline."""

NO_CLIENT_TIMEOUT: Final = "no_client_timeout"


class Wanted(NamedTuple):
    """What an object shall be, beside its spec."""

    name: str
    """External name."""
    private: bool = False
    """Made by a client for itself: it goes when nobody reads it."""
    instance_of: str | None = None
    """External name of the saved pipeline that it was made of; empty where it was none."""
    read_only: bool = False
    """Clients share it, and may not change it."""
    namespace: str = "default"
    """Of a new object: names of cam_server know none."""


class Made(NamedTuple, Generic[T]):
    """An object made from a configuration."""

    thing: T
    losses: tuple[Loss, ...]
    """What could not be carried over."""


def check_camera(config: Mapping[str, Any]) -> None:
    """What cam_server would refuse, in its words.

    :raises SpecError: if it would
    """
    if not config:
        raise SpecError("Config object cannot be empty.")
    if config.get("source") is None and not config.get("url"):
        raise SpecError("'source' not specified in configuration.")
    kind = str(config.get("source_type") or "epics")
    if kind not in SOURCE_TYPES:
        raise SpecError(f"Invalid source_type '{kind}'. Available: {', '.join(SOURCE_TYPES)}.")


def check_pipeline(config: Mapping[str, Any]) -> None:
    """What cam_server would refuse, in its words.

    :raises SpecError: if it would
    """
    if not config:
        raise SpecError("Config object cannot be empty.")
    kind = str(config.get("pipeline_type") or "processing")
    if kind not in PIPELINE_TYPES:
        raise SpecError(f"pipeline_type '{kind}' not present in mapping. Available: {', '.join(PIPELINE_TYPES)}.")
    if kind in ("processing", "store") and not any(config.get(key) for key in ("camera_name", "input_stream", "input_pipeline")):
        raise SpecError("Camera name not specified in configuration.")
    slices = config.get("image_slices")
    if isinstance(slices, Mapping):
        count, orientation = slices.get("number_of_slices"), slices.get("orientation")
        if count is not None and not isinstance(count, int):
            raise SpecError(f"number_of_slices must be an integer, found {count!r}.")
        if orientation is not None and orientation not in ("vertical", "horizontal"):
            raise SpecError(f"Invalid slice orientation '{orientation}'. Available: vertical, horizontal.")


def camera_object(wanted: Wanted, config: Config, old: Camera | None, cameras: Iterable[Camera]) -> Made[Camera]:
    """A camera from its configuration.

    :param old: the one that it replaces; what cam_server has no word for stays as it is there
    :param cameras: those that there are; only those of its namespace count
    :raises SpecError: if no camera can be made of it
    """
    check_camera(config)
    found = camera_from_cam_server(wanted.name, config)
    spec = found.spec
    if old is not None:
        spec = _rebased(old.spec, spec, lambda: camera_from_cam_server(wanted.name, config_of(old, {})))
    name = old.name if old else free_name(wanted.name, _beside(cameras, wanted, old))
    update: Config = {
        "external_name": _external(wanted.name, name, old),
        "lifecycle": _lifecycle(spec.lifecycle, config, wanted, old),
    }
    spec = spec.model_copy(update=update)
    others = left_over(config, camera_config(wanted.name, spec, {}))
    return Made(Camera(metadata=_metadata(name, wanted, others, old), spec=spec), found.losses)


def pipeline_object(
    wanted: Wanted, config: Config, old: Pipeline | None, cameras: Iterable[Camera], pipelines: Iterable[Pipeline]
) -> Made[Pipeline]:
    """A pipeline from its configuration, which names what it reads by external names.

    :param old: the one that it replaces; what cam_server has no word for stays as it is there
    :param cameras: those that there are; only those of its namespace count, as it can read no others
    :param pipelines: likewise
    :raises SpecError: if no pipeline can be made of it
    """
    check_pipeline(config)
    cameras, pipelines = _beside(cameras, wanted, old), _beside(pipelines, wanted, old)
    things: dict[Key, Streaming] = {Key.of(camera): camera for camera in cameras}
    things |= {Key.of(pipeline): pipeline for pipeline in pipelines}
    names = {"camera_name": _names(cameras), **dict.fromkeys(OTHER_PIPELINES, _names(pipelines))}

    def renamed(config: Config) -> Config:
        return {key: names[key].get(str(value), value) if key in names else value for key, value in config.items()}

    found = pipeline_from_cam_server(wanted.name, renamed(config))
    spec = found.spec
    if old is not None:
        spec = _rebased(old.spec, spec, lambda: pipeline_from_cam_server(wanted.name, renamed(config_of(old, things))))
    name = old.name if old else free_name(wanted.name, pipelines)
    update: Config = {
        "external_name": _external(wanted.name, name, old),
        "lifecycle": _lifecycle(spec.lifecycle, config, wanted, old),
    }
    spec = spec.model_copy(update=update)
    others = left_over(config, pipeline_config(wanted.name, spec, str(config.get("camera_name") or config.get("input_pipeline")), {}))
    return Made(Pipeline(metadata=_metadata(name, wanted, others, old), spec=spec), found.losses)


def rebased(old: Config, base: Config, new: Config) -> Config:
    """What is there, with the changes between two versions of what can be said about it.

    All three are specs with every default filled in. What both versions say alike stays as it is, whether it could be said or not.
    """
    found = {}
    for key, value in new.items():
        before, here = base.get(key), old.get(key)
        if value == before:
            found[key] = here
        elif isinstance(value, dict) and isinstance(before, dict) and isinstance(here, dict):
            found[key] = rebased(here, before, value)
        else:
            found[key] = value
    return found


def _rebased(old: S, new: S, again: Callable[[], Converted[S]]) -> S:
    """The old spec with what has changed.

    :param again: converts what a client would be told about the old one
    :raises SpecError: if that cannot be
    """
    try:
        base = again().spec
    except SpecError:
        return new
    found = rebased(old.to_full_dict(), base.to_full_dict(), new.to_full_dict())
    # As a whole: its parts depend on each other.
    found["lifecycle"] = (old if new.lifecycle == base.lifecycle else new).lifecycle.to_full_dict()
    try:
        return type(old).model_validate(found)
    except ValidationError as error:
        raise SpecError("; ".join(problems(error))) from error


def config_of(thing: Streaming, things: Mapping[Key, Streaming]) -> Config:
    """The configuration of an object, as a client would write it.

    :param things: what it may read
    """
    others = other_keys(thing)
    if isinstance(thing, Camera):
        return camera_config(thing.external_name, thing.spec, others)

    def external(name: str) -> str:
        found = things.get(Key("Pipeline", thing.metadata.namespace, name))
        return found.external_name if found else name

    return pipeline_config(thing.external_name, thing.spec, input_name(thing, things), others, external)


def input_name(pipeline: Pipeline, things: Mapping[Key, Streaming]) -> str | None:
    """External name of what a pipeline reads; the name in its spec where that does not exist; None where it reads an address."""
    key = referred_key(pipeline)
    if key is None:
        return None
    found = things.get(key)
    return found.external_name if found else key.name


def other_keys(thing: Streaming) -> Config:
    """What was kept aside of the configuration that the object was made from. Anybody may write annotations."""
    try:
        found = json.loads(thing.metadata.annotations.get(OTHER_KEYS, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def free_name(external: str, others: Iterable[Streaming]) -> str:
    """A name for a new object that no other one has."""
    name = object_name(external)
    return digest_name(external) if any(other.name == name for other in others) else name


def _beside(things: Iterable[T], wanted: Wanted, old: Streaming | None) -> list[T]:
    """Those of the namespace that an object is in, or comes into."""
    namespace = old.metadata.namespace if old else wanted.namespace
    return [thing for thing in things if thing.metadata.namespace == namespace]


def _names(things: Iterable[Streaming]) -> dict[str, str]:
    return {thing.external_name: thing.name for thing in things}


def _external(external: str, name: str, old: Streaming | None) -> str | None:
    return old.spec.external_name if old else external if external != name else None


def _lifecycle(found: Lifecycle, config: Config, wanted: Wanted, old: Streaming | None) -> Lifecycle:
    if config.get(NO_CLIENT_TIMEOUT) is None:
        # cam_server's default, which ours is not: there, nothing runs unless it is asked for.
        found = old.spec.lifecycle if old else Lifecycle(mode=LifecycleMode.ON_DEMAND)
    if not wanted.private:
        return found
    timeout = found.idle_timeout_seconds if found.mode is LifecycleMode.ON_DEMAND else NEVER_IDLE_S
    return Lifecycle(mode=LifecycleMode.ON_DEMAND, idle_timeout_seconds=timeout, delete_when_idle=True)


def _metadata(name: str, wanted: Wanted, others: Config, old: Streaming | None) -> Metadata:
    kept = dict(old.metadata.annotations) if old else {}
    if wanted.read_only:
        kept[READ_ONLY] = "true"
    told = {OTHER_KEYS: json.dumps(others) if others else None, INSTANCE_OF: wanted.instance_of}
    for key, value in told.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
    if old is None:
        return Metadata(name=name, namespace=wanted.namespace, annotations=kept)
    return old.metadata.model_copy(update={"annotations": kept})


def is_instance(thing: Streaming) -> bool:
    """Whether a client made it, of a saved pipeline or of a configuration. It is not listed as saved."""
    return INSTANCE_OF in thing.metadata.annotations or thing.spec.lifecycle.delete_when_idle
