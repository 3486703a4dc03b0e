"""Between cam_server's configurations and answers, and our objects. Pure."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from camstream.errors import CamstreamError, SpecError
from camstream.names import READ_ONLY, WAKE
from camstream.spec.base import Spec
from camstream.spec.key import Key
from camstream.spec.legacy import Fate, objects
from camstream.spec.legacy.objects import Config, Made, Streaming, Wanted, config_of, input_name, is_instance
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream.spec.report import WorkerReport
from camstream.spec.status import Condition, ConditionStatus, ConditionType, Phase, StreamingStatus

T = TypeVar("T", Camera, Pipeline)

RUNNING: Final = (Phase.STARTING, Phase.RUNNING, Phase.WAITING)
"""Phases in which there is a worker that cam_server would call an active instance."""

IGNORED: Final = ("reload",)
"""Keys of which a value that cannot be carried over changes nothing."""


# ---------------------------------------------------------------------------- configurations


def camera_object(wanted: Wanted, config: Config, old: Camera | None, cameras: Iterable[Camera]) -> Camera:
    """A camera from its configuration.

    :param old: the one that it replaces
    :raises SpecError: if no camera can be made of it, or something that was asked for would not be done
    """
    return _whole(objects.camera_object(wanted, config, old, cameras))


def pipeline_object(
    wanted: Wanted, config: Config, old: Pipeline | None, cameras: Iterable[Camera], pipelines: Iterable[Pipeline]
) -> Pipeline:
    """A pipeline from its configuration, which names what it reads by external names. Errors as for :func:`camera_object`."""
    return _whole(objects.pipeline_object(wanted, config, old, cameras, pipelines))


def _whole(made: Made[T]) -> T:
    for loss in made.losses:
        if loss.fate in (Fate.WRONG, Fate.LATER) and loss.key not in IGNORED:
            raise SpecError(str(loss))
    return made.thing


def same_spec(first: Spec, second: Spec) -> bool:
    """Whether two specs ask for the same stream, whatever it is called and however long it lives."""
    names = {"external_name", "lifecycle", "groups"}
    return first.model_dump(exclude=names) == second.model_dump(exclude=names)


# ---------------------------------------------------------------------------- objects


def is_permanent(thing: Streaming) -> bool:
    return thing.spec.lifecycle.mode is LifecycleMode.ALWAYS


def is_read_only(thing: Streaming) -> bool:
    """Whether those who read a stream share it, so that none of them may change it, by whichever door.

    An object may say so itself. Else a saved pipeline that runs on demand is everybody's, and one that a client made is its own.
    """
    said = thing.metadata.annotations.get(READ_ONLY)
    if said in ("true", "false"):
        return said == "true"
    return isinstance(thing, Pipeline) and not is_instance(thing) and thing.spec.lifecycle.mode is LifecycleMode.ON_DEMAND


def is_marked_read_only(thing: Streaming) -> bool:
    """Whether an object says itself that it is shared: then nor may what is saved be changed under its name."""
    return thing.metadata.annotations.get(READ_ONLY) == "true"


def check_may_be_saved(old: Streaming | None) -> None:
    """:raises SpecError: if what is saved under a name says itself that it is shared and not to be changed"""
    if old is not None and is_marked_read_only(old):
        raise SpecError(f"'{old.external_name}' is shared and read-only, as its annotation {READ_ONLY} says; choose another name")


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
