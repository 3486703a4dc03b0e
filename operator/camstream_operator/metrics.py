"""Every metric of the operator. Labels only take values from short lists; those that name an object go with it."""

import time
from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from camstream import __version__
from camstream.spec.key import Key
from camstream.spec.status import ConditionStatus, Phase
from camstream_operator.cluster.api import RESOURCES

PREFIX: Final = "camstream_operator"
RECONCILED: Final = ("Camera", "Pipeline")
CHILDREN: Final = ("Deployment", "Service", "ConfigMap")
RESULTS: Final = ("success", "retry", "error")
CAUSES: Final = ("created", "changed", "drift")

RESOURCE_NAMES: Final = {*(resource.plural for resource in RESOURCES.values()), "events", "leases"}

DURATION_BUCKETS: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
TRUTH: Final[Mapping[str, int]] = {ConditionStatus.TRUE: 1, ConditionStatus.FALSE: 0, ConditionStatus.UNKNOWN: -1}

Statuses = Callable[[], Iterable[tuple[Key, Mapping[str, Any]]]]
"""Every camera and pipeline, and what its status says."""

LAG_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


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

    def watch_objects(self, statuses: Statuses) -> None:
        """Add how every object is. Only the one that leads knows."""
        self.registry.register(_States(statuses))

    def request_seen(self, method: str, path: str, status: int) -> None:
        """The API server has answered; status 0: it has not."""
        named = next((part for part in path.split("/") if part in RESOURCE_NAMES), "other")
        self.api_requests.labels(method, named, str(status)).inc()

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
            self.status_writes.labels(kind)
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


class _States:
    """What the status of every object says. These are the only series that have names of objects; they go with the object."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        names = ["kind", "namespace", "name"]
        objects = GaugeMetricFamily(f"{PREFIX}_objects", "Cameras and pipelines, by their phase", labels=["kind", "phase"])
        phases = GaugeMetricFamily(f"{PREFIX}_object_phase", "Always 1; the phase that an object is in", labels=[*names, "phase"])
        conditions = GaugeMetricFamily(
            f"{PREFIX}_object_condition", "1: the condition is True, 0: False, -1: Unknown", labels=[*names, "condition"]
        )
        restarts = CounterMetricFamily(
            f"{PREFIX}_object_restarts", "Times that the worker of an object was started again, by the same pod", labels=names
        )
        count = Count(dict.fromkeys([(kind, phase.value) for kind in RECONCILED for phase in Phase], 0))
        for key, status in self._statuses():
            labels, phase = [key.kind, key.namespace, key.name], status.get("phase", Phase.PENDING.value)
            count[key.kind, phase] += 1
            phases.add_metric([*labels, phase], 1)
            restarts.add_metric(labels, (status.get("worker") or {}).get("restarts", 0))
            for condition in status.get("conditions") or []:
                conditions.add_metric([*labels, condition["type"]], TRUTH.get(condition["status"], -1))
        for (kind, phase), number in count.items():
            objects.add_metric([kind, phase], number)
        yield from (objects, phases, conditions, restarts)
