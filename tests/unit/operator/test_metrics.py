"""What Prometheus reads."""

import re
from dataclasses import dataclass

from clocks import Clock
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from camstream.spec.key import Key
from camstream.spec.status import Phase
from camstream_operator.cluster.api import ApiError
from camstream_operator.metrics import REASONS, Metrics, state_of
from camstream_operator.queue import WorkQueue

NAME = "camstream_operator_"


@dataclass
class Figures:
    dropped: int = 0
    round_trip_s: float | None = None


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(NAME + name, labels)


def test_every_metric_has_the_prefix_and_is_not_in_the_global_registry() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.watch(WorkQueue(), Figures(), Figures(round_trip_s=0.1))
    names = set(re.findall(r"^# TYPE (\w+)", generate_latest(metrics.registry).decode(), re.M))
    assert names >= {
        NAME + name
        for name in (
            "reconcile_total",
            "reconcile_duration_seconds",
            "queue_depth",
            "queue_oldest_age_seconds",
            "queue_retries_total",
            "api_requests_total",
            "status_writes_total",
            "children_applied_total",
            "ghosts_removed_total",
            "watch_last_event_age_seconds",
            "leader",
            "lease_transitions_total",
            "events_dropped_total",
            "canary_round_trip_seconds",
            "event_loop_lag_seconds",
            "build_info",
        )
    }
    assert {name for name in names if not name.startswith(NAME)} == set()
    assert NAME not in generate_latest(REGISTRY).decode()


def test_two_operators_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.reconciles.labels("Camera", "success").inc()
    assert value(one, "reconcile_total", kind="Camera", result="success") == 1
    assert value(other, "reconcile_total", kind="Camera", result="success") == 0


def test_numbers_of_the_others_are_read_when_they_are_asked_for() -> None:
    clock = Clock()
    metrics, queue, recorder, canary = Metrics(CollectorRegistry(), clock), WorkQueue[str](clock), Figures(), Figures()
    metrics.watch(queue, recorder, canary)
    assert (value(metrics, "queue_depth"), value(metrics, "canary_round_trip_seconds")) == (0, None)
    queue.add("a")
    queue.add("b")
    clock.now += 3
    recorder.dropped, canary.round_trip_s = 5, 0.25
    assert (value(metrics, "queue_depth"), value(metrics, "queue_oldest_age_seconds")) == (2, 3)
    assert (value(metrics, "queue_adds_total"), value(metrics, "queue_retries_total")) == (2, 0)
    assert (value(metrics, "events_dropped_total"), value(metrics, "canary_round_trip_seconds")) == (5, 0.25)
    assert queue.take() == "a"
    queue.failed("a")
    assert (value(metrics, "queue_depth"), value(metrics, "queue_retries_total")) == (1, 1)


def test_age_of_a_watch_grows_until_it_shows_something() -> None:
    clock = Clock()
    metrics = Metrics(CollectorRegistry(), clock)
    assert value(metrics, "watch_last_event_age_seconds", kind="Camera") is None
    metrics.event_seen("Camera")
    clock.now += 40
    assert value(metrics, "watch_last_event_age_seconds", kind="Camera") == 40
    metrics.event_seen("Camera")
    assert value(metrics, "watch_last_event_age_seconds", kind="Camera") == 0


def test_every_object_says_how_it_is_and_its_series_go_with_it() -> None:
    status = {
        "phase": "Failed",
        "worker": {"restarts": 3},
        "conditions": [
            {"type": "Accepted", "status": "True"},
            {"type": "Ready", "status": "False"},
            {"type": "Active", "status": "Unknown"},
        ],
    }
    states = {Key("Camera", "gun", "cam"): state_of(status), Key("Pipeline", "gun", "new"): state_of({})}
    metrics = Metrics(CollectorRegistry())
    metrics.watch_objects(states.items)
    camera = {"kind": "Camera", "namespace": "gun", "name": "cam"}
    conditions = {name: value(metrics, "object_condition", **camera, condition=name) for name in ("Accepted", "Ready", "Active")}
    assert conditions == {"Accepted": 1, "Ready": 0, "Active": -1}
    assert value(metrics, "object_phase", **camera, phase="Failed") == 1
    assert value(metrics, "object_restarts_total", **camera) == 3
    # Nobody has looked after this one yet.
    assert value(metrics, "object_phase", kind="Pipeline", namespace="gun", name="new", phase="Pending") == 1
    assert value(metrics, "objects", kind="Camera", phase="Failed") == 1
    assert value(metrics, "objects", kind="Camera", phase="Running") == 0
    del states[Key("Camera", "gun", "cam")]
    assert value(metrics, "object_phase", **camera, phase="Failed") is None
    assert value(metrics, "objects", kind="Camera", phase="Failed") == 0


def test_failures_are_counted_by_reasons_that_are_known_and_all_others_as_one() -> None:
    metrics = Metrics(CollectorRegistry())
    for error in (ApiError(409, "Conflict", ""), ApiError(418, "Teapot", ""), ApiError(418, "Kettle", ""), None):
        metrics.failed("Camera", error)
    found = {reason: value(metrics, "reconcile_errors_total", kind="Camera", reason=reason) for reason in REASONS}
    assert {reason: count for reason, count in found.items() if count} == {"Conflict": 1, "Other": 2, "Internal": 1}
    assert value(metrics, "reconcile_errors_total", kind="Camera", reason="Teapot") is None


def test_wake_is_counted_when_an_idle_stream_begins_and_not_when_it_is_stopped() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.status_written("Pipeline", Phase.STARTING, Phase.RUNNING)
    for now in (Phase.STARTING, Phase.STOPPED, Phase.IDLE):
        metrics.status_written("Pipeline", Phase.IDLE, now)
    assert value(metrics, "wakes_total", kind="Pipeline") == 1
    assert value(metrics, "status_writes_total", kind="Pipeline") == 4


def test_time_of_requests_is_told_by_their_method() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.request_seen("PATCH", "/api/v1/namespaces/gun/services/cam", 200, 0.3)
    assert value(metrics, "api_request_seconds_sum", verb="PATCH") == 0.3
    assert value(metrics, "api_requests_total", verb="PATCH", resource="services", code="200") == 1
