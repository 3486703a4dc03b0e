"""Our specs as cam_server's configurations: what a client is told, it may send back, and nothing changes."""

from typing import Any

import pytest
from edits import Edit, every_edit
from objects import make_camera, make_pipeline

from camstream.spec import Camera, Pipeline
from camstream.spec.legacy import camera_config, camera_from_cam_server, left_over, pipeline_config, pipeline_from_cam_server, updated
from camstream.spec.legacy.objects import Wanted, camera_object, config_of, pipeline_object
from camstream.spec.pipeline import PipelineType

WITHOUT_A_KEY = {
    # Of our own, beside everything that cam_server has.
    *(f"source.{name}" for name in ("timeoutSeconds", "maxFrameRate")),
    *(f"source.simulation.{name}" for name in ("seed", "noise", "deadPixels")),
    *(f"source.hdf5.{name}" for name in ("speed", "loop")),
    *(f"source.epics.{name}" for name in ("image", "width", "height", "init", "addressList", "autoAddressList", "nameServers")),
    *("source.bsread.mode", "source.bsread.address", "source.bsread.channel"),
    *("input.backlog", "input.queueSize", "input.queueMebibytes"),
    *("output.queueMebibytes", "output.mode", "output.service.type", "output.service.nodePort"),
    *(f"output.header.{name}" for name in ("policy", "allowTypeChanges", "allowShapeChanges")),
    *("output.block", "output.connect"),
    *(f"worker.{name}" for name in ("className", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")),
    "lifecycle.deleteWhenIdle",
    # Of pipelines of certain types, or together with others: tested below.
    *("type", "reorder", "replicas", "output.file.onExisting", "merge.mode", "merge.queueMebibytes"),
    *("merge.camera.name", "merge.pipeline.name"),
    *(f"script.{name}" for name in ("source", "file", "module", "function", "libraries", "parameters", "timeoutSeconds")),
    *("script.configMap.name", "script.configMap.key"),
    # Edited alone they say nothing: a simulation's own type, a rotation by 0, the mean of one image.
    *("pixelType", "processing.rotation.order", "processing.rotation.mode", "processing.rotation.fill", "processing.averaging"),
}
"""Fields of a camera or pipeline that a configuration of cam_server cannot say, or only together with others."""

ONLY_FOR_PIPELINES = {
    f"output.{name}" for name in ("mode", "connect", "block", "header.policy", "header.allowTypeChanges", "header.allowShapeChanges")
}

MODES = {"lifecycle.mode", "lifecycle.idleTimeoutSeconds"}


def is_said(edit: Edit) -> bool:
    if edit.path in MODES:
        return False  # tested below
    if edit.before.kind == "Pipeline" and edit.path in ONLY_FOR_PIPELINES:
        return True
    return edit.path not in WITHOUT_A_KEY


@pytest.mark.parametrize("edit", [edit for edit in every_edit() if is_said(edit)], ids=str)
def test_every_field_that_cam_server_can_say_comes_back_as_it_was(edit: Edit) -> None:
    thing = edit.after
    if isinstance(thing, Camera):
        config = camera_config(thing.external_name, thing.spec, {})
        again: Any = camera_from_cam_server(thing.external_name, config)
    else:
        config = config_of(thing, {})
        again = pipeline_from_cam_server(thing.external_name, config)
    dumped = thing.spec.to_full_dict() | {"externalName": None}
    assert (again.spec.to_full_dict() | {"externalName": None}) == dumped
    assert again.losses == ()


def is_known(edit: Edit) -> bool:
    """Whether cam_server has such a thing at all."""
    thing = edit.after
    # It knows no stream pipeline of a camera; a program that is no file has no name there.
    ours = isinstance(thing, Pipeline) and thing.spec.type in (PipelineType.CUSTOM, PipelineType.SCRIPT)
    return edit.path != "type" and (not ours or bool(thing.spec.script and thing.spec.script.file))


@pytest.mark.parametrize("edit", [edit for edit in every_edit() if is_known(edit)], ids=str)
def test_what_cam_server_cannot_say_stays_when_something_else_is_changed(edit: Edit) -> None:
    thing = edit.after
    config = updated(config_of(thing, {}), {"group": "changed"})
    if isinstance(thing, Camera):
        made: Any = camera_object(Wanted(thing.external_name), config, thing, [])
    else:
        made = pipeline_object(Wanted(thing.external_name), config, thing, [], [])
    assert made.thing.spec == thing.spec.model_copy(update={"groups": ["changed"]})


@pytest.mark.parametrize(
    "config",
    [
        {"camera_name": "gun", "pipeline_type": "store", "modulo": 5, "mode": "PUSH"},
        {"input_stream": "tcp://a:1", "pipeline_type": "stream", "input_stream2": "tcp://b:2", "bsread_channels2": ["A"]},
        {"input_stream": "tcp://a:1", "pipeline_type": "fanout"},
        {"pipeline_type": "fanin", "pid_buffer": 7},
        {"pipeline_type": "custom", "function": "mine.py", "my_key": [1, 2]},
        {"camera_name": "gun", "function": "mine.py", "threshold_of_mine": 3},
        {"camera_name": "gun", "mode": "FILE", "file": "run/a.h5", "layout": "FLAT", "localtime": False, "change": True},
        {"camera_name": "gun", "bsread_address": "tcp://b:2", "bsread_channels": ["A"], "bsread_data_buf": 50},
        {"camera_name": "gun", "mode": "PUSH", "output_pipeline": "gather"},
    ],
    ids=lambda config: ",".join(config),
)
def test_every_type_of_pipeline_comes_back(config: dict[str, Any]) -> None:
    converted = pipeline_from_cam_server("fit", config)
    assert converted.losses == ()
    told = pipeline_config("fit", converted.spec, config.get("camera_name"), {})
    assert told.items() >= config.items()
    assert pipeline_from_cam_server("fit", told).spec == converted.spec


@pytest.mark.parametrize("mode", ["Constant", "Reflect", "Nearest", "Mirror", "Wrap", "Orthogonal"])
def test_rotations_and_averages_come_back(mode: str) -> None:
    rotation = {"angle": 90, "order": 3, "mode": mode, **({"fill": 7.5} if mode == "Constant" else {})}
    spec = make_pipeline(processing={"rotation": rotation, "averaging": 4}).spec
    assert pipeline_from_cam_server("fit", pipeline_config("fit", spec, "gun", {})).spec.processing == spec.processing


def test_type_of_pixels_comes_back() -> None:
    spec = make_camera(source={"epics": {"prefix": "GUN"}}, pixelType="float32").spec
    assert camera_from_cam_server("gun", camera_config("gun", spec, {})).spec.pixel_type == "float32"


@pytest.mark.parametrize(("lifecycle", "timeout"), [({}, 0), ({"mode": "OnDemand", "idleTimeoutSeconds": 7}, 7)])
def test_lifecycle_is_the_time_without_clients(lifecycle: dict[str, Any], timeout: int) -> None:
    config = camera_config("gun", make_camera(lifecycle=lifecycle).spec, {})
    assert config["no_client_timeout"] == timeout
    assert camera_from_cam_server("gun", config).spec.lifecycle == make_camera(lifecycle=lifecycle).spec.lifecycle


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"source": "GUN", "source_type": "epics"}, "epics"),
        ({"source": "13SIM1", "source_type": "area_detector"}, "area_detector"),
        ({"source": "GUN", "source_type": "bsread", "url": "tcp://sender:9999"}, "bsread"),
        ({"source": "GUN", "source_type": "bsread_simulation"}, "bsread_simulation"),
        ({"source": "tcp://sender:1", "source_type": "bschannel", "channel": "A", "timeout": 3000, "frame_rate": 5.0}, "bschannel"),
        ({"source": "/a.h5:/images", "source_type": "hdf5", "frame_rate": 2.0}, "hdf5"),
        ({"source": "", "source_type": "simulation", "size_x": 30}, "simulation"),
    ],
)
def test_every_type_of_source_comes_back(config: dict[str, Any], kind: str) -> None:
    spec = camera_from_cam_server("cam", config).spec
    told = camera_config("cam", spec, {})
    assert told["source_type"] == kind
    assert camera_from_cam_server("cam", told).spec == spec
    assert (told | left_over(config, told)).items() >= {key: value for key, value in config.items() if value != ""}.items()


def test_what_a_spec_has_no_place_for_is_kept_and_told_again() -> None:
    config = {"camera_name": "gun", "my_key": [1, 2], "image_slices": {"number_of_slices": 3}, "image_threshold": "8"}
    spec = pipeline_from_cam_server("fit", config).spec
    told = pipeline_config("fit", spec, "gun", {})
    others = left_over(config, told)
    # Slices without a good region cannot be in a spec; the threshold is there, as a number.
    assert others == {"my_key": [1, 2], "image_slices": {"number_of_slices": 3}}
    again = pipeline_config("fit", spec, "gun", others)
    assert again["my_key"] == [1, 2]
    assert again["image_slices"] == {"number_of_slices": 3}
    assert again["image_threshold"] == 8


def test_what_is_kept_never_hides_what_the_spec_says() -> None:
    spec = make_pipeline(processing={"threshold": 5}).spec
    assert pipeline_config("fit", spec, "gun", {"image_threshold": 99})["image_threshold"] == 5


def test_update_replaces_keys_and_merges_two_of_them() -> None:
    before = {"image_threshold": 3, "image_good_region": {"threshold": 0.3, "gfscale": 1.8}, "rotation": {"angle": 5, "order": 3}}
    after = updated(before, {"image_threshold": None, "image_good_region": {"threshold": 0.5}, "rotation": {"angle": 7}})
    assert after == {"image_good_region": {"threshold": 0.5, "gfscale": 1.8}, "rotation": {"angle": 7}}
    assert before["image_threshold"] == 3
