"""Every key of cam_server, and what becomes of it: one table for cameras and one for pipelines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from camstream.spec.legacy import values
from camstream.spec.legacy.values import Read

Settings = Mapping[str, Any]


class Fate(StrEnum):
    """What becomes of a key, or of one value of it."""

    CARRIED = "carried over"
    IMPLIED = "said elsewhere"
    """Nothing is lost."""
    POINTLESS = "without meaning here"
    LATER = "not yet"
    """It belongs to something that camstream does not have yet."""
    WRONG = "wrong"
    """A value that nobody can use."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class When:
    """In which configurations a row counts."""

    words: str
    holds: Callable[[Settings], bool]


@dataclass(frozen=True)
class Key:
    """One row: a key, where its value goes, and how. Of several rows for one key, the first that counts is taken."""

    name: str
    path: str | None
    """Dotted, in our spec. None: not carried over, and the note says why."""
    note: str = ""
    read: Read = values.same
    default: Any = None
    """What a missing key counts as; of a key that is not carried over, the value that need not be told as lost."""
    when: When | None = None
    fate: Fate = Fate.CARRIED

    def counts(self, settings: Settings) -> bool:
        return self.when is None or self.when.holds(settings)


def _source(*kinds: str) -> When:
    return When(f"source_type is {' or '.join(kinds)}", lambda settings: str(settings.get("source_type", "epics")).lower() in kinds)


def _is_on(name: str) -> Callable[[Settings], bool]:
    return lambda settings: str(settings.get(name, False)).strip().lower() not in ("false", "0")


def _given(*names: str) -> Callable[[Settings], bool]:
    return lambda settings: any(name in settings for name in names)


def _value(settings: Settings, name: str, read: Read) -> Any:
    """What a key says; None where it is missing, off, or cannot be read."""
    try:
        return read(settings[name]) if name in settings else None
    except ValueError:
        return None


def _averages(settings: Settings) -> bool:
    found = _value(settings, "averaging", values.accumulate), _value(settings, "image_averaging", values.averaging)
    return any(found)


def _pointless(name: str, note: str, default: Any = None, when: When | None = None) -> Key:
    return Key(name, None, note, default=default, when=when, fate=Fate.POINTLESS)


def _later(name: str, note: str, default: Any = None) -> Key:
    return Key(name, None, note, default=default, fate=Fate.LATER)


def _implied(name: str, note: str, when: When | None = None) -> Key:
    return Key(name, None, note, when=when, fate=Fate.IMPLIED)


SPECIAL: Final = ("prefix", "roi_signal", "roi_background", "pixel_bkg")
"""Keys of single functions."""
OTHER_SOURCES: Final = "comes with the other camera sources"
SEPARATE: Final = "a worker is one process and receives in a thread of its own"

_address_in_source = When(
    "source_type is bsread and url is not set", lambda settings: _source("bsread").holds(settings) and "url" not in settings
)

CAMERA_KEYS: Final[tuple[Key, ...]] = (
    _implied("name", "`metadata.name` and `externalName`"),
    Key(
        "source_type",
        "source",
        "one member of the source; array10, stddaq, stream and script come with the other camera sources",
        values.source_type,
        "epics",
    ),
    Key("source", "source.epics.prefix", read=values.text, when=_source("epics")),
    Key(
        "source",
        "source.epics",
        "PVs of the first image plugin; pulse ids are counted",
        values.area_detector,
        when=_source("area_detector"),
    ),
    Key("source", "source.bsread.address", "must be an address; the PV `:BSREADCONFIG` is not asked", values.text, when=_address_in_source),
    _implied("source", "the stream in url is read without asking EPICS", _source("bsread")),
    Key("source", "source.bsread.channel", "with `:FPICTURE` at its end", values.picture_channel, when=_source("bsread_simulation")),
    Key("source", "source.bsread.address", read=values.text, when=_source("bschannel")),
    Key("source", "source.hdf5", "`file:dataset` becomes path and dataset", values.file_and_dataset, when=_source("hdf5")),
    _implied("source", "a simulation needs none", _source("simulation")),
    _later("source", OTHER_SOURCES),
    Key("url", "source.bsread.address", read=values.text, when=_source("bsread")),
    _later("url", OTHER_SOURCES),
    Key("channel", "source.bsread.channel", read=values.text, when=_source("bschannel")),
    _later("channel", OTHER_SOURCES),
    Key("mode", "source.bsread.mode", read=values.stream_mode, when=_source("bschannel")),
    _later("mode", OTHER_SOURCES, "SUB"),
    Key("timeout", "source.timeoutSeconds", "milliseconds become seconds, rounded up", values.milliseconds, when=_source("bschannel")),
    _later("timeout", OTHER_SOURCES, -1),
    _later("db", OTHER_SOURCES, "0"),
    _later("class", OTHER_SOURCES),
    Key("enforce_pid", "source.bsread.requireIncreasingPulseId", "", values.flag, True, _source("bsread", "bsread_simulation")),
    Key("enforce_timestamp", "source.bsread.requireIncreasingTimestamp", "", values.flag, True, _source("bsread", "bsread_simulation")),
    Key(
        "check_timestamp",
        "source.bsread.requirePulseIdInTimestamp",
        "a missing key counts as true, as in cam_server",
        values.flag,
        True,
        _source("bsread", "bsread_simulation"),
    ),
    _pointless("enforce_pid", "only streams with source_type bsread are checked", True),
    _pointless("enforce_timestamp", "only streams with source_type bsread are checked", True),
    _pointless("check_timestamp", "only streams with source_type bsread are checked", True),
    _pointless("connections", "one connection carries a full stream", 1),
    _pointless("buffer_size", SEPARATE, 0),
    _pointless("buffer_threshold", SEPARATE, 0.5),
    _pointless("threaded", SEPARATE, False),
    Key("size_x", "source.simulation.width", read=values.whole, when=_source("simulation")),
    Key("size_y", "source.simulation.height", read=values.whole, when=_source("simulation")),
    Key(
        "image_type",
        "source.simulation.pattern",
        read=values.choice({"beam": "Beam", "static_beam": "StaticBeam", "raw": "Noise", "static_raw": "StaticNoise"}),
        when=_source("simulation"),
    ),
    _pointless("size_x", "only a simulation has it"),
    _pointless("size_y", "only a simulation has it"),
    _pointless("image_type", "only a simulation has it"),
    Key("dtype", "source.simulation.pixelType", "default uint16; cam_server's int16 wraps", values.text, when=_source("simulation")),
    Key("dtype", "pixelType", "the pixels are converted; cam_server only declares the type", values.text),
    Key(
        "frame_rate",
        "source.simulation.frameRate",
        "cam_server ignores it and sends at 10 Hz",
        values.positive(values.number),
        when=_source("simulation"),
    ),
    Key("frame_rate", "source.hdf5.frameRate", "", values.positive(values.number), when=_source("hdf5")),
    Key("frame_rate", "source.maxFrameRate", "", values.positive(values.number), when=_source("bschannel")),
    _pointless("frame_rate", "cam_server ignores it for this source; source.maxFrameRate would limit the rate"),
    _pointless("interval", "cam_server never used it", 1.0),
    Key("simulate_pulse_id", "source.simulatePulseId", read=values.flag),
    Key("binning_x", "geometry.binning.sizeX", read=values.whole),
    Key("binning_y", "geometry.binning.sizeY", read=values.whole),
    Key("binning_mean", "geometry.binning.mode", "true becomes Mean", values.binning_mode),
    Key("mirror_x", "geometry.mirror.leftRight", read=values.flag),
    Key("mirror_y", "geometry.mirror.upDown", read=values.flag),
    Key("rotate", "geometry.rotateQuarterTurns", "any number of turns becomes 0 to 3", values.quarter_turns),
    Key("roi", "geometry.regionOfInterest", "`[offset_x, size_x, offset_y, size_y]` becomes named fields", values.region),
    Key("camera_calibration", "calibration", "the list reference_marker becomes named fields", values.calibration),
    Key("image_background", "background", "an id becomes a name; true becomes an empty object, the latest", values.camera_background),
    Key("alias", "aliases", read=values.texts),
    Key("group", "groups", read=values.texts),
    Key("port", "output.port", read=values.whole),
    Key("queue_size", "output.queueSize", "at least 1", values.at_least(1), 100),
    Key("image_compression", "output.compression", read=values.compression),
    _pointless("scalar_compression", "single numbers are never compressed", False),
    Key("data_header_compression", "output.header.compression", read=values.compression),
    _pointless("protocol", "every stream has a TCP address", "tcp"),
    Key("no_client_timeout", "lifecycle", "rounded up to whole seconds, mode OnDemand; 0 or less: mode Always", values.lifecycle),
    _pointless("check_data", "the data header always follows the data", False),
    _pointless("forwarder_port", "use a Pipeline that reads the camera, with function Transparent and output mode Push"),
    _pointless("forwarder_compression", "see forwarder_port", False),
    _pointless("forwarder_data_header_compression", "see forwarder_port", False),
    _pointless("debug", "lost frames are always counted and told", False),
    _pointless("abort_on_error", "it belongs to the alignment of several connections", True),
)

READING = ("processing", "stream", "store", "fanout")
"""Types with an input."""


def _type(*kinds: str) -> When:
    return When(
        f"pipeline_type is {' or '.join(kinds)}", lambda settings: str(settings.get("pipeline_type", "processing")).lower() in kinds
    )


def _and(first: When, words: str, holds: Callable[[Settings], bool]) -> When:
    return When(f"{first.words} and {words}", lambda settings: first.holds(settings) and holds(settings))


def _writes_file(settings: Settings) -> bool:
    return str(settings.get("mode", "")).strip().lower() == "file"


def _merges(settings: Settings) -> bool:
    if _type("processing").holds(settings):
        return "bsread_address" in settings
    return _type("stream").holds(settings) and _given("input_pipeline2", "input_stream2", "bsread_address2")(settings)


def _has_script(settings: Settings) -> bool:
    """Whether function names a script."""
    kind, name = str(settings.get("pipeline_type", "processing")).lower(), settings.get("function")
    return name is not None and name not in values.BUILT_IN.get(kind, ())


def _has_our_script(settings: Settings) -> bool:
    """Whether function names a script that comes with the worker."""
    return settings.get("function") in values.SCRIPTS.get(str(settings.get("pipeline_type", "processing")).lower(), ())


_reads, _images, _stream = _type(*READING), _type("processing", "store", "fanout"), _type("stream")
_alone = _and(
    _images, "there is no input_stream and no input_pipeline", lambda settings: not _given("input_stream", "input_pipeline")(settings)
)
_no_pipeline = _and(_reads, "there is no input_pipeline", lambda settings: "input_pipeline" not in settings)
_stream_alone = _and(
    _stream, "there is no input_stream and no input_pipeline", lambda settings: not _given("input_stream", "input_pipeline")(settings)
)
_second_pipeline = _and(_stream, "input_pipeline2 is set", _given("input_pipeline2"))
_second_stream = _and(_stream, "there is no input_pipeline2", lambda settings: "input_pipeline2" not in settings)
_second_address = _and(
    _stream, "there is no input_stream2 and no input_pipeline2", lambda settings: not _given("input_stream2", "input_pipeline2")(settings)
)
_merged = When("a second stream is merged", _merges)
_merged_images = _and(_type("processing"), "a second stream is merged", _merges)
_merged_stream = _and(_stream, "a second stream is merged", _merges)
_file = When("mode is FILE", _writes_file)
_gathered = When("output_pipeline is set", _given("output_pipeline"))
_shared = _type("fanout", "store")
_script = When("function is a script", _has_script)
_our_script = When("function is " + " or ".join(name for names in values.SCRIPTS.values() for name in names), _has_our_script)
_aborts = _and(_reads, "abort_on_timeout is on", _is_on("abort_on_timeout"))
_reconnects = _and(_reads, "abort_on_timeout is off", lambda settings: not _is_on("abort_on_timeout")(settings))
_background_on = When("image_background_enable is on", _is_on("image_background_enable"))
_one_by_one = When("there is no averaging and no image_averaging", lambda settings: not _averages(settings))
_has_good_region = When("image_good_region is set", _given("image_good_region"))

PIPELINE_KEYS: Final[tuple[Key, ...]] = (
    _implied("name", "`metadata.name` and `externalName`"),
    Key("pipeline_type", "type", read=values.pipeline_type),
    Key("camera_name", "input.camera.name", "in lower case and with dashes, as objects are named", values.object_name, when=_alone),
    _pointless("camera_name", "another stream is read, or none"),
    Key("input_stream", "input.address", read=values.text, when=_no_pipeline),
    _pointless("input_stream", "input_pipeline is read instead; a FanIn listens, and others name it in output.pipeline"),
    Key("input_pipeline", "input.pipeline.name", "in lower case and with dashes, as objects are named", values.object_name, when=_reads),
    _pointless("input_pipeline", "this type has no input"),
    Key("input_mode", "input.mode", read=values.stream_mode, when=_reads),
    _pointless("input_mode", "this type has no input"),
    Key("bsread_address", "input.address", read=values.text, when=_stream_alone),
    Key("bsread_address", "merge.address", read=values.text, when=_merged_images),
    _pointless("bsread_address", "another stream is read, or none"),
    Key("bsread_channels", "merge.channels", read=values.texts, when=_merged_images),
    _pointless("bsread_channels", "all channels are read, selection.include chooses those that are sent; no dispatching layer is asked"),
    _pointless("bsread_mode", "cam_server ignores it; the key is input_mode"),
    Key("bsread_data_buf", "merge.queueSize", "at most 10000", values.at_most(10_000), when=_merged_images),
    _pointless("bsread_data_buf", "nothing is merged"),
    _pointless("bsread_image_buf", "merge.queueSize counts for both streams"),
    Key(
        "input_pipeline2",
        "merge.pipeline.name",
        "in lower case and with dashes, as objects are named",
        values.object_name,
        when=_second_pipeline,
    ),
    _pointless("input_pipeline2", "only streams have it"),
    Key("input_stream2", "merge.address", read=values.text, when=_second_stream),
    _pointless("input_stream2", "input_pipeline2 is read instead; only streams have it"),
    Key("bsread_address2", "merge.address", read=values.text, when=_second_address),
    _pointless("bsread_address2", "input_stream2 or input_pipeline2 is read instead; only streams have it"),
    Key("bsread_channels2", "merge.channels", read=values.texts, when=_merged_stream),
    _pointless("bsread_channels2", "no dispatching layer is asked"),
    _pointless("bsread_mode2", "cam_server ignores it; the key is input_mode2"),
    Key("input_mode2", "merge.mode", read=values.stream_mode, when=_merged_stream),
    _pointless("input_mode2", "nothing is merged"),
    Key("merge_buffer_size", "merge.queueSize", "at most 10000", values.at_most(10_000), when=_merged_stream),
    _pointless("merge_buffer_size", "nothing is merged", 100),
    _pointless("merge_queue_size", "merged messages wait in the queue of the input", 100),
    _pointless("dispatcher_url", "no dispatching layer is asked"),
    _pointless("dispatcher_verify_request", "no dispatching layer is asked", True),
    _pointless("dispatcher_disable_compression", "no dispatching layer is asked", False),
    Key("camera_timeout", "input.timeoutSeconds", "rounded up to whole seconds; 0 or less: never", values.seconds, when=_reconnects),
    _pointless("camera_timeout", "abort_on_timeout goes by stream_timeout", 10),
    Key("stream_timeout", "input.timeoutSeconds", "rounded up to whole seconds; 0 or less: never", values.seconds, when=_aborts),
    _pointless("stream_timeout", "only abort_on_timeout goes by it", 10),
    Key(
        "image_background_enable",
        "processing.background.mode",
        "true, signed, passive: Subtract, SubtractSigned, Passive",
        values.background_mode,
    ),
    Key("image_background", "processing.background.name", "without it, the latest of the camera", values.text, when=_background_on),
    _pointless("image_background", "image_background_enable is off"),
    Key("image_threshold", "processing.threshold", read=values.number),
    Key(
        "image_region_of_interest",
        "processing.regionOfInterest",
        "`[offset_x, size_x, offset_y, size_y]` becomes named fields; an offset below 0 becomes 0",
        values.movable_region,
    ),
    Key("image_averaging", "processing.averaging", "1 or less: off", values.averaging),
    Key("averaging", "processing.accumulate", "N: Block of N frames; -N: Running mean of N", values.accumulate),
    Key("image_scale", "processing.scale", read=values.number),
    Key("image_offset", "processing.offset", read=values.number),
    Key("mirror_x", "processing.mirror.leftRight", read=values.flag),
    Key("mirror_y", "processing.mirror.upDown", read=values.flag),
    Key(
        "rotation",
        "processing.rotation",
        "a number is the angle; a number as mode fills the corners; ortho becomes Orthogonal",
        values.rotation,
    ),
    Key("binning_x", "processing.binning.sizeX", read=values.whole),
    Key("binning_y", "processing.binning.sizeY", read=values.whole),
    Key("binning_mean", "processing.binning.mode", "true becomes Mean", values.binning_mode),
    Key("image_good_region", "processing.goodRegion", "gfscale becomes scale", values.good_region),
    Key("image_slices", "processing.slices", "number_of_slices becomes count", values.slices, when=_has_good_region),
    _pointless("image_slices", "slices are cut from image_good_region, which is not set"),
    Key("fw_threshold", "processing.widthLevel", read=values.positive(values.number)),
    Key("function", "script.module", "it comes with the worker", values.script_module, when=_our_script),
    Key("function", "script.file", "`.py` is added; the path is as the worker sees it", values.script_file, when=_script),
    Key("function", "processing.function", "default, transparent or merge", values.function, when=_type("processing")),
    _implied("function", "without a script, a stream is passed on as it is"),
    _pointless("reload", "an edited script is always loaded anew", False),
    _pointless("libs", "script.libraries names the folders of what a script imports"),
    _pointless("copy", "no function can change a frame that others see", False),
    Key("include", "selection.include", read=values.texts),
    Key("exclude", "selection.exclude", read=values.texts),
    Key("pause", "selection.pause", read=values.flag),
    _pointless("paused", "cam_server ignores it; the key is pause", False),
    Key("pid_range", "selection.pulseIds", "`[first, last]` becomes named fields", values.pulse_ids),
    Key("records", "selection.records", "0 or less: no end", values.positive(values.whole)),
    Key("downsampling", "selection.downsampling", "N becomes N + 1: cam_server keeps one message in N + 1", values.downsampling),
    Key("max_frame_rate", "selection.maxFrameRate", "0 or less: no limit", values.positive(values.number)),
    Key("enforce_pid", "selection.requireIncreasingPulseId", read=values.flag),
    Key("enforce_timestamp", "selection.requireIncreasingTimestamp", read=values.flag),
    Key("check_timestamp", "selection.requirePulseIdInTimestamp", read=values.flag),
    Key("abort_on_error", "failure.abortOnError", "a missing key counts as false; in cam_server as true", values.flag),
    Key("abort_on_timeout", "failure.abortOnTimeout", read=values.flag),
    Key("notify_on_error", "failure.notifyOnError", "a missing key counts as true where the name ends in `_sp`", values.flag),
    _implied("mode", "output.file says so", _file),
    Key("mode", "output.mode", "always Push", values.always("Push"), "PUSH", _shared),
    Key("mode", "output.mode", "always Push", values.always("Push"), "PUSH", _gathered),
    Key("mode", "output.mode", read=values.choice({"pub": "Pub", "push": "Push"})),
    Key("file", "output.file.path", "below the folder for files: a slash in front is left out", values.file_path, when=_file),
    Key("layout", "output.file.layout", read=values.choice({"default": "Default", "flat": "Flat", "bsh5": "Bsh5"}), when=_file),
    Key("localtime", "output.file.localTimestamps", read=values.flag, when=_file),
    Key("change", "output.file.allowShapeChanges", read=values.flag, when=_file),
    *(_pointless(name, "only mode FILE has it") for name in ("file", "layout", "localtime", "change")),
    Key("output_pipeline", "output.pipeline.name", "a FanIn; in lower case and with dashes, as objects are named", values.object_name),
    Key("port", "output.port", read=values.whole),
    _pointless("output_stream", "output_pipeline is sent to instead", when=_gathered),
    Key("output_stream", "output.connect", read=values.text),
    Key("queue_size", "output.queueSize", "at least 1", values.at_least(1)),
    Key("block", "output.block", "a missing key counts as false, as in cam_server", values.flag, False, _type("store")),
    Key("block", "output.block", read=values.flag),
    Key("data_compression", "output.compression", read=values.compression),
    Key("data_header_compression", "output.header.compression", read=values.compression),
    Key("create_header", "output.header.policy", "always or true, once or false; anything else becomes OnChange", values.header_policy),
    Key("allow_type_changes", "output.header.allowTypeChanges", read=values.flag),
    Key("allow_shape_changes", "output.header.allowShapeChanges", read=values.flag),
    Key("processing_threads", "threads", "0 becomes 1", values.at_least(1), when=_one_by_one),
    _pointless("processing_threads", "averaging depends on the order of frames, and takes one thread", 0),
    Key("group", "groups", read=values.texts),
    Key("no_client_timeout", "lifecycle", "rounded up to whole seconds, mode OnDemand; 0 or less: mode Always", values.lifecycle),
    _pointless("buffer_size", SEPARATE),
    _pointless("multiprocessing", "threads compute without blocking each other", False),
    _pointless("thread_buffer_size", "queues are bounded by input.queueSize and threads", 20),
    _pointless("send_buffer_size", "queues are bounded by output.queueSize and threads", 40),
    _pointless("processing_manager", "there are no helper processes", False),
    _pointless("spawn_send_thread", "there are no helper processes", True),
    _pointless("receive_timeout", "a worker waits on its input without polling", 1000),
    _pointless("timeout_count", "cam_server never used it", 10),
    _pointless("debug", "lost frames are always counted and told", False),
    _pointless("read_only", "who may change an object is said by the roles of the cluster", False),
    Key("pid_buffer", "reorder", "at least 2, as in cam_server; 0: off", values.reorder, when=_type("fanin")),
    _pointless("pid_buffer", "only a FanIn puts messages in order", 0),
    Key("modulo", "selection.downsampling", read=values.positive(values.whole), when=_type("store")),
    _pointless("modulo", "only a store has it"),
    *(Key(name, "script.parameters", "as every key that cam_server does not know", values.under(name), when=_script) for name in SPECIAL),
    *(_pointless(name, "only psen, psss, propagate_stream_with_prefix and scripts read it") for name in SPECIAL),
)
