"""Objects from cam_server's configurations, and configurations of our objects. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from camstream.errors import SpecError
from camstream.names import INSTANCE_OF, OTHER_KEYS, READ_ONLY
from camstream.spec.key import Key
from camstream.spec.legacy.back import camera_config, left_over, pipeline_config
from camstream.spec.legacy.convert import Loss, camera_from_cam_server, pipeline_from_cam_server
from camstream.spec.legacy.values import digest_name, object_name
from camstream.spec.objects import Camera, Metadata, Pipeline
from camstream.spec.output import Lifecycle, LifecycleMode

Config = dict[str, Any]
Streaming = Camera | Pipeline
T = TypeVar("T", Camera, Pipeline)

PIPELINE_TYPES: Final = ("processing",)
SOURCE_TYPES: Final = ("epics", "bsread", "bsread_simulation", "simulation", "area_detector", "bschannel", "hdf5")

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
    if config.get("source") is None:
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
    if not any(config.get(key) for key in ("camera_name", "input_stream", "input_pipeline")):
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

    :param old: the one that it replaces
    :raises SpecError: if no camera can be made of it
    """
    check_camera(config)
    found = camera_from_cam_server(wanted.name, config)
    name = old.name if old else free_name(wanted.name, cameras)
    update: Config = {
        "external_name": _external(wanted.name, name, old),
        "lifecycle": _lifecycle(found.spec.lifecycle, config, wanted, old),
    }
    spec = found.spec.model_copy(update=update)
    others = left_over(config, camera_config(wanted.name, spec, {}))
    return Made(Camera(metadata=_metadata(name, wanted, others, old), spec=spec), found.losses)


def pipeline_object(
    wanted: Wanted, config: Config, old: Pipeline | None, cameras: Iterable[Camera], pipelines: Iterable[Pipeline]
) -> Made[Pipeline]:
    """A pipeline from its configuration, which names what it reads by external names.

    :param old: the one that it replaces
    :raises SpecError: if no pipeline can be made of it
    """
    check_pipeline(config)
    pipelines = list(pipelines)
    names = {"camera_name": _names(cameras), "input_pipeline": _names(pipelines)}
    renamed = {key: names[key].get(str(value), value) if key in names else value for key, value in config.items()}
    found = pipeline_from_cam_server(wanted.name, renamed)
    name = old.name if old else free_name(wanted.name, pipelines)
    update: Config = {
        "external_name": _external(wanted.name, name, old),
        "lifecycle": _lifecycle(found.spec.lifecycle, config, wanted, old),
    }
    spec = found.spec.model_copy(update=update)
    others = left_over(config, pipeline_config(wanted.name, spec, str(config.get("camera_name") or config.get("input_pipeline")), {}))
    return Made(Pipeline(metadata=_metadata(name, wanted, others, old), spec=spec), found.losses)


def config_of(thing: Streaming, things: Mapping[Key, Streaming]) -> Config:
    """The configuration of an object, as a client would write it.

    :param things: what it may read
    """
    others = other_keys(thing)
    if isinstance(thing, Camera):
        return camera_config(thing.external_name, thing.spec, others)
    return pipeline_config(thing.external_name, thing.spec, input_name(thing, things), others)


def input_name(pipeline: Pipeline, things: Mapping[Key, Streaming]) -> str | None:
    """External name of what a pipeline reads; the name in its spec where that does not exist; None where it reads an address."""
    given = pipeline.spec.input
    reference, kind = (given.camera, "Camera") if given.camera else (given.pipeline, "Pipeline")
    if reference is None:
        return None
    found = things.get(Key(kind, pipeline.metadata.namespace, reference.name))
    return found.external_name if found else reference.name


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


def _names(things: Iterable[Streaming]) -> dict[str, str]:
    return {thing.external_name: thing.name for thing in things}


def _external(external: str, name: str, old: Streaming | None) -> str | None:
    return old.spec.external_name if old else external if external != name else None


def _lifecycle(found: Lifecycle, config: Config, wanted: Wanted, old: Streaming | None) -> Lifecycle:
    if config.get(NO_CLIENT_TIMEOUT) is None:
        # cam_server's default, which ours is not: there, nothing runs unless it is asked for.
        found = old.spec.lifecycle if old else Lifecycle(mode=LifecycleMode.ON_DEMAND)
    if not wanted.private or found.mode is not LifecycleMode.ON_DEMAND:
        return found
    return found.model_copy(update={"delete_when_idle": True})


def _metadata(name: str, wanted: Wanted, others: Config, old: Streaming | None) -> Metadata:
    kept = dict(old.metadata.annotations) if old else {}
    told = {
        OTHER_KEYS: json.dumps(others) if others else None,
        INSTANCE_OF: wanted.instance_of,
        READ_ONLY: "true" if wanted.read_only else None,
    }
    for key, value in told.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
    if old is None:
        return Metadata(name=name, annotations=kept)
    return old.metadata.model_copy(update={"annotations": kept})


def is_instance(thing: Streaming) -> bool:
    """Whether a client made it, of a saved pipeline or of a configuration. It is not listed as saved."""
    return INSTANCE_OF in thing.metadata.annotations or thing.spec.lifecycle.delete_when_idle
