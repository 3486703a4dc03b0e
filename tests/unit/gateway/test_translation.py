"""Between cam_server's words and our objects."""

import json
from typing import Any

import pytest
from objects import make_camera, make_pipeline

from camstream.errors import SpecError
from camstream.names import INSTANCE_OF, OTHER_KEYS, READ_ONLY, WAKE
from camstream.spec.key import Key
from camstream.spec.legacy.back import NEVER_IDLE_S
from camstream.spec.legacy.objects import Wanted, config_of, is_instance
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.report import ConfigReport, FrameCounts, InputReport, WorkerReport
from camstream.spec.status import ImageStatus, Phase, StreamStatus
from camstream_gateway.cam_server.translation import (
    aliases,
    camera_object,
    groups,
    instance_info,
    is_permanent,
    is_read_only,
    pipeline_object,
    same_spec,
    statistics,
    woken,
)

SIMULATION = {"source": "", "source_type": "simulation"}
OF_GUN = {"camera_name": "SAT-CM-01"}
GUN = make_camera("gun", externalName="SAT-CM-01")


def pipeline(wanted: Wanted, config: dict[str, Any], old: Pipeline | None = None, others: tuple[Pipeline, ...] = ()) -> Pipeline:
    return pipeline_object(wanted, config, old, [GUN], others)


def things(*found: Camera | Pipeline) -> dict[Key, Camera | Pipeline]:
    return {Key.of(thing): thing for thing in found}


def test_saved_object_runs_on_demand_as_in_cam_server() -> None:
    camera = camera_object(Wanted("SAT-CM-02"), SIMULATION, None, [])
    assert (camera.name, camera.external_name) == ("sat-cm-02", "SAT-CM-02")
    assert (camera.spec.lifecycle.mode, camera.spec.lifecycle.idle_timeout_seconds) == ("OnDemand", 10)
    assert not is_permanent(camera)


def test_lifecycle_of_what_is_there_stays_unless_the_configuration_says_otherwise() -> None:
    old = make_camera("gun", lifecycle={"mode": "Always"})
    assert camera_object(Wanted("gun"), SIMULATION, old, [old]).spec.lifecycle == old.spec.lifecycle
    changed = camera_object(Wanted("gun"), SIMULATION | {"no_client_timeout": 5}, old, [old]).spec.lifecycle
    assert (changed.mode, changed.idle_timeout_seconds) == ("OnDemand", 5)


def test_two_external_names_never_become_one_object() -> None:
    first = camera_object(Wanted("A_b"), SIMULATION, None, [])
    second = camera_object(Wanted("A-b"), SIMULATION, None, [first])
    assert first.name == "a-b"
    assert second.name != first.name
    assert second.external_name == "A-b"


def test_camera_is_found_by_its_external_name_and_told_by_it() -> None:
    made = pipeline(Wanted("fit"), OF_GUN)
    assert made.spec.input is not None
    assert made.spec.input.camera is not None
    assert made.spec.input.camera.name == "gun"
    assert config_of(made, things(GUN, made))["camera_name"] == "SAT-CM-01"


def test_private_instance_is_deleted_when_idle_and_says_what_it_is_of() -> None:
    made = pipeline(Wanted("mine", private=True, instance_of="saved"), OF_GUN | {"no_client_timeout": 3})
    assert made.spec.lifecycle.delete_when_idle is True
    assert made.spec.lifecycle.idle_timeout_seconds == 3
    assert made.metadata.annotations[INSTANCE_OF] == "saved"
    assert is_instance(made)
    assert not is_read_only(made)


def test_private_instance_without_a_timeout_never_ends_by_itself() -> None:
    made = pipeline(Wanted("mine", private=True, instance_of=""), OF_GUN | {"no_client_timeout": 0})
    # It is not permanent, which would be a matter for all.
    assert not is_permanent(made)
    assert made.spec.lifecycle.idle_timeout_seconds == NEVER_IDLE_S
    assert config_of(made, things(GUN))["no_client_timeout"] == 0
    assert is_instance(made)


def test_who_may_change_what() -> None:
    saved = pipeline(Wanted("saved"), OF_GUN)
    permanent = make_pipeline("always")
    shared = pipeline(Wanted("x", private=True, instance_of="", read_only=True), OF_GUN)
    stopped = make_pipeline("stopped", lifecycle={"mode": "Stopped"})
    assert [is_read_only(thing) for thing in (saved, permanent, shared, stopped, GUN)] == [True, False, True, False, False]
    assert shared.metadata.annotations[READ_ONLY] == "true"
    for said, found in (("true", True), ("false", False), ("maybe", None)):
        for thing in (saved, permanent, GUN):
            marked = thing.model_copy(update={"metadata": thing.metadata.model_copy(update={"annotations": {READ_ONLY: said}})})
            assert is_read_only(marked) is (is_read_only(thing) if found is None else found)


def test_what_an_object_says_about_its_being_shared_stays_when_it_is_saved_anew() -> None:
    for said in ("true", "false"):
        old = pipeline(Wanted("fit"), OF_GUN)
        old = old.model_copy(update={"metadata": old.metadata.model_copy(update={"annotations": {READ_ONLY: said}})})
        assert pipeline(Wanted("fit"), OF_GUN, old=old).metadata.annotations[READ_ONLY] == said


def test_keys_without_a_place_are_annotated_and_told_again_and_others_are_not() -> None:
    made = pipeline(Wanted("fit"), OF_GUN | {"my_key": 1, "image_threshold": 3})
    assert json.loads(made.metadata.annotations[OTHER_KEYS]) == {"my_key": 1}
    assert config_of(made, things(GUN))["my_key"] == 1
    again = pipeline(Wanted("fit"), OF_GUN, made)
    assert OTHER_KEYS not in again.metadata.annotations


@pytest.mark.parametrize("text", ["", "[]", "{", "1"])
def test_annotation_that_somebody_spoilt_says_nothing(text: str) -> None:
    spoilt = woken(make_camera(), "no")
    metadata = spoilt.metadata.model_copy(update={"annotations": {OTHER_KEYS: text}})
    assert config_of(spoilt.model_copy(update={"metadata": metadata}), {}) == config_of(make_camera(), {})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (OF_GUN | {"mode": "FILE"}, "mode is FILE, but file is not set"),
        (OF_GUN | {"image_good_region": {"treshold": 1}}, "treshold"),
        (OF_GUN | {"port": 0}, "port"),
    ],
)
def test_what_would_not_be_done_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        pipeline(Wanted("fit"), config)


def test_same_stream_is_told_from_another_one_whatever_it_is_called() -> None:
    one, two = pipeline(Wanted("one"), OF_GUN), pipeline(Wanted("two", True, ""), OF_GUN | {"no_client_timeout": 99})
    other = pipeline(Wanted("one"), OF_GUN | {"image_threshold": 1})
    assert same_spec(one.spec, two.spec)
    assert not same_spec(one.spec, other.spec)


def test_waking_changes_nothing_but_one_annotation() -> None:
    made = pipeline(Wanted("fit"), OF_GUN | {"my_key": 1})
    again = woken(made, "no")
    assert again.metadata.annotations == made.metadata.annotations | {WAKE: "no"}
    assert again.spec == made.spec


def test_groups_and_aliases() -> None:
    cameras = [make_camera("a", groups=["X", "Y"], aliases=["b", "screen"]), make_camera("b", groups=["X"])]
    assert groups(reversed(cameras)) == {"X": ["a", "b"], "Y": ["a"]}
    assert aliases(cameras) == {"screen": "a"}


def test_statistics_have_the_forms_of_cam_server() -> None:
    report = WorkerReport(
        kind="Camera",
        name="cam",
        external_name="cam",
        pid=7,
        started_at=0,
        phase=Phase.RUNNING,
        config=ConfigReport(applied_hash="0", applied_at=0),
        stream=StreamStatus(),
        input=InputReport(address="x"),
        image=ImageStatus(width=4, height=3, pixel_type="uint16"),
        frames=FrameCounts(received=10, sent=9, dropped={"output/slow_client": 2}, failed=1),
        receive_rate=5.0,
        send_rate=4.5,
        clients=1,
    )
    told = statistics(report, 0.0)
    expected = {"rx": "5.00Hz - 10", "tx": "4.50Hz - 9", "clients": 1, "pid": "7", "frame_shape": "4x3x2"}
    assert told.items() >= (expected | {"total_bytes": 240, "throughput": 120.0, "dropped": 3}).items()
    assert statistics(None, 0.0) == {}
    info = instance_info(GUN, None, {}, 0.0)
    assert info["statistics"] == {}
    assert info["is_stream_active"] is False
