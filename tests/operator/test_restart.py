"""The operator comes, goes and hands over, and the API server does, too: nothing that runs notices."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from api_proxy import Proxy, running_proxy
from api_server import CRDS, install_crds
from operators import (
    CHILDREN,
    SIMULATION,
    START_S,
    Cluster,
    Operator,
    assert_in_order,
    proxied_operator,
    reads,
    running_operator,
)
from pod_workers import report_of, running_pod, running_worker
from waiting import wait_for

from camstream.names import PAUSE
from camstream.spec.report import WorkerReport
from camstream_operator.cluster.canary import CANARY

NUMBERS = count(1)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/camstream-operator"


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


def create(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))


def wait_until_deployed(cluster: Cluster, namespace: str) -> None:
    cluster.wait_until_deployed("Camera", namespace, "gun", 90)
    cluster.wait_until_deployed("Pipeline", namespace, "fit", 60)


def versions(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Of everything but the canary, by uid."""
    found = [body["metadata"] for kind in ("Camera", "Pipeline", *CHILDREN) for body in cluster.list(kind, namespace)]
    return {metadata["uid"]: metadata["resourceVersion"] for metadata in found if metadata["name"] != CANARY}


# ------------------------------------------------------------------ what happened meanwhile


@pytest.mark.timeout(240)  # what goes before a watch has begun is left to the first audit
def test_only_the_last_state_counts_after_a_break(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    settings: dict[str, Any] = {"namespaces": [namespace]}
    with running_operator(tmp_path, cluster.server.kubeconfig, **settings):
        create(cluster, namespace)
        cluster.create("Camera", namespace, "spare", SIMULATION)
        wait_until_deployed(cluster, namespace)
        cluster.wait_until_deployed("Camera", namespace, "spare")
    for port in range(7001, 7006):
        cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": port}}})
    cluster.delete("Camera", namespace, "gun")
    uid = cluster.create("Camera", namespace, "gun", SIMULATION | {"output": {"port": 7010}})["metadata"]["uid"]
    # Nothing holds up a deletion: it is gone at once, although no operator runs.
    cluster.delete("Camera", namespace, "spare")
    assert cluster.find("Camera", namespace, "spare") is None
    with running_operator(tmp_path, cluster.server.kubeconfig, **settings):
        # The children of the old one are there until they are collected.
        cluster.wait_for_reason("Camera", namespace, "gun", "Deployed", "OldOneGoes")
        spare = cluster.get("Deployment", namespace, "cam-spare")
        cluster.collect_garbage(namespace)
        wait_until_deployed(cluster, namespace)
        assert spare["metadata"]["generation"] == 1
        for kind in CHILDREN:
            assert cluster.find(kind, namespace, "cam-spare") is None
            assert cluster.get(kind, namespace, "cam-gun")["metadata"]["ownerReferences"][0]["uid"] == uid
        assert cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7010
    assert_in_order(cluster, namespace)


def test_new_objects_do_not_wait_for_the_others_but_know_what_they_need_and_who_had_a_name_first(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION | {"externalName": "GUN=1,A"})
    cluster.create("Pipeline", namespace, "fit", reads("gun"))
    with running_operator(tmp_path, cluster.server.kubeconfig, namespaces=[namespace]):
        cluster.wait_until_deployed("Camera", namespace, "gun")
        cluster.wait_until_deployed("Pipeline", namespace, "fit")
    _wait_for_next_second()
    cluster.create("Camera", namespace, "new", SIMULATION)
    cluster.create("Camera", namespace, "second", SIMULATION | {"externalName": "GUN=1,A"})
    cluster.create("Pipeline", namespace, "results", {"input": {"pipeline": {"name": "fit"}}})
    cluster.create("Pipeline", namespace, "blind", reads("nothing"))
    with running_proxy(cluster.server) as proxy:
        # All of a kind are not told before this is lifted.
        held = [True]
        proxy.hold = lambda asked: held[0] and asked.path.endswith(("/cameras", "/pipelines")) and not (asked.selects or asked.watch)
        operator = Operator(tmp_path, proxy.kubeconfig(tmp_path / "kubeconfig"), namespaces=[namespace])
        try:
            operator.start()
            for name in ("cam-new", "cpl-results"):
                wait_for("its worker", lambda name=name: cluster.find("Deployment", namespace, name), START_S)
            told = cluster.wait_for_reason("Camera", namespace, "second", "Accepted", "NameConflict")
            assert "gun" in told["message"]
            cluster.wait_for_reason("Pipeline", namespace, "blind", "Accepted", "CameraNotFound")
            for name in ("cam-second", "cpl-blind"):
                assert cluster.find("Deployment", namespace, name) is None
            held[0] = False
            operator.wait_until_ready()
            assert operator.stop() == 0
            operator.assert_no_errors()
        finally:
            operator.end()
    cluster.wait_until_deployed("Camera", namespace, "new")


def _wait_for_next_second() -> None:
    """So that what comes now is younger: times of Kubernetes are whole seconds."""
    start = int(time.time())
    wait_for("the next second", lambda: int(time.time()) > start)


def test_pause_outlives_the_operator_and_its_end_is_seen_after_a_break(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    settings: dict[str, Any] = {"namespaces": [namespace]}
    with running_operator(tmp_path, cluster.server.kubeconfig, **settings):
        create(cluster, namespace)
        wait_until_deployed(cluster, namespace)
        cluster.edit("Camera", namespace, "gun", {"metadata": {"annotations": {PAUSE: "true"}}})
        cluster.wait_for_reason("Camera", namespace, "gun", "ReconciliationPaused", "AnnotationSet")
    cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}})
    with running_operator(tmp_path, cluster.server.kubeconfig, **settings):
        cluster.wait_for_reason("Camera", namespace, "gun", "ReconciliationPaused", "AnnotationSet")
        assert cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 9999
    cluster.edit("Camera", namespace, "gun", {"metadata": {"annotations": None}})
    with running_operator(tmp_path, cluster.server.kubeconfig, **settings):
        wait_for("edit is applied", lambda: cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7000)
        wait_for("condition is gone", lambda: not cluster.condition("Camera", namespace, "gun", "ReconciliationPaused"))
        wait_until_deployed(cluster, namespace)
    assert_in_order(cluster, namespace)


def test_restart_writes_nothing_where_all_is_well(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    """Also of a stream that runs: the status does not go back to Starting until its worker has answered."""
    address = "127.0.77.1"
    settings: dict[str, Any] = {"namespaces": [namespace]}
    create(cluster, namespace)
    report: dict[str, WorkerReport] = {}
    with running_operator(tmp_path, cluster.server.kubeconfig, **settings) as operator, ExitStack() as stack:
        wait_until_deployed(cluster, namespace)
        report["now"] = report_of(cluster.get("Camera", namespace, "gun"))
        stack.enter_context(running_worker(address, report))
        cluster.make_pod(
            namespace,
            "cam-gun",
            "cam-gun-1",
            running_pod(address),
        )
        cluster.wait_for_reason("Camera", namespace, "gun", "Ready", "FramesFlow")
        assert cluster.get("Camera", namespace, "gun")["status"]["clients"] == 2
        before = versions(cluster, namespace)
        operator.stop()
        operator.start()
        operator.wait_until_ready()
        # What follows from a change is written, and so would have been what was due before it.
        report["now"] = report["now"].model_copy(update={"clients": 3})
        wait_for("news of the worker", lambda: cluster.get("Camera", namespace, "gun")["status"]["clients"] == 3)
        wait_for("it is counted", lambda: operator.metric("status_writes_total") > 0)
        assert operator.metric("status_writes_total") == 1
        assert operator.metric("children_applied_total") == 0
        changed = {uid for uid, version in versions(cluster, namespace).items() if before.get(uid) != version}
        assert changed == {cluster.get("Camera", namespace, "gun")["metadata"]["uid"]}


def test_nothing_is_written_while_nothing_happens(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    create(cluster, namespace)
    with proxied_operator(cluster.server, tmp_path, namespaces=[namespace]) as (operator, proxy):
        wait_until_deployed(cluster, namespace)
        wait_for("Events are written", lambda: operator.metric("queue_depth") == 0)
        settled = len(proxy.writes())
        for _ in range(3):
            _wait_for_renewal(cluster)
        assert proxy.writes()[settled:] == []
        assert operator.stop() == 0
        restarted = len(proxy.writes())
        operator.start()
        operator.wait_until_ready()
        for _ in range(3):
            _wait_for_renewal(cluster)
        assert proxy.writes()[restarted:] == []


def _wait_for_renewal(cluster: Cluster) -> None:
    before = _lease(cluster)["renewTime"]
    wait_for("lease is renewed", lambda: _lease(cluster)["renewTime"] != before)


def _lease(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.server.request("GET", LEASE).body["spec"]
    return found


# ------------------------------------------------------------------ two of them


@contextmanager
def two_operators(cluster: Cluster, folder: Path, namespace: str) -> Iterator[tuple[Operator, Operator, Proxy, Proxy]]:
    """The first one leads."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(running_proxy(cluster.server)) for _ in range(2)]
        operators = []
        for number, proxy in enumerate(proxies):
            kubeconfig = proxy.kubeconfig(folder / f"kubeconfig-{number}")
            operators.append(Operator(folder, kubeconfig, f"replica-{number}", namespaces=[namespace]))
        first, second = operators
        try:
            first.start()
            first.wait_until_ready()
            second.start()
            wait_for("second is there", lambda: second.get("/readyz") == (200, "ok\n"), START_S)
            wait_for("second has looked", lambda: any("/leases" in asked.path for asked in proxies[1].asked))
            yield first, second, proxies[0], proxies[1]
        finally:
            for operator in operators:
                operator.end()


def test_standby_only_looks_at_the_lease_and_takes_over_when_asked(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    with two_operators(cluster, tmp_path, namespace) as (first, second, _, other):
        create(cluster, namespace)
        wait_until_deployed(cluster, namespace)
        assert (first.leads(), second.leads()) == (True, False)
        assert {(asked.method, "/leases" in asked.path) for asked in other.asked} == {("GET", True)}
        transitions = _lease(cluster)["leaseTransitions"]
        assert first.stop() == 0
        # Given back, and not run out: others may take it at once.
        wait_for("second leads", second.leads, 20)
        assert _lease(cluster)["leaseTransitions"] == transitions + 1
        cluster.delete("Service", namespace, "cam-gun")
        wait_for("second works", lambda: cluster.find("Service", namespace, "cam-gun"))
        assert "camstream_operator" in second.get("/metrics")[1]
        assert second.stop() == 0
        for operator in (first, second):
            operator.assert_no_errors()
    assert_in_order(cluster, namespace)


def test_standby_takes_over_from_a_leader_that_stood_still_and_that_one_writes_nothing_any_more(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    with two_operators(cluster, tmp_path, namespace) as (first, second, own, _):
        create(cluster, namespace)
        wait_until_deployed(cluster, namespace)
        first.signal(signal.SIGSTOP)
        # Work for both: the first one finds it when it wakes up.
        cluster.delete("Service", namespace, "cam-gun")
        cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}})
        wait_for("second leads", second.leads, START_S)
        wait_until_deployed(cluster, namespace)
        asked = len(own.asked)
        first.signal(signal.SIGCONT)
        assert first.wait_until_ended() == 1
        assert [one for one in own.asked[asked:] if one.method != "GET"] == []
        assert "does not lead any more" in first.log
        assert _lease(cluster)["holderIdentity"] == "replica-1"
        # SIGKILL gives nothing back: it is taken over when it has run out.
        first.start()
        wait_for("first is there again", lambda: first.get("/readyz") == (200, "ok\n"), START_S)
        second.kill()
        wait_for("first leads again", first.leads, START_S)
        cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7001}}})
        wait_until_deployed(cluster, namespace)
        assert cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7001
        assert first.stop() == 0
        second.assert_no_errors()
    assert_in_order(cluster, namespace)


# ------------------------------------------------------------------ without an API server, and without kinds


def test_operator_outlives_a_break_of_the_api_server(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    operator = Operator(tmp_path, cluster.server.kubeconfig, namespaces=[namespace])
    try:
        operator.start()
        operator.wait_until_ready()
        create(cluster, namespace)
        wait_until_deployed(cluster, namespace)
        cluster.server.process.stop()
        # It cannot keep its lease, and says so.
        assert operator.wait_until_ended(60) == 1
        assert "could not be renewed" in operator.log
        # Whoever runs it starts it again, which is no use yet.
        operator.start()
        wait_for("it waits for the API server", lambda: operator.log.count("tried again") >= 2, START_S)
        assert operator.runs()
        cluster.server.start()
        wait_for("our kinds are served", lambda: "items" in cluster.server.request("GET", "/apis/camstream.dev/v1alpha1/cameras").body)
        cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}})
        operator.wait_until_ready()
        wait_until_deployed(cluster, namespace)
        assert cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7000
        assert operator.stop() == 0
    finally:
        operator.end()
    assert_in_order(cluster, namespace)


def test_short_break_of_the_api_server_is_no_reason_to_end(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    with proxied_operator(cluster.server, tmp_path, namespaces=[namespace]) as (_, proxy):
        create(cluster, namespace)
        wait_until_deployed(cluster, namespace)
        proxy.cut()
        wait_for("operator notices", lambda: len(proxy.refused) >= 3)
        cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}})
        proxy.mend()
        wait_until_deployed(cluster, namespace)
        cluster.delete("Service", namespace, "cam-gun")
        wait_for("watches are back", lambda: cluster.find("Service", namespace, "cam-gun"), 60)
    assert_in_order(cluster, namespace)


def test_operator_waits_for_missing_kinds_and_says_so(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    crds = cluster.server.request("GET", CRDS).body["items"]
    for crd in crds:
        cluster.server.request("DELETE", f"{CRDS}/{crd['metadata']['name']}")
    wait_for("CRDs are gone", lambda: not cluster.server.request("GET", CRDS).body["items"])
    operator = Operator(tmp_path, cluster.server.kubeconfig, namespaces=[namespace])
    try:
        operator.start()
        words = "the CustomResourceDefinitions of camstream are not installed; install them with the chart"
        wait_for("it says what is missing", lambda: operator.get("/readyz") == (503, f"cluster: {words}\n"), START_S)
        assert operator.get("/healthz") == (200, "ok\n")
        install_crds(cluster.server)
        operator.wait_until_ready()
        create(cluster, namespace)
        wait_until_deployed(cluster, namespace)
        assert operator.stop() == 0
        operator.assert_no_errors()
        assert operator.log.count(words) <= 2
    finally:
        operator.end()
    assert_in_order(cluster, namespace)


def test_wrong_settings_are_said_and_end_the_process(cluster: Cluster, tmp_path: Path) -> None:
    operator = Operator(tmp_path, cluster.server.kubeconfig, workerClasses=[{"name": "gpu"}])
    operator.start()
    assert operator.wait_until_ended() == 2
    assert "none is named 'default'" in operator.log
