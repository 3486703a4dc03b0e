"""cam_server's configurations as our specs: every key has a place or a reason, and every value arrives."""

import importlib.util
from collections.abc import Mapping
from typing import Any

import pytest

from camstream.errors import SpecError
from camstream.spec import CameraSpec, PipelineSpec
from camstream.spec.base import Change, Spec
from camstream.spec.fields import OutputMode
from camstream.spec.legacy import (
    CAMERA_KEYS,
    PIPELINE_KEYS,
    Converted,
    Fate,
    Key,
    camera_from_cam_server,
    camera_geometry_from_cam_server,
    object_name,
    pipeline_config,
    pipeline_from_cam_server,
    processing_from_cam_server,
)
from camstream.spec.pipeline import PipelineType
from camstream.spec.schema import structural


def words(text: str) -> list[str]:
    return text.split()


# As cam_server 5.8.1 reads them; the lists are those of its behavioural specification.
CAMERA_KEYS_OF_CAM_SERVER = words("""
    source source_type mirror_x mirror_y rotate roi binning_x binning_y binning_mean image_background camera_calibration dtype protocol port
    no_client_timeout queue_size data_header_compression image_compression scalar_compression simulate_pulse_id check_data frame_rate alias
    group debug abort_on_error forwarder_port forwarder_compression forwarder_data_header_compression class name
    url connections buffer_size buffer_threshold threaded
    enforce_pid enforce_timestamp check_timestamp size_x size_y image_type mode channel
    timeout db interval
""")

PIPELINE_KEYS_OF_CAM_SERVER = words("""
    pipeline_type camera_name function reload include exclude camera_timeout stream_timeout abort_on_timeout abort_on_error notify_on_error
    create_header allow_type_changes allow_shape_changes mode queue_size block no_client_timeout buffer_size port data_compression
    data_header_compression pid_range records pause paused downsampling max_frame_rate enforce_pid enforce_timestamp check_timestamp
    input_stream input_mode input_pipeline input_pipeline2 output_stream output_pipeline processing_threads multiprocessing
    thread_buffer_size send_buffer_size processing_manager spawn_send_thread receive_timeout libs read_only group name debug dispatcher_url
    dispatcher_verify_request dispatcher_disable_compression pid_buffer timeout_count
    image_background_enable image_background image_threshold image_region_of_interest image_averaging averaging image_scale image_offset
    mirror_x mirror_y rotation binning_x binning_y binning_mean copy bsread_address bsread_channels bsread_image_buf bsread_data_buf
    image_good_region image_slices fw_threshold
    file layout localtime change
    bsread_mode bsread_address2 bsread_channels2 bsread_mode2 input_stream2 input_mode2 merge_buffer_size merge_queue_size
    modulo prefix roi_signal roi_background pixel_bkg
""")


@pytest.mark.parametrize(
    ("table", "keys"), [(CAMERA_KEYS, CAMERA_KEYS_OF_CAM_SERVER), (PIPELINE_KEYS, PIPELINE_KEYS_OF_CAM_SERVER)], ids=["camera", "pipeline"]
)
def test_every_key_of_cam_server_is_in_the_table_and_no_other(table: tuple[Key, ...], keys: list[str]) -> None:
    assert sorted({row.name for row in table}) == sorted(keys)


def _mapped(table: tuple[Key, ...]) -> list[tuple[str, str]]:
    return [(row.name, row.path) for row in table if row.path is not None]


@pytest.mark.parametrize(("table", "model"), [(CAMERA_KEYS, CameraSpec), (PIPELINE_KEYS, PipelineSpec)], ids=["camera", "pipeline"])
def test_every_path_exists_and_every_other_key_has_a_reason(table: tuple[Key, ...], model: type[Spec]) -> None:
    schema = structural(model, Change.ROLLOUT)
    for row in table:
        here = schema
        for step in row.path.split(".") if row.path else ():
            assert step in here["properties"], row
            here = here["properties"][step]
        assert row.path or row.note, row


SIMULATION = {"source_type": "simulation"}
BSREAD = {"source_type": "bsread", "source": "CAM", "url": "tcp://host:1"}
BSCHANNEL = {"source_type": "bschannel", "source": "tcp://host:1", "channel": "A"}

# Key and path: what is written in cam_server, what arrives, and what must be written beside it.
CAMERA_VALUES: Mapping[tuple[str, str], tuple[Any, Any, dict[str, Any]]] = {
    ("source_type", "source"): ("simulation", {"simulation": {}}, {}),
    ("source", "source.epics.prefix"): ("GUN-CAM-01", "GUN-CAM-01", {"source_type": "epics"}),
    ("source", "source.epics"): (
        "13SIM1",
        {"image": "13SIM1:image1:ArrayData", "width": "13SIM1:image1:ArraySize0_RBV", "height": "13SIM1:image1:ArraySize1_RBV"},
        {"source_type": "area_detector"},
    ),
    ("source", "source.bsread.address"): ("tcp://host:9999", "tcp://host:9999", {"source_type": "bsread"}),
    ("source", "source.bsread.channel"): ("CAM", "CAM:FPICTURE", {"source_type": "bsread_simulation"}),
    ("source", "source.hdf5"): ("/data/a.h5:/images", {"path": "/data/a.h5", "dataset": "/images"}, {"source_type": "hdf5"}),
    ("url", "source.bsread.address"): ("tcp://host:1", "tcp://host:1", {"source_type": "bsread", "source": "CAM"}),
    ("channel", "source.bsread.channel"): ("B", "B", BSCHANNEL),
    ("mode", "source.bsread.mode"): ("PULL", "Pull", BSCHANNEL),
    ("timeout", "source.timeoutSeconds"): (1500, 2, BSCHANNEL),
    ("enforce_pid", "source.bsread.requireIncreasingPulseId"): (False, False, BSREAD),
    ("enforce_timestamp", "source.bsread.requireIncreasingTimestamp"): ("False", False, BSREAD),
    ("check_timestamp", "source.bsread.requirePulseIdInTimestamp"): (None, True, BSREAD),
    ("size_x", "source.simulation.width"): ("640", 640, SIMULATION),
    ("size_y", "source.simulation.height"): (480, 480, SIMULATION),
    ("image_type", "source.simulation.pattern"): ("static_raw", "StaticNoise", SIMULATION),
    ("dtype", "source.simulation.pixelType"): ("uint8", "uint8", SIMULATION),
    ("dtype", "pixelType"): ("float32", "float32", BSREAD),
    ("frame_rate", "source.simulation.frameRate"): (25, 25, SIMULATION),
    ("frame_rate", "source.hdf5.frameRate"): ("5.5", 5.5, {"source_type": "hdf5", "source": "a:b"}),
    ("frame_rate", "source.maxFrameRate"): (20, 20, BSCHANNEL),
    ("simulate_pulse_id", "source.simulatePulseId"): ("True", True, SIMULATION),
    ("no_client_timeout", "lifecycle"): (2.5, {"mode": "OnDemand", "idleTimeoutSeconds": 3}, SIMULATION),
    ("binning_x", "geometry.binning.sizeX"): (2, 2, SIMULATION),
    ("binning_y", "geometry.binning.sizeY"): ("3", 3, SIMULATION),
    ("binning_mean", "geometry.binning.mode"): (True, "Mean", SIMULATION),
    ("mirror_x", "geometry.mirror.leftRight"): (True, True, SIMULATION),
    ("mirror_y", "geometry.mirror.upDown"): ("true", True, SIMULATION),
    ("rotate", "geometry.rotateQuarterTurns"): (-1, 3, SIMULATION),
    ("roi", "geometry.regionOfInterest"): ([1, 20, 3, 40], {"offsetX": 1, "sizeX": 20, "offsetY": 3, "sizeY": 40}, SIMULATION),
    ("camera_calibration", "calibration"): (
        {
            "reference_marker": [10, 20, 110, 220],
            "reference_marker_width": "1234.5",
            "reference_marker_height": 777,
            "angle_horizontal": 12.5,
            "angle_vertical": None,
        },
        {
            "referenceMarker": {"left": 10, "top": 20, "right": 110, "bottom": 220},
            "referenceMarkerWidth": 1234.5,
            "referenceMarkerHeight": 777,
            "angleHorizontal": 12.5,
            "angleVertical": 0,
        },
        SIMULATION,
    ),
    ("image_background", "background"): ("cam_2026", {"name": "cam_2026"}, SIMULATION),
    ("alias", "aliases"): (["a", "b"], ["a", "b"], SIMULATION),
    ("group", "groups"): ("g", ["g"], SIMULATION),
    ("port", "output.port"): ("10101", 10101, SIMULATION),
    ("queue_size", "output.queueSize"): (0, 1, SIMULATION),
    ("image_compression", "output.compression"): (True, "BitshuffleLz4", SIMULATION),
    ("data_header_compression", "output.header.compression"): ("bitshuffle_lz4", "BitshuffleLz4", SIMULATION),
}

CAM = {"camera_name": "CAM"}
REGION: dict[str, Any] = CAM | {"image_good_region": {}}

STREAM = {"pipeline_type": "stream", "input_stream": "tcp://host:1"}
TWO_STREAMS = STREAM | {"input_stream2": "tcp://host:2"}
MERGED = CAM | {"bsread_address": "tcp://host:2"}
FILE = CAM | {"mode": "FILE", "file": "/data/run"}
SCRIPT = CAM | {"function": "mine"}

PIPELINE_VALUES: Mapping[tuple[str, str], tuple[Any, Any, dict[str, Any]]] = {
    ("no_client_timeout", "lifecycle"): ("60", {"mode": "OnDemand", "idleTimeoutSeconds": 60}, CAM),
    ("camera_name", "input.camera.name"): ("SARES20-CAMS142-M5", "sares20-cams142-m5", {}),
    ("input_stream", "input.address"): ("tcp://host:9999", "tcp://host:9999", CAM),
    ("input_pipeline", "input.pipeline.name"): ("CAM_sp", "cam-sp", CAM | {"input_stream": "tcp://host:1"}),
    ("input_mode", "input.mode"): ("PULL", "Pull", CAM),
    ("camera_timeout", "input.timeoutSeconds"): (2.5, 3, CAM),
    ("stream_timeout", "input.timeoutSeconds"): (-1, 0, CAM | {"abort_on_timeout": True}),
    ("image_background_enable", "processing.background.mode"): ("signed", "SubtractSigned", CAM),
    ("image_background", "processing.background.name"): ("dark", "dark", CAM | {"image_background_enable": True}),
    ("image_threshold", "processing.threshold"): ("60.9", 60.9, CAM),
    ("image_region_of_interest", "processing.regionOfInterest"): (
        [-20, 90, 10, 60],
        {"offsetX": 0, "sizeX": 90, "offsetY": 10, "sizeY": 60},
        CAM,
    ),
    ("image_averaging", "processing.averaging"): (4, 4, CAM),
    ("averaging", "processing.accumulate"): (-3, {"frames": 3, "mode": "Running"}, CAM),
    ("image_scale", "processing.scale"): (1.25, 1.25, CAM),
    ("image_offset", "processing.offset"): (-3.5, -3.5, CAM),
    ("mirror_x", "processing.mirror.leftRight"): (1, True, CAM),
    ("mirror_y", "processing.mirror.upDown"): (True, True, CAM),
    ("rotation", "processing.rotation"): (
        {"angle": "12.25", "order": 3, "mode": "reflect"},
        {"angle": 12.25, "order": 3, "mode": "Reflect", "fill": 0},
        CAM,
    ),
    ("binning_x", "processing.binning.sizeX"): (2, 2, CAM),
    ("binning_y", "processing.binning.sizeY"): (3, 3, CAM),
    ("binning_mean", "processing.binning.mode"): ("True", "Mean", CAM),
    ("image_good_region", "processing.goodRegion"): ({"threshold": "0.4", "gfscale": 3}, {"threshold": 0.4, "scale": 3}, CAM),
    ("image_slices", "processing.slices"): (
        {"number_of_slices": "5", "scale": 1.5, "orientation": "horizontal"},
        {"count": 5, "scale": 1.5, "orientation": "Horizontal"},
        REGION,
    ),
    ("fw_threshold", "processing.widthLevel"): (0.2, 0.2, CAM),
    ("function", "processing.function"): ("transparent", "Transparent", CAM),
    ("include", "selection.include"): (["a", "b"], ["a", "b"], CAM),
    ("exclude", "selection.exclude"): ("c", ["c"], CAM),
    ("pause", "selection.pause"): ("True", True, CAM),
    ("pid_range", "selection.pulseIds"): ([100, 200], {"first": 100, "last": 200}, CAM),
    ("records", "selection.records"): ("10", 10, CAM),
    ("downsampling", "selection.downsampling"): (2, 3, CAM),
    ("max_frame_rate", "selection.maxFrameRate"): (3, 3, CAM),
    ("enforce_pid", "selection.requireIncreasingPulseId"): (True, True, CAM),
    ("enforce_timestamp", "selection.requireIncreasingTimestamp"): (True, True, CAM),
    ("check_timestamp", "selection.requirePulseIdInTimestamp"): (True, True, CAM),
    ("abort_on_error", "failure.abortOnError"): (True, True, CAM),
    ("abort_on_timeout", "failure.abortOnTimeout"): (True, True, CAM),
    ("notify_on_error", "failure.notifyOnError"): (True, True, CAM),
    ("mode", "output.mode"): ("PUSH", "Push", CAM),
    ("port", "output.port"): ("8889", 8889, CAM),
    ("output_stream", "output.connect"): ("tcp://host:5", "tcp://host:5", CAM),
    ("queue_size", "output.queueSize"): (20, 20, CAM),
    ("block", "output.block"): (False, False, CAM),
    ("data_compression", "output.compression"): (True, "BitshuffleLz4", CAM),
    ("data_header_compression", "output.header.compression"): (True, "BitshuffleLz4", CAM),
    ("create_header", "output.header.policy"): (False, "Once", CAM),
    ("allow_type_changes", "output.header.allowTypeChanges"): (False, False, CAM),
    ("allow_shape_changes", "output.header.allowShapeChanges"): ("false", False, CAM),
    ("processing_threads", "threads"): (4, 4, CAM),
    ("group", "groups"): (["g", "h"], ["g", "h"], CAM),
    ("pipeline_type", "type"): ("fanout", "FanOut", CAM),
    ("bsread_address", "input.address"): ("tcp://host:2", "tcp://host:2", {"pipeline_type": "stream"}),
    ("bsread_address", "merge.address"): ("tcp://host:2", "tcp://host:2", CAM),
    ("bsread_channels", "merge.channels"): (["A", "B"], ["A", "B"], MERGED),
    ("bsread_data_buf", "merge.queueSize"): (20_000, 10_000, MERGED),
    ("input_pipeline2", "merge.pipeline.name"): ("CAM_sp", "cam-sp", STREAM),
    ("input_stream2", "merge.address"): ("tcp://host:2", "tcp://host:2", STREAM),
    ("bsread_address2", "merge.address"): ("tcp://host:2", "tcp://host:2", STREAM),
    ("bsread_channels2", "merge.channels"): (["A"], ["A"], TWO_STREAMS),
    ("input_mode2", "merge.mode"): ("PULL", "Pull", TWO_STREAMS),
    ("merge_buffer_size", "merge.queueSize"): (50, 50, TWO_STREAMS),
    ("function", "script.file"): ("mine", "mine.py", CAM),
    ("function", "script.module"): ("psss", "camstream_worker.scripts.psss", CAM),
    ("file", "output.file.path"): ("/data/run.h5", "data/run.h5", CAM | {"mode": "FILE"}),
    ("layout", "output.file.layout"): ("BSH5", "Bsh5", FILE),
    ("localtime", "output.file.localTimestamps"): (False, False, FILE),
    ("change", "output.file.allowShapeChanges"): (True, True, FILE),
    ("output_pipeline", "output.pipeline.name"): ("ALL", "all", CAM),
    ("pid_buffer", "reorder"): (1, 2, {"pipeline_type": "fanin"}),
    ("modulo", "selection.downsampling"): (5, 5, CAM | {"pipeline_type": "store"}),
    ("prefix", "script.parameters"): ("A", {"prefix": "A"}, SCRIPT),
    ("roi_signal", "script.parameters"): ([1, 2], {"roi_signal": [1, 2]}, SCRIPT),
    ("roi_background", "script.parameters"): ([1, 2], {"roi_background": [1, 2]}, SCRIPT),
    ("pixel_bkg", "script.parameters"): (3, {"pixel_bkg": 3}, SCRIPT),
}


@pytest.mark.parametrize(
    ("function", "config", "parameters"),
    [
        ("psen", CAM, {"roi_signal": [0, 10, 0, 10], "roi_background": [0, 10, 20, 10]}),
        ("psss", CAM, {"pixel_bkg": 100, "a_key_of_mine": 1}),
        ("propagate_stream_with_prefix", STREAM, {"prefix": "A:"}),
    ],
)
def test_function_that_is_a_script_of_the_worker_is_carried_over_with_its_keys_and_comes_back(
    function: str, config: dict[str, Any], parameters: dict[str, Any]
) -> None:
    given = config | parameters | {"function": function}
    converted = pipeline_from_cam_server("demo", given)
    assert converted.losses == ()
    script = converted.spec.script
    assert script is not None
    assert importlib.util.find_spec(script.module or "") is not None
    assert (script.file, script.parameters) == (None, parameters)
    told = pipeline_config("demo", converted.spec, "CAM", {})
    assert told.items() >= (parameters | {"function": function}).items()
    # Of another type it is a script of the user's.
    other = STREAM if config is CAM else CAM
    found = pipeline_from_cam_server("demo", other | {"function": function}).spec.script
    assert found is not None
    assert found.file == f"{function}.py"


def test_every_type_of_pipeline_is_carried_over() -> None:
    configs: dict[str, dict[str, Any]] = {
        "processing": CAM,
        "stream": {"bsread_address": "tcp://host:1"},
        "store": CAM,
        "custom": {"function": "mine.py"},
        "script": {"function": "mine.py"},
        "fanout": CAM,
        "fanin": {"pid_buffer": 10},
    }
    found = {kind: pipeline_from_cam_server("demo", {"pipeline_type": kind} | config) for kind, config in configs.items()}
    assert all(converted.losses == () for converted in found.values())
    assert {converted.spec.type for converted in found.values()} == set(PipelineType)
    assert [kind for kind, converted in found.items() if converted.spec.output.mode is OutputMode.PUSH] == ["store", "fanout"]
    assert (found["store"].spec.output.block, found["fanout"].spec.output.block) == (False, True)


def test_unknown_keys_are_parameters_of_the_script() -> None:
    converted = pipeline_from_cam_server("demo", SCRIPT | {"my_parameter": 3, "level": {"low": 1}})
    assert converted.losses == ()
    assert converted.spec.script is not None
    assert converted.spec.script.parameters == {"my_parameter": 3, "level": {"low": 1}}


def test_sender_to_a_fan_in_pushes() -> None:
    converted = pipeline_from_cam_server("demo", CAM | {"output_pipeline": "ALL", "output_stream": "tcp://host:1"})
    assert converted.spec.output.mode is OutputMode.PUSH
    assert [loss.key for loss in converted.losses] == ["output_stream"]


def test_examples_below_cover_every_mapped_key() -> None:
    assert sorted(CAMERA_VALUES) == sorted(set(_mapped(CAMERA_KEYS)))
    assert sorted(PIPELINE_VALUES) == sorted(set(_mapped(PIPELINE_KEYS)))


def _at(spec: Spec, path: str) -> Any:
    here: Any = spec.to_full_dict()
    for step in path.split("."):
        here = here[step]
    return here


def _includes(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(_includes(found[key], value) for key, value in expected.items())
    return bool(found == expected)


@pytest.mark.parametrize(("key", "path"), CAMERA_VALUES, ids=" to ".join)
def test_value_of_a_camera_arrives(key: str, path: str) -> None:
    written, expected, beside = CAMERA_VALUES[key, path]
    converted = camera_from_cam_server("demo", {**beside, key: written})
    assert _includes(_at(converted.spec, path), expected)
    assert not converted.losses


@pytest.mark.parametrize(("key", "path"), PIPELINE_VALUES, ids=" to ".join)
def test_value_of_a_pipeline_arrives(key: str, path: str) -> None:
    written, expected, beside = PIPELINE_VALUES[key, path]
    converted = pipeline_from_cam_server("demo", {**beside, key: written})
    assert _includes(_at(converted.spec, path), expected)
    # What is read instead of the camera is told.
    assert {loss.key for loss in converted.losses} <= {"camera_name", "input_stream"} - {key}


def test_camera_of_the_manual_is_carried_over_whole() -> None:
    config = {
        "name": "example_4",
        "source": "EPICS_example_4",
        "source_type": "epics",
        "mirror_x": True,
        "mirror_y": False,
        "rotate": 4,
        "camera_calibration": {
            "reference_marker": [0, 0, 100, 100],
            "reference_marker_width": 100.0,
            "reference_marker_height": 100.0,
            "angle_horizontal": 0.0,
            "angle_vertical": 0.0,
        },
    }
    converted = camera_from_cam_server("example_4", config)
    assert converted.name == "example-4"
    assert converted.losses == ()
    assert converted.spec.to_dict() == {
        "externalName": "example_4",
        "source": {"epics": {"prefix": "EPICS_example_4"}},
        "geometry": {"mirror": {"leftRight": True}},
        "calibration": {},
    }


def test_pipeline_of_the_manual_is_carried_over_whole() -> None:
    config = {
        "camera_name": "simulation",
        "image_background": None,
        "image_background_enable": False,
        "image_threshold": 0.5,
        "image_region_of_interest": [0, 100, 0, 100],
        "image_good_region": {"threshold": 0.9, "gfscale": 3},
        "image_slices": {"number_of_slices": 1, "scale": 1.0, "orientation": "vertical"},
    }
    converted = pipeline_from_cam_server("simulation", config)
    assert converted.losses == ()
    assert converted.spec.to_dict() == {
        "input": {"camera": {"name": "simulation"}},
        "processing": {
            "threshold": 0.5,
            "regionOfInterest": {"offsetX": 0, "sizeX": 100, "offsetY": 0, "sizeY": 100},
            "goodRegion": {"threshold": 0.9, "scale": 3.0},
            "slices": {"scale": 1.0},
        },
    }


def test_null_and_empty_text_are_not_set() -> None:
    config = {"camera_name": "cam", "image_threshold": None, "input_stream": "", "rotation": None, "max_frame_rate": ""}
    assert pipeline_from_cam_server("demo", config) == pipeline_from_cam_server("demo", {"camera_name": "cam"})


def test_defaults_of_cam_server_are_no_losses() -> None:
    harmless = {"debug": False, "copy": "False", "multiprocessing": False, "thread_buffer_size": 20, "pid_buffer": 0, "reload": False}
    assert pipeline_from_cam_server("demo", {**CAM, **harmless}).losses == ()


@pytest.mark.parametrize(
    ("key", "value", "fate", "words"),
    [
        ("multiprocessing", True, Fate.POINTLESS, "threads compute without blocking each other"),
        ("image_background", "dark", Fate.POINTLESS, "image_background_enable is off"),
        ("image_slices", {"number_of_slices": 3}, Fate.POINTLESS, "image_good_region, which is not set"),
        ("bsread_channels", ["A"], Fate.POINTLESS, "no dispatching layer is asked"),
        ("file", "/tmp/a.h5", Fate.POINTLESS, "only mode FILE has it"),
        ("pid_buffer", 5, Fate.POINTLESS, "only a FanIn puts messages in order"),
        ("modulo", 5, Fate.POINTLESS, "only a store has it"),
        ("input_stream2", "tcp://host:1", Fate.POINTLESS, "only streams have it"),
        ("libs", ["a.py"], Fate.POINTLESS, "script.libraries names the folders"),
        ("no_client_timeout", "long", Fate.WRONG, "expected a number, found 'long'"),
        ("pixel_bkg", 3, Fate.POINTLESS, "only psen, psss, propagate_stream_with_prefix and scripts read it"),
        ("my_parameter", 3, Fate.UNKNOWN, "no key of cam_server, and no script that could read it"),
        ("image_threshold", "high", Fate.WRONG, "expected a number, found 'high'"),
        ("image_threshold", True, Fate.WRONG, "expected a number, found True"),
        ("pause", "maybe", Fate.WRONG, "expected true or false, found 'maybe'"),
        ("image_region_of_interest", [1, 2, 3], Fate.WRONG, "expected four numbers, found [1, 2, 3]"),
        ("image_region_of_interest", [0, 0, 0, 0], Fate.WRONG, "processing.regionOfInterest: "),
        ("image_good_region", {"treshold": 0.3}, Fate.WRONG, "expected threshold, gfscale; found 'treshold'"),
        ("binning_x", 0, Fate.WRONG, "processing.binning.sizeX: "),
        ("input_mode", "PUB", Fate.WRONG, "expected one of sub, pull, found 'PUB'"),
        ("data_compression", "lz4", Fate.WRONG, "expected one of false, none, true, bitshuffle_lz4, found 'lz4'"),
        ("averaging", 2.5, Fate.WRONG, "expected a whole number, found 2.5"),
        ("rotation", {"angle": 3, "mode": "mirrored"}, Fate.WRONG, "found 'mirrored'"),
    ],
)
def test_what_is_not_carried_over_is_told_with_the_reason(key: str, value: Any, fate: Fate, words: str) -> None:
    converted = pipeline_from_cam_server("demo", {**CAM, key: value})
    (loss,) = converted.losses
    assert (loss.key, loss.fate) == (key, fate)
    assert words in str(loss)
    assert converted.spec == pipeline_from_cam_server("demo", CAM).spec


def test_threads_are_lost_where_the_order_of_frames_counts() -> None:
    converted = pipeline_from_cam_server("demo", {**CAM, "averaging": 3, "processing_threads": 4})
    assert converted.spec.threads == 1
    assert [loss.key for loss in converted.losses] == ["processing_threads"]
    assert pipeline_from_cam_server("demo", {**CAM, "averaging": 0, "image_averaging": 1, "processing_threads": 4}).spec.threads == 4


def test_endless_worker_needs_no_timeout_for_clients() -> None:
    for never in (0, -1, "0"):
        for converted in (
            pipeline_from_cam_server("demo", {**CAM, "no_client_timeout": never}),
            camera_from_cam_server("demo", {**SIMULATION, "no_client_timeout": never}),
        ):
            assert converted.losses == ()
            assert converted.spec.lifecycle.mode == "Always"


def test_pipeline_of_a_screen_panel_goes_on_with_a_broken_background() -> None:
    assert pipeline_from_cam_server("CAM_sp", CAM).spec.failure.notify_on_error
    assert not pipeline_from_cam_server("CAM_sp", {**CAM, "notify_on_error": False}).spec.failure.notify_on_error
    assert not pipeline_from_cam_server("CAM", CAM).spec.failure.notify_on_error


def test_latest_background_of_a_camera() -> None:
    assert camera_from_cam_server("demo", {**SIMULATION, "image_background": True}).spec.to_dict()["background"] == {}
    assert camera_from_cam_server("demo", {**SIMULATION, "image_background": False}).spec.background is None


def test_camera_of_a_bsread_stream_reads_the_url_and_its_own_channel() -> None:
    spec = camera_from_cam_server("CAM", {"source_type": "bsread", "source": "PREFIX", "url": "tcp://host:1"}).spec
    assert spec.source.to_full_dict()["bsread"] == {
        "address": "tcp://host:1",
        "channel": None,
        "mode": "Pull",
        "requireIncreasingPulseId": True,
        "requireIncreasingTimestamp": True,
        "requirePulseIdInTimestamp": True,
    }


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"source_type": "script", "source": "x"}, "source_type 'script' comes with the other camera sources"),
        ({"source_type": "webcam", "source": "x"}, "found 'webcam'"),
        ({}, "source.epics: Value error, set prefix, or all of image, width and height"),
        ({"source_type": "bsread", "source": "PREFIX"}, "source.bsread.address"),
        ({"source_type": "hdf5", "source": "no dataset"}, "source.hdf5"),
    ],
)
def test_camera_without_a_usable_source_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match="demo") as raised:
        camera_from_cam_server("demo", config)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"pipeline_type": "streem", "input_stream": "tcp://a:1"}, "pipeline_type = 'streem': expected one of processing, stream, store"),
        ({"pipeline_type": "stream", "camera_name": "CAM"}, "input_stream, bsread_address and input_pipeline are not set; set one of them"),
        ({"pipeline_type": "custom"}, "pipeline_type 'custom' needs a script; name it in function"),
        ({"camera_name": "CAM", "mode": "FILE"}, "mode is FILE, but file is not set; name the file"),
        ({}, "camera_name, input_stream and input_pipeline are not set; set one of them"),
        ({"input_stream": "host:1"}, "input.address"),
    ],
)
def test_pipeline_without_a_usable_input_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match="demo") as raised:
        pipeline_from_cam_server("demo", config)
    assert words in str(raised.value)


def test_name_with_a_slash_is_refused() -> None:
    with pytest.raises(SpecError, match="externalName"):
        camera_from_cam_server("a/b", SIMULATION)


@pytest.mark.parametrize(
    ("external", "name"),
    [
        ("demo", "demo"),
        ("SARES20-CAMS142-M5_sp1", "sares20-cams142-m5-sp1"),
        ("_a__b_", "a-b"),
        ("A" * 40, "a" * 40),
        ("A" * 41, "a" * 31 + "-b7824416"),
        ("äöü", "bc329dbf"),
    ],
)
def test_name_of_the_object_is_one_that_kubernetes_allows(external: str, name: str) -> None:
    # The digests are the first digits of sha256sum.
    assert object_name(external) == name


def test_name_in_cam_server_is_kept_where_the_object_has_another() -> None:
    converted: Converted[CameraSpec] = camera_from_cam_server("CAM_1", SIMULATION)
    assert (converted.name, converted.spec.external_name) == ("cam-1", "CAM_1")
    assert camera_from_cam_server("cam-1", SIMULATION).spec.external_name is None


def test_processing_alone_is_strict() -> None:
    assert processing_from_cam_server({"image_threshold": 3, "camera_name": 5, "other": 1}).threshold == 3
    with pytest.raises(SpecError, match="image_threshold = 'high': expected a number"):
        processing_from_cam_server({"image_threshold": "high"})
    with pytest.raises(SpecError, match=r"regionOfInterest\.sizeX"):
        processing_from_cam_server({"image_region_of_interest": [10, 0, 10, 0]})
    with pytest.raises(SpecError, match="'psss' is none of default, transparent, merge"):
        processing_from_cam_server({"function": "psss"})


def test_switched_off_settings_are_not_set() -> None:
    off = {"averaging": 0, "image_averaging": 1, "fw_threshold": 0, "image_background_enable": "False", "rotation": {"angle": 0}}
    assert processing_from_cam_server(off) == processing_from_cam_server({})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (7.5, {"angle": 7.5}),
        ("7.5", {"angle": 7.5}),
        ({"angle": -20, "order": 1, "mode": "25"}, {"angle": -20, "fill": 25}),
        ({"angle": 3, "mode": "0.0"}, {"angle": 3}),
        ({"angle": 90, "mode": "ortho"}, {"angle": 90, "mode": "Orthogonal"}),
    ],
)
def test_rotation_has_many_forms(written: Any, expected: dict[str, Any]) -> None:
    rotation = processing_from_cam_server({"rotation": written}).rotation
    assert rotation is not None
    assert rotation.to_dict() == expected


@pytest.mark.parametrize(
    ("written", "mode"), [(True, "Subtract"), ("true", "Subtract"), ("signed", "SubtractSigned"), ("passive", "Passive")]
)
def test_background_without_an_id_is_the_latest(written: Any, mode: str) -> None:
    background = processing_from_cam_server({"image_background_enable": written}).background
    assert background is not None
    assert background.to_full_dict() == {"name": None, "mode": mode}


def test_geometry_alone_needs_no_source() -> None:
    geometry, calibration = camera_geometry_from_cam_server({"rotate": 5, "camera_calibration": {"reference_marker_width": 250.0}})
    assert geometry.rotate_quarter_turns == 1
    assert calibration is not None
    assert calibration.to_dict() == {"referenceMarkerWidth": 250}
    assert camera_geometry_from_cam_server({})[1] is None
    with pytest.raises(SpecError, match="roi = "):
        camera_geometry_from_cam_server({"roi": [1, 2]})
