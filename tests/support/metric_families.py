"""Every metric that camstream has, as its processes describe them: the truth for the reference page, alerts and dashboards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from camstream.spec import WorkerConfig
from camstream.spec.key import Key
from camstream.spec.report import ConfigReport
from camstream.spec.worker import StoredBackground
from camstream_gateway.disk import Disk
from camstream_gateway.memory import Memory
from camstream_gateway.metrics import Metrics as GatewayMetrics
from camstream_operator.metrics import Metrics as OperatorMetrics
from camstream_operator.metrics import State, state_of
from camstream_operator.queue import WorkQueue
from camstream_worker.counters import Counters
from camstream_worker.runtime.job import Job
from camstream_worker.runtime.runner import Runner
from camstream_worker.service.metrics import Metrics as WorkerMetrics

TARGET_LABELS = {"namespace", "kind", "name", "pod", "instance", "job"}
"""What whoever scrapes knows about a worker, and adds to every metric of it."""

PROCESSES = ("worker", "operator", "gateway")


class Family(NamedTuple):
    """One metric."""

    name: str
    type: str
    labels: tuple[str, ...]
    """Of the metric itself."""
    meaning: str

    @property
    def series(self) -> set[str]:
        """Names of its series."""
        parts = ("_bucket", "_sum", "_count") if self.type == "histogram" else ("",)
        return {self.name + part for part in parts}


@dataclass
class Figures:
    """What a recorder and a canary tell of themselves."""

    dropped: int = 0
    round_trip_s: float | None = 0.1


def families(process: str, folder: Path) -> list[Family]:
    """
    :param process: one of :data:`PROCESSES`
    :param folder: any that there is
    """
    made: dict[str, Callable[[], CollectorRegistry]] = {
        "worker": worker_registry,
        "operator": operator_registry,
        "gateway": lambda: gateway_registry(folder),
    }
    return [_family(metric, made[process]()) for metric in made[process]().collect()]


def worker_registry(**changes: Any) -> CollectorRegistry:
    """Of a worker that has everything. Nothing runs.

    :param changes: of its job
    """
    config = WorkerConfig.model_validate(
        {
            "kind": "Camera",
            "name": "gun",
            "externalName": "GUN",
            "camera": {"source": {"simulation": {}}},
            "streamAddress": "tcp://127.0.0.1:1",
            "httpPort": 1,
            "background": StoredBackground(name="GUN_20261121_120000_000000", path="/x.npy", sha256="0" * 64).model_dump(),
        }
    )
    metrics = WorkerMetrics()
    report = ConfigReport(applied_hash="0", applied_at=0)
    job = Job(**{"config": config, "plan": SimpleNamespace(), **changes})
    metrics.watch(Runner(job, Counters(), metrics.observers), lambda: report)
    return metrics.registry


STATUS = {"phase": "Running", "worker": {"restarts": 2}, "conditions": [{"type": "Ready", "status": "True"}]}


def operator_registry(states: Iterable[tuple[Key, State]] = ((Key("Camera", "gun", "cam"), state_of(STATUS)),)) -> CollectorRegistry:
    metrics = OperatorMetrics(CollectorRegistry())
    metrics.watch(WorkQueue(), Figures(), Figures())
    metrics.watch_objects(lambda: states)
    metrics.event_seen("Camera")
    return metrics.registry


def gateway_registry(store: Path) -> CollectorRegistry:
    metrics, disk = GatewayMetrics(), Disk(store)
    disk.take()
    metrics.watch(lambda: 0, disk, Memory())
    return metrics.registry


def _family(metric: Metric, registry: CollectorRegistry) -> Family:
    name = metric.name + ("_total" if metric.type == "counter" else "")
    # A metric that has been given no labels yet has no series to read them from.
    collector = registry._names_to_collectors.get(metric.name)
    labels = {label: None for sample in metric.samples for label in sample.labels}
    labels |= dict.fromkeys(getattr(collector, "_labelnames", ()))
    return Family(name, metric.type, tuple(label for label in labels if label != "le"), metric.documentation)
