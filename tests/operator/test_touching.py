"""A live edit reaches a pod that runs, also where its kubelet was too early for the new file."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from operators import SIMULATION, Cluster, proxied_operator
from pod_workers import report_of, running_pod, running_worker
from waiting import wait_for

from camstream.spec.report import WorkerReport
from camstream_operator.build.names import CONFIG

NUMBERS = count(1)
ADDRESS = "127.0.79.1"


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


@pytest.fixture
def report() -> Iterator[dict[str, WorkerReport]]:
    found: dict[str, WorkerReport] = {}
    with running_worker(ADDRESS, found):
        yield found


def touch(cluster: Cluster, namespace: str) -> str | None:
    found: str | None = cluster.get("Pod", namespace, "cam-gun-1")["metadata"]["annotations"].get(CONFIG)
    return found


@pytest.mark.timeout(300)  # a process that begins on a busy machine
def test_pod_is_touched_again_until_its_worker_has_the_edit(
    cluster: Cluster, tmp_path: Path, namespace: str, report: dict[str, WorkerReport]
) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    with proxied_operator(cluster.server, tmp_path, namespaces=[namespace]) as (_, proxy):
        cluster.wait_until_deployed("Camera", namespace, "gun", 60)
        report["now"] = report_of(cluster.get("Camera", namespace, "gun"))
        status = running_pod(ADDRESS)
        cluster.make_pod(namespace, "cam-gun", "cam-gun-1", status)
        cluster.wait_for_reason("Camera", namespace, "gun", "Ready", "FramesFlow", 60)
        assert touch(cluster, namespace) is None
        edited = cluster.edit("Camera", namespace, "gun", {"spec": {"groups": ["Laser"]}})
        digest = report_of(edited).config.applied_hash
        # The kubelet does not hear it the first two times.
        wait_for("it is touched a third time", lambda: touch(cluster, namespace) == f"{digest}.3", 60)
        writes = [asked for asked in proxy.writes() if asked.path.endswith("/pods/cam-gun-1")]
        assert len(writes) == 3
        report["now"] = report_of(edited)
        cluster.wait_for_reason("Camera", namespace, "gun", "ConfigApplied", "Applied", 60)
        assert touch(cluster, namespace) == f"{digest}.3"
