"""Every metric of the operator. Labels only take values from short lists; those that name an object go with it."""

import time
from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.samples import Sample

from camstream import __version__
from camstream.spec.key import Key
from camstream.spec.status import ConditionStatus, Phase
from camstream_operator.cluster.api import RESOURCES, ApiError

PREFIX: Final = "camstream_operator"
RECONCILED: Final = ("Camera", "Pipeline")
CHILDREN: Final = ("Deployment", "Service", "ConfigMap")
RESULTS: Final = ("success", "retry", "error")
CAUSES: Final = ("created", "changed", "drift")

RESOURCE_NAMES: Final = {*(resource.plural for resource in RESOURCES.values()), "events", "leases"}

INTERNAL, OTHER = "Internal", "Other"
REASONS: Final = (
    "Conflict",
    "Forbidden",
    "InternalError",
    "Invalid",
    "NotFound",
    "NotLeader",
    "ServiceUnavailable",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "Unreachable",
    INTERNAL,
    OTHER,
)
"""Why looking after an object can fail: reasons of the API server that are worth a series, and ours."""

DURATION_BUCKETS: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
TRUTH: Final[Mapping[str, int]] = {ConditionStatus.TRUE: 1, ConditionStatus.FALSE: 0, ConditionStatus.UNKNOWN: -1}
STATES: Final = 256
"""Different states that are remembered: many objects share a few."""

LAG_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class State(NamedTuple):
    """What Prometheus is told of the status of one object."""

    phase: str
    restarts: int
    conditions: tuple[tuple[str, int], ...]
    """Type, and whether it is true: 1, 0, or -1 where that is not known."""


States = Callable[[], Iterable[tuple[Key, State]]]
"""Every camera and pipeline, and its state."""


def state_of(status: Mapping[str, Any]) -> State:
    """The state that a status tells of; equal ones are the same object."""
    conditions = ((one["type"], TRUTH.get(one["status"], -1)) for one in status.get("conditions") or [])
    restarts = (status.get("worker") or {}).get("restarts", 0)
    return _one(State(status.get("phase", Phase.PENDING.value), restarts, tuple(conditions)))


@lru_cache(STATES)
def _one(state: State) -> State:
    return state


class QueueFigures(Protocol):
    """What a queue counts by itself."""

    adds: int
    retries: int

    @property
    def depth(self) -> int: ...

    @property
    def oldest_age_s(self) -> float: ...


class RecorderFigures(Protocol):
    """What a recorder counts by itself."""

    dropped: int


class CanaryFigures(Protocol):
    """What a canary measures by itself."""

    round_trip_s: float | None


class Metrics:
    """All metrics of one operator.

    :param registry: where they go; not the global one
    :param clock: monotonic time [s]
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry
        self._clock = clock
        self._last_events: dict[str, float] = {}
        self.reconciles = Counter(
            f"{PREFIX}_reconcile_total",
            "Times that an object was looked after; `retry`: expected failures such as a conflict, `error`: all others",
            ["kind", "result"],
            registry=registry,
        )
        self.reconcile_duration = Histogram(
            f"{PREFIX}_reconcile_duration_seconds",
            "Time to look after one object, requests included",
            ["kind"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.api_requests = Counter(
            f"{PREFIX}_api_requests_total",
            "Requests to the API server; code 0: no answer",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.api_duration = Histogram(
            f"{PREFIX}_api_request_seconds",
            "Time until the API server had answered",
            ["verb"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.reconcile_errors = Counter(
            f"{PREFIX}_reconcile_errors_total",
            "Times that looking after an object failed, by the reason of the API server; `Internal`: a fault of the operator",
            ["kind", "reason"],
            registry=registry,
        )
        self.wakes = Counter(
            f"{PREFIX}_wakes_total",
            "Idle streams that were started, as somebody asked for or reads them",
            ["kind"],
            registry=registry,
        )
        self.status_writes = Counter(
            f"{PREFIX}_status_writes_total", "Statuses written, each because it changed", ["kind"], registry=registry
        )
        self.children_applied = Counter(
            f"{PREFIX}_children_applied_total",
            "Deployments, Services and ConfigMaps written; `drift`: somebody else had changed them",
            ["kind", "cause"],
            registry=registry,
        )
        self.ghosts_removed = Counter(
            f"{PREFIX}_ghosts_removed_total", "Objects that were gone although no event had said so", ["kind"], registry=registry
        )
        self.leader = Gauge(f"{PREFIX}_leader", "1 while this replica leads", registry=registry)
        self.lease_transitions = Counter(
            f"{PREFIX}_lease_transitions_total", "Times that this replica began or ceased to lead", registry=registry
        )
        self.event_loop_lag = Histogram(
            f"{PREFIX}_event_loop_lag_seconds",
            "How much later than asked for the event loop woke up, sampled twice a second",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        Gauge(f"{PREFIX}_build_info", "Always 1", ["version"], registry=registry).labels(__version__).set(1)
        ProcessCollector(namespace=PREFIX, registry=registry)
        self._start_at_zero()
        registry.register(_EventAges(self._event_ages))

    def watch(self, queue: QueueFigures, recorder: RecorderFigures, canary: CanaryFigures) -> None:
        """Add the numbers that these count by themselves."""
        self.registry.register(_Figures(queue, recorder, canary))

    def watch_objects(self, states: States) -> None:
        """Add how every object is. Only the one that leads knows."""
        self.registry.register(_Objects(states))

    def request_seen(self, method: str, path: str, status: int, seconds: float) -> None:
        """The API server has answered; status 0: it has not."""
        self.api_duration.labels(method).observe(seconds)
        named = next((part for part in path.split("/") if part in RESOURCE_NAMES), "other")
        self.api_requests.labels(method, named, str(status)).inc()

    def failed(self, kind: str, error: ApiError | None) -> None:
        """Looking after an object has failed.

        :param error: of the API server; None: our own
        """
        reason = INTERNAL if error is None else error.reason if error.reason in REASONS else OTHER
        self.reconcile_errors.labels(kind, reason).inc()

    def status_written(self, kind: str, before: Phase, now: Phase) -> None:
        """An object has a new status."""
        self.status_writes.labels(kind).inc()
        if before is Phase.IDLE and now not in (Phase.IDLE, Phase.STOPPED):
            self.wakes.labels(kind).inc()

    def event_seen(self, kind: str) -> None:
        """The watch of ``kind`` has shown something."""
        self._last_events[kind] = self._clock()

    def _event_ages(self) -> dict[str, float]:
        now = self._clock()
        return {kind: now - at for kind, at in self._last_events.copy().items()}

    def _start_at_zero(self) -> None:
        """So that the first of each is seen as an increase, and not as a series that begins."""
        for kind in RECONCILED:
            for result in RESULTS:
                self.reconciles.labels(kind, result)
            for reason in REASONS:
                self.reconcile_errors.labels(kind, reason)
            self.status_writes.labels(kind)
            self.wakes.labels(kind)
        for kind in CHILDREN:
            for cause in CAUSES:
                self.children_applied.labels(kind, cause)
        for kind in (*RECONCILED, *CHILDREN):
            self.ghosts_removed.labels(kind)


class _EventAges:
    def __init__(self, ages: Callable[[], dict[str, float]]) -> None:
        self._ages = ages

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(f"{PREFIX}_watch_last_event_age_seconds", "Time since the watch showed anything", labels=["kind"])
        for kind, age_s in self._ages().items():
            family.add_metric([kind], age_s)
        yield family


class _Figures:
    def __init__(self, queue: QueueFigures, recorder: RecorderFigures, canary: CanaryFigures) -> None:
        self._queue, self._recorder, self._canary = queue, recorder, canary

    def collect(self) -> Iterator[Metric]:
        for name, text, count in (
            ("queue_adds", "Times that a key was put into the queue, also while it waited already", self._queue.adds),
            ("queue_retries", "Times that a key failed and was put off", self._queue.retries),
            ("events_dropped", "Events lost: too many waited, or the API server refused them", self._recorder.dropped),
        ):
            yield CounterMetricFamily(f"{PREFIX}_{name}", text, count)
        for name, text, number in (
            ("queue_depth", "Keys that wait for a worker of the queue", self._queue.depth),
            ("queue_oldest_age_seconds", "How long the key has been waiting that waits longest", self._queue.oldest_age_s),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, number)
        if self._canary.round_trip_s is not None:
            yield GaugeMetricFamily(
                f"{PREFIX}_canary_round_trip_seconds", "From a write until the watch showed it", self._canary.round_trip_s
            )


class _Objects:
    """The state of every object. These are the only series that have names of objects; they go with the object.

    Samples are made while they are written: a thousand objects have eight thousand.
    """

    def __init__(self, states: States) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        states = list(self._states())
        objects = GaugeMetricFamily(f"{PREFIX}_objects", "Cameras and pipelines, by their phase", labels=["kind", "phase"])
        count = Count(dict.fromkeys([(kind, phase.value) for kind in RECONCILED for phase in Phase], 0))
        count.update((key.kind, state.phase) for key, state in states)
        for (kind, phase), number in count.items():
            objects.add_metric([kind, phase], number)
        yield objects
        text = "Always 1; the phase that an object is in"
        yield _per_object("object_phase", "gauge", text, states, lambda s: [({"phase": s.phase}, 1)])
        text = "1: the condition is True, 0: False, -1: Unknown"
        yield _per_object(
            "object_condition", "gauge", text, states, lambda s: [({"condition": name}, truth) for name, truth in s.conditions]
        )
        text = "Times that the worker of an object was started again, by the same pod"
        yield _per_object("object_restarts", "counter", text, states, lambda s: [({}, s.restarts)])


Series = Callable[[State], list[tuple[dict[str, str], int]]]
"""What a state has of one metric: further labels, and a number for each."""


def _per_object(name: str, kind: str, text: str, states: list[tuple[Key, State]], series: Series) -> Metric:
    metric = Metric(f"{PREFIX}_{name}", text, kind)
    metric.samples = _Samples(metric.name + ("_total" if kind == "counter" else ""), states, series)  # type: ignore[assignment]
    return metric


class _Samples:
    """Samples from the states of objects, one after the other, as often as they are asked for."""

    def __init__(self, name: str, states: list[tuple[Key, State]], series: Series) -> None:
        self._name, self._states, self._series = name, states, series

    def __iter__(self) -> Iterator[Sample]:
        for key, state in self._states:
            names = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
            for labels, value in self._series(state):
                yield Sample(self._name, names | labels, value)
