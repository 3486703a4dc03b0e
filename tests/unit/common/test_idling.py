"""Which workers shall run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from objects import make_camera, make_pipeline

from camstream.idling import NOBODY, STARTING_S, Activity, asked_at, awake, stamp
from camstream.names import WAKE
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.report import ConfigReport, InputReport, WorkerReport
from camstream.spec.status import Phase, StreamStatus

NOW = datetime(2026, 8, 21, 12, 0, 0, tzinfo=UTC)
ON_DEMAND = {"mode": "OnDemand", "idleTimeoutSeconds": 10}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def report(idle_s: float | None) -> WorkerReport:
    return WorkerReport(
        kind="Camera",
        name="cam",
        external_name="cam",
        pid=1,
        started_at=0,
        phase=Phase.RUNNING,
        config=ConfigReport(applied_hash="0", applied_at=0),
        stream=StreamStatus(),
        input=InputReport(address="x"),
        idle_seconds=idle_s,
    )


def woken(thing: Any, value: str) -> Any:
    metadata = thing.metadata.model_copy(update={"annotations": {WAKE: value}})
    return thing.model_copy(update={"metadata": metadata})


def runs(thing: Camera | Pipeline, activity: Activity | None = None) -> bool:
    key = Key.of(thing)
    return key in awake({key: thing}, {key: activity} if activity else {}, NOW)


def test_always_runs_and_stopped_does_not() -> None:
    assert runs(make_camera())
    assert not runs(make_camera(lifecycle={"mode": "Stopped"}))


def test_on_demand_waits_until_it_is_asked_for() -> None:
    camera = make_camera(lifecycle=ON_DEMAND)
    assert not runs(camera)
    assert runs(woken(camera, stamp(ago(9))))
    assert not runs(woken(camera, stamp(ago(STARTING_S + 1))))


def test_who_asked_waits_for_a_worker_that_cannot_start_at_once_but_not_for_one_that_has_slept_since() -> None:
    camera = woken(make_camera(lifecycle=ON_DEMAND), stamp(ago(11)))
    assert runs(camera)
    assert runs(camera, Activity(slept_at=ago(12)))
    assert not runs(camera, Activity(slept_at=ago(1)))


@pytest.mark.parametrize(("idle_s", "expected"), [(None, True), (9.9, True), (10.0, False)])
def test_a_running_worker_goes_on_while_it_is_read_and_some_time_after(idle_s: float | None, expected: bool) -> None:
    camera = woken(make_camera(lifecycle=ON_DEMAND), stamp(ago(1000)))
    assert runs(camera, Activity(report(idle_s), NOW)) is expected


def test_time_counts_from_when_a_worker_first_answered() -> None:
    # It opened its stream a while before it could tell.
    camera = woken(make_camera(lifecycle=ON_DEMAND), stamp(ago(1000)))
    assert runs(camera, Activity(report(12.0), NOW, answered_at=ago(9.9)))
    assert not runs(camera, Activity(report(12.0), NOW, answered_at=ago(10)))
    assert not runs(camera, Activity(report(10.0), NOW, answered_at=ago(500)))


@pytest.mark.parametrize(("known_s", "expected"), [(0.0, True), (2.9, True), (3.0, False)])
def test_first_reader_is_given_a_least_time_to_come_however_short_the_time_out(known_s: float, expected: bool) -> None:
    camera = woken(make_camera(lifecycle=ON_DEMAND | {"idleTimeoutSeconds": 1}), stamp(ago(1000)))
    key = Key.of(camera)
    activities = {key: Activity(report(12.0), NOW, answered_at=ago(known_s))}
    assert (key in awake({key: camera}, activities, NOW, first_reader_s=3.0)) is expected
    # A longer time-out counts from the same moment, and is not made longer.
    longer = woken(make_camera(lifecycle=ON_DEMAND), stamp(ago(1000)))
    for seconds, goes_on in ((9.9, True), (10.0, False)):
        activities = {key: Activity(report(12.0), NOW, answered_at=ago(seconds))}
        assert (key in awake({key: longer}, activities, NOW, first_reader_s=3.0)) is goes_on


def test_a_worker_that_tells_nothing_is_given_time_to_start_but_not_for_ever() -> None:
    camera = woken(make_camera(lifecycle=ON_DEMAND), stamp(ago(1000)))
    assert runs(camera, Activity(None, ago(STARTING_S - 1)))
    assert not runs(camera, Activity(None, ago(STARTING_S + 1)))


def test_nobody_means_now_even_while_it_is_read() -> None:
    camera = woken(make_camera(lifecycle=ON_DEMAND), NOBODY)
    assert not runs(camera, Activity(report(None), NOW))


def test_what_a_running_pipeline_reads_runs_too_but_not_against_a_stop() -> None:
    camera = make_camera("cam", lifecycle=ON_DEMAND)
    first = make_pipeline("first", input={"camera": {"name": "cam"}}, lifecycle=ON_DEMAND)
    second = make_pipeline("second", input={"pipeline": {"name": "first"}}, lifecycle={"mode": "Always"})
    things = {Key.of(thing): thing for thing in (camera, first, second)}
    assert awake(things, {}, NOW) == set(things)
    stopped = make_camera("cam", lifecycle={"mode": "Stopped"})
    assert awake(things | {Key.of(stopped): stopped}, {}, NOW) == {Key.of(first), Key.of(second)}


def test_creation_asks_for_what_is_deleted_when_idle_only() -> None:
    def created(**lifecycle: Any) -> Camera:
        camera = make_camera(lifecycle=ON_DEMAND | lifecycle)
        data = camera.model_dump(by_alias=True)
        data["metadata"]["creationTimestamp"] = "2026-08-21T11:59:59Z"
        return Camera.model_validate(data)

    assert asked_at(created(deleteWhenIdle=True)) == ago(1)
    assert asked_at(created()) is None


@pytest.mark.parametrize("text", ["", "yesterday", "2026-08-21T12:00:00", "12"])
def test_an_annotation_that_is_no_time_with_zone_asks_for_nothing(text: str) -> None:
    assert not runs(woken(make_camera(lifecycle=ON_DEMAND), text))


def test_a_circle_of_pipelines_ends() -> None:
    first = make_pipeline("first", input={"pipeline": {"name": "second"}})
    second = make_pipeline("second", input={"pipeline": {"name": "first"}})
    things = {Key.of(thing): thing for thing in (first, second)}
    assert awake(things, {}, NOW) == set(things)


def test_what_is_merged_and_who_sends_to_a_gatherer_run_too() -> None:
    camera, second = make_camera("gun", lifecycle=ON_DEMAND), make_camera("second", lifecycle=ON_DEMAND)
    merging = make_pipeline("merging", merge={"camera": {"name": "second"}})
    sender = make_pipeline("sender", output={"mode": "Push", "pipeline": {"name": "gather"}}, lifecycle=ON_DEMAND)
    gather = Pipeline.model_validate({"metadata": {"name": "gather"}, "spec": {"type": "FanIn", "lifecycle": ON_DEMAND}})
    things = {Key.of(thing): thing for thing in (camera, second, merging, sender, gather)}
    assert awake(things, {}, NOW) == {Key.of(merging), Key.of(camera), Key.of(second)}
    things[Key.of(gather)] = woken(gather, stamp(NOW))
    assert awake(things, {}, NOW) == set(things)
