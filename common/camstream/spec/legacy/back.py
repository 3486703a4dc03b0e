"""Our specs as configurations of cam_server: what its clients are told about a camera or pipeline, and what they may change and send back.

Pure. Every key has a place here, or is kept aside as it came (see :func:`left_over`), so that nothing that a client wrote is lost.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from camstream.names import PICTURE_SUFFIX
from camstream.spec.camera import CameraSpec
from camstream.spec.legacy.values import SCRIPTS, SCRIPTS_PACKAGE
from camstream.spec.output import LifecycleMode
from camstream.spec.pipeline import PipelineSpec, PipelineType

Config = dict[str, Any]
Write = Callable[[Any], Any]


class Row(NamedTuple):
    """One key, where its value is in the spec, and how it is written."""

    key: str
    path: str
    write: Write = lambda value: value
    always: bool = False
    """Told as null where it is not set."""


MERGED: Final = ("image_good_region", "image_slices")
"""Keys that an update changes member by member."""


NEVER_IDLE_S: Final = 31_536_000
"""A year: the longest time that there is, for what a client makes for itself and stops itself."""


def camera_config(name: str, spec: CameraSpec, others: Mapping[str, Any]) -> Config:
    """The configuration of a camera.

    :param name: external name
    :param others: what was kept aside
    """
    found = {"name": name, **_source(name, spec), **_written(CAMERA_ROWS, spec.to_full_dict())}
    return _joined(found | {"no_client_timeout": _timeout(spec)}, others)


def pipeline_config(
    name: str, spec: PipelineSpec, input_name: str | None, others: Mapping[str, Any], external: Callable[[str], str] = str
) -> Config:
    """The configuration of a pipeline.

    :param name: external name
    :param input_name: external name of the camera or pipeline that it reads
    :param others: what was kept aside
    :param external: external name of another pipeline, by the name of its object
    """
    found: Config = {"name": name, "pipeline_type": spec.type.value.lower()}
    if spec.input is not None:
        key = "camera_name" if spec.input.camera else "input_pipeline" if spec.input.pipeline else "input_stream"
        found[key] = input_name or spec.input.address
    found |= _written(PIPELINE_ROWS, spec.to_full_dict())
    found.setdefault("image_background_enable", False)
    if spec.type is not PipelineType.PROCESSING:
        found.pop("function", None)
    found |= _merge(spec, external) | _output(spec, external) | _script(spec)
    if spec.input is not None:
        found["stream_timeout" if spec.failure.abort_on_timeout else "camera_timeout"] = spec.input.timeout_seconds
    return _joined(found | {"no_client_timeout": _timeout(spec)}, others)


def _merge(spec: PipelineSpec, external: Callable[[str], str]) -> Config:
    merge = spec.merge
    if merge is None:
        return {}
    channels = list(merge.channels) or None
    if spec.type is not PipelineType.STREAM:
        return {"bsread_address": merge.address, "bsread_channels": channels, "bsread_data_buf": merge.queue_size}
    where = {"input_pipeline2": external(merge.pipeline.name)} if merge.pipeline else {"input_stream2": merge.address}
    return {**where, "bsread_channels2": channels, "input_mode2": merge.mode.value.upper(), "merge_buffer_size": merge.queue_size}


def _output(spec: PipelineSpec, external: Callable[[str], str]) -> Config:
    found: Config = {"pid_buffer": spec.reorder} if spec.reorder else {}
    if spec.type is PipelineType.STORE:
        found |= {"modulo": spec.selection.downsampling, "downsampling": None}
    if spec.output.pipeline is not None:
        found["output_pipeline"] = external(spec.output.pipeline.name)
    file = spec.output.file
    if file is not None:
        found |= {"mode": "FILE", "file": file.path, "layout": file.layout.value.upper()}
        found |= {"localtime": file.local_timestamps, "change": file.allow_shape_changes}
    return found


def _script(spec: PipelineSpec) -> Config:
    """A program that is no file has no word in cam_server; its parameters are told all the same."""
    script = spec.script
    if script is None:
        return {}
    package, _, name = (script.module or "").rpartition(".")
    ours = package == SCRIPTS_PACKAGE and name in SCRIPTS.get(spec.type.value.lower(), ())
    return {**script.parameters, "function": name if ours else script.file}


def left_over(given: Mapping[str, Any], told: Mapping[str, Any]) -> Config:
    """What a spec has no place for, of the configuration that it was made from: kept aside, and told again."""
    return {key: value for key, value in given.items() if value is not None and told.get(key) is None}


def updated(config: Mapping[str, Any], updates: Mapping[str, Any]) -> Config:
    """A configuration after a change: key by key, two of them member by member; null takes a key back to its default."""
    found = dict(config)
    for key, value in updates.items():
        if value is None:
            found.pop(key, None)
        elif key in MERGED and isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
            found[key] = {**found[key], **value}
        else:
            found[key] = value
    return found


def _joined(found: Config, others: Mapping[str, Any]) -> Config:
    return found | {key: value for key, value in others.items() if found.get(key) is None}


def _written(rows: tuple[Row, ...], spec: Mapping[str, Any]) -> Config:
    found: Config = {}
    for row in rows:
        value: Any = spec
        for step in row.path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None and value != []:
            value = row.write(value)
        elif not row.always:
            continue
        else:
            value = None
        found[row.key] = value
    return found


def _timeout(spec: CameraSpec | PipelineSpec) -> int:
    """0 for never."""
    lifecycle = spec.lifecycle
    idles = lifecycle.mode is LifecycleMode.ON_DEMAND and lifecycle.idle_timeout_seconds < NEVER_IDLE_S
    return lifecycle.idle_timeout_seconds if idles else 0


def _source(name: str, spec: CameraSpec) -> Config:
    source = spec.source
    if simulation := source.simulation:
        return {
            "source_type": "simulation",
            "source": name,
            "size_x": simulation.width,
            "size_y": simulation.height,
            "dtype": simulation.pixel_type.value,
            "image_type": _PATTERNS[simulation.pattern.value],
            "frame_rate": simulation.frame_rate,
        }
    if bsread := source.bsread:
        checks = {
            "enforce_pid": bsread.require_increasing_pulse_id,
            "enforce_timestamp": bsread.require_increasing_timestamp,
            "check_timestamp": bsread.require_pulse_id_in_timestamp,
        }
        if bsread.mode.value == "Sub":
            more: Config = {"frame_rate": source.max_frame_rate} if source.max_frame_rate else {}
            return more | {
                "source_type": "bschannel",
                "source": bsread.address,
                "channel": bsread.channel,
                "mode": "SUB",
                "timeout": 1000 * source.timeout_seconds,
            }
        if bsread.channel and bsread.channel.endswith(PICTURE_SUFFIX):
            return {"source_type": "bsread_simulation", "source": bsread.channel.removesuffix(PICTURE_SUFFIX), **checks}
        return {"source_type": "bsread", "url": bsread.address, **checks}
    if epics := source.epics:
        plugin = (epics.image or "").removesuffix(":image1:ArrayData")
        if plugin and plugin != epics.image:
            return {"source_type": "area_detector", "source": plugin}
        return {"source_type": "epics", "source": epics.prefix or (epics.image or "").removesuffix(PICTURE_SUFFIX)}
    assert source.hdf5 is not None  # noqa: S101 - exactly one of them is set
    rate = {"frame_rate": source.hdf5.frame_rate} if source.hdf5.frame_rate else {}
    return {"source_type": "hdf5", "source": f"{source.hdf5.path}:{source.hdf5.dataset}", **rate}


def _region(value: Mapping[str, int]) -> list[int]:
    return [value[key] for key in ("offsetX", "sizeX", "offsetY", "sizeY")]


def _calibration(value: Mapping[str, Any]) -> Config:
    marker = value["referenceMarker"]
    return {
        "reference_marker": [marker[key] for key in ("left", "top", "right", "bottom")],
        "reference_marker_width": value["referenceMarkerWidth"],
        "reference_marker_height": value["referenceMarkerHeight"],
        "angle_horizontal": value["angleHorizontal"],
        "angle_vertical": value["angleVertical"],
    }


def _rotation(value: Mapping[str, Any]) -> Config:
    words = {"Constant": str(value["fill"]), "Orthogonal": "ortho"}
    return {"angle": value["angle"], "order": value["order"], "mode": words.get(value["mode"], value["mode"].lower())}


def _one_or_list(value: list[str]) -> str | list[str]:
    return value[0] if len(value) == 1 else value


_PATTERNS: Final = {"Beam": "beam", "StaticBeam": "static_beam", "Noise": "raw", "StaticNoise": "static_raw"}
_COMPRESSIONS: Final = {"None": None, "BitshuffleLz4": "bitshuffle_lz4"}
_MODES: Final = {"Subtract": True, "SubtractSigned": "signed", "Passive": "passive"}
_POLICIES: Final = {"OnChange": "on_change", "Always": "always", "Once": "once"}

CAMERA_ROWS: Final = (
    Row("mirror_x", "geometry.mirror.leftRight"),
    Row("mirror_y", "geometry.mirror.upDown"),
    Row("rotate", "geometry.rotateQuarterTurns"),
    Row("roi", "geometry.regionOfInterest", _region, always=True),
    Row("binning_x", "geometry.binning.sizeX"),
    Row("binning_y", "geometry.binning.sizeY"),
    Row("binning_mean", "geometry.binning.mode", lambda mode: mode == "Mean"),
    Row("image_background", "background", lambda value: value.get("name") or True, always=True),
    Row("camera_calibration", "calibration", _calibration, always=True),
    Row("simulate_pulse_id", "source.simulatePulseId"),
    Row("dtype", "pixelType"),
    Row("alias", "aliases", _one_or_list),
    Row("group", "groups", _one_or_list),
    Row("port", "output.port"),
    Row("queue_size", "output.queueSize"),
    Row("image_compression", "output.compression", _COMPRESSIONS.__getitem__),
    Row("data_header_compression", "output.header.compression", _COMPRESSIONS.__getitem__),
)

PIPELINE_ROWS: Final = (
    Row("input_mode", "input.mode", str.upper),
    Row("image_background_enable", "processing.background.mode", _MODES.__getitem__),
    Row("image_background", "processing.background.name", always=True),
    Row("image_threshold", "processing.threshold", always=True),
    Row("image_region_of_interest", "processing.regionOfInterest", _region, always=True),
    Row("image_averaging", "processing.averaging"),
    Row("averaging", "processing.accumulate", lambda value: value["frames"] * (1 if value["mode"] == "Block" else -1)),
    Row("image_scale", "processing.scale"),
    Row("image_offset", "processing.offset"),
    Row("mirror_x", "processing.mirror.leftRight"),
    Row("mirror_y", "processing.mirror.upDown"),
    Row("rotation", "processing.rotation", _rotation),
    Row("binning_x", "processing.binning.sizeX"),
    Row("binning_y", "processing.binning.sizeY"),
    Row("binning_mean", "processing.binning.mode", lambda mode: mode == "Mean"),
    Row(
        "image_good_region",
        "processing.goodRegion",
        lambda value: {"threshold": value["threshold"], "gfscale": value["scale"]},
        always=True,
    ),
    Row(
        "image_slices",
        "processing.slices",
        lambda value: {"number_of_slices": value["count"], "scale": value["scale"], "orientation": value["orientation"].lower()},
        always=True,
    ),
    Row("fw_threshold", "processing.widthLevel"),
    Row("function", "processing.function", str.lower),
    Row("include", "selection.include"),
    Row("exclude", "selection.exclude"),
    Row("pause", "selection.pause"),
    Row("pid_range", "selection.pulseIds", lambda value: [value["first"], value["last"]]),
    Row("records", "selection.records"),
    Row("downsampling", "selection.downsampling", lambda value: value - 1),
    Row("max_frame_rate", "selection.maxFrameRate"),
    Row("enforce_pid", "selection.requireIncreasingPulseId"),
    Row("enforce_timestamp", "selection.requireIncreasingTimestamp"),
    Row("check_timestamp", "selection.requirePulseIdInTimestamp"),
    Row("abort_on_error", "failure.abortOnError"),
    Row("abort_on_timeout", "failure.abortOnTimeout"),
    Row("notify_on_error", "failure.notifyOnError"),
    Row("mode", "output.mode", str.upper),
    Row("port", "output.port"),
    Row("output_stream", "output.connect"),
    Row("queue_size", "output.queueSize"),
    Row("block", "output.block"),
    Row("data_compression", "output.compression", _COMPRESSIONS.__getitem__),
    Row("data_header_compression", "output.header.compression", _COMPRESSIONS.__getitem__),
    Row("create_header", "output.header.policy", _POLICIES.__getitem__),
    Row("allow_type_changes", "output.header.allowTypeChanges"),
    Row("allow_shape_changes", "output.header.allowShapeChanges"),
    Row("processing_threads", "threads", lambda value: 0 if value == 1 else value),
    Row("group", "groups", _one_or_list),
)
