"""Between cam_server's configurations and answers, and our objects. Pure."""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from camstream.errors import CamstreamError, SpecError
from camstream.names import INSTANCE_OF, OTHER_KEYS, READ_ONLY, WAKE
from camstream.spec.base import Spec
from camstream.spec.key import Key
from camstream.spec.legacy import (
    Fate,
    Loss,
    camera_config,
    camera_from_cam_server,
    left_over,
    object_name,
    pipeline_config,
    pipeline_from_cam_server,
)
from camstream.spec.legacy.values import digest_name
from camstream.spec.objects import Camera, Metadata, Pipeline
from camstream.spec.output import Lifecycle, LifecycleMode
from camstream.spec.report import WorkerReport
from camstream.spec.status import Condition, ConditionStatus, ConditionType, Phase, StreamingStatus

Config = dict[str, Any]
Streaming = Camera | Pipeline

PIPELINE_TYPES: Final = ("processing",)
SOURCE_TYPES: Final = ("epics", "bsread", "bsread_simulation", "simulation", "area_detector", "bschannel", "hdf5")

RUNNING: Final = (Phase.STARTING, Phase.RUNNING, Phase.WAITING)
"""Phases in which there is a worker that cam_server would call an active instance."""

NO_CLIENT_TIMEOUT: Final = "no_client_timeout"

IGNORED: Final = ("reload",)
"""Keys of which a value that cannot be carried over changes nothing."""


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


# ---------------------------------------------------------------------------- configurations


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


def camera_object(wanted: Wanted, config: Config, old: Camera | None, cameras: Iterable[Camera]) -> Camera:
    """A camera from its configuration.

    :param old: the one that it replaces
    :raises SpecError: if no camera can be made of it
    """
    check_camera(config)
    found = camera_from_cam_server(wanted.name, config)
    _refuse(found.losses)
    name = old.name if old else free_name(wanted.name, cameras)
    update: Config = {
        "external_name": _external(wanted.name, name, old),
        "lifecycle": _lifecycle(found.spec.lifecycle, config, wanted, old),
    }
    spec = found.spec.model_copy(update=update)
    others = left_over(config, camera_config(wanted.name, spec, {}))
    return Camera(metadata=_metadata(name, wanted, others, old), spec=spec)


def pipeline_object(
    wanted: Wanted, config: Config, old: Pipeline | None, cameras: Iterable[Camera], pipelines: Iterable[Pipeline]
) -> Pipeline:
    """A pipeline from its configuration, which names what it reads by external names.

    :param old: the one that it replaces
    :raises SpecError: if no pipeline can be made of it
    """
    check_pipeline(config)
    pipelines = list(pipelines)
    names = {"camera_name": _names(cameras), "input_pipeline": _names(pipelines)}
    renamed = {key: names[key].get(str(value), value) if key in names else value for key, value in config.items()}
    found = pipeline_from_cam_server(wanted.name, renamed)
    _refuse(found.losses)
    name = old.name if old else free_name(wanted.name, pipelines)
    update: Config = {
        "external_name": _external(wanted.name, name, old),
        "lifecycle": _lifecycle(found.spec.lifecycle, config, wanted, old),
    }
    spec = found.spec.model_copy(update=update)
    others = left_over(config, pipeline_config(wanted.name, spec, str(config.get("camera_name") or config.get("input_pipeline")), {}))
    return Pipeline(metadata=_metadata(name, wanted, others, old), spec=spec)


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


def _refuse(losses: Iterable[Loss]) -> None:
    """:raises SpecError: if something that was asked for would not be done"""
    for loss in losses:
        if loss.fate in (Fate.WRONG, Fate.LATER) and loss.key not in IGNORED:
            raise SpecError(str(loss))


def same_spec(first: Spec, second: Spec) -> bool:
    """Whether two specs ask for the same stream, whatever it is called and however long it lives."""
    names = {"external_name", "lifecycle", "groups"}
    return first.model_dump(exclude=names) == second.model_dump(exclude=names)


# ---------------------------------------------------------------------------- objects


def is_instance(thing: Streaming) -> bool:
    """Whether a client made it, of a saved pipeline or of a configuration. It is not listed as saved."""
    return INSTANCE_OF in thing.metadata.annotations or thing.spec.lifecycle.delete_when_idle


def is_permanent(thing: Streaming) -> bool:
    return thing.spec.lifecycle.mode is LifecycleMode.ALWAYS


def is_read_only(thing: Streaming) -> bool:
    """Whether clients share it: a saved pipeline that runs on demand is everybody's, one that a client made is its own."""
    if thing.metadata.annotations.get(READ_ONLY) == "true":
        return True
    return isinstance(thing, Pipeline) and not is_instance(thing) and not is_permanent(thing)


def is_running(thing: Streaming) -> bool:
    return thing.status.phase in RUNNING


def woken(thing: Streaming, value: str) -> Streaming:
    """The object as somebody asks for it, or for none of it.

    :param value: a time, or :data:`~camstream.idling.NOBODY`
    """
    metadata = thing.metadata.model_copy(update={"annotations": {**thing.metadata.annotations, WAKE: value}})
    return thing.model_copy(update={"metadata": metadata})


def condition(status: StreamingStatus, kind: ConditionType) -> Condition | None:
    return next((found for found in status.conditions if found.type == kind), None)


def is_true(status: StreamingStatus, kind: ConditionType) -> bool:
    found = condition(status, kind)
    return found is not None and found.status is ConditionStatus.TRUE


def groups(things: Iterable[Streaming]) -> dict[str, list[str]]:
    """Names by group, both in order."""
    found: dict[str, list[str]] = {}
    for thing in things:
        for group in thing.spec.groups:
            found.setdefault(group, []).append(thing.external_name)
    return {group: sorted(found[group]) for group in sorted(found)}


def aliases(cameras: Iterable[Camera]) -> dict[str, str]:
    """Camera by alias; one that is the name of a camera does not count."""
    cameras = list(cameras)
    taken = {camera.external_name for camera in cameras}
    return {alias: camera.external_name for camera in cameras for alias in camera.spec.aliases if alias not in taken}


def prefix_of(camera: Camera) -> str:
    """How cam_server's errors call a camera."""
    epics = camera.spec.source.epics
    return (epics.prefix if epics else None) or camera.external_name


# ---------------------------------------------------------------------------- answers


def statistics(report: WorkerReport | None, now: float) -> Config:
    """Of one instance.

    :param now: [s since 1970]
    """
    if report is None:
        return {}
    image, frames = report.image, report.frames
    pixels = (image.width or 0) * (image.height or 0)
    frame_bytes = pixels * BYTES.get(image.pixel_type or "", 0)
    found: Config = {
        "total_bytes": frames.received * frame_bytes,
        "clients": report.clients,
        "throughput": round(report.receive_rate * frame_bytes, 1),
        "rx": f"{report.receive_rate:.2f}Hz - {frames.received}",
        "tx": f"{report.send_rate:.2f}Hz - {frames.sent}",
        "time": time.strftime("%H:%M:%S", time.localtime(now)),
        "pid": str(report.pid),
        "dropped": sum(frames.dropped.values()) + frames.failed,
    }
    if pixels:
        found["frame_shape"] = f"{image.width}x{image.height}x{BYTES.get(image.pixel_type or '', 0)}"
    return found


BYTES: Final = {
    "bool": 1,
    **{f"{kind}{bits}": bits // 8 for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    "float32": 4,
    "float64": 8,
}


def instance_info(thing: Streaming, report: WorkerReport | None, things: Mapping[Key, Streaming], now: float) -> Config:
    """What is told about one running instance."""
    found: Config = {
        "stream_address": thing.status.stream.address,
        "is_stream_active": is_running(thing),
        "config": config_of(thing, things),
        "last_start_time": start_time(report.started_at) if report else "",
        "statistics": statistics(report, now),
    }
    if isinstance(thing, Camera):
        image = thing.status.image
        size = [image.width, image.height] if image.width and image.height else None
        return found | {"camera_name": thing.external_name, "camera_geometry": size}
    return found | {"camera_name": input_name(thing, things), "instance_id": thing.external_name, "read_only": is_read_only(thing)}


def flat_info(thing: Streaming, report: WorkerReport | None, things: Mapping[Key, Streaming], now: float) -> Config:
    """The same in one level, as the heartbeat tells it."""
    info = instance_info(thing, report, things, now)
    numbers = {"rx": report.receive_rate if report else 0.0, "tx": report.send_rate if report else 0.0}
    told = {key: info.get(key) for key in ("stream_address", "camera_name", "last_start_time", "read_only")}
    measured: Config = info["statistics"]
    return told | measured | numbers | {"forwards": None, "simulation": None, "geometry": None}


def start_time(seconds: float) -> str:
    """:param seconds: since 1970"""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S UTC%z")


class Unknown(CamstreamError):  # noqa: N818
    """There is no such object."""
