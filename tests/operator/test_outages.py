"""The API server throttles, forgets, falls silent or loses our kinds, and the operator as a process comes to the same end."""

from itertools import count
from pathlib import Path

import pytest
from api_proxy import Asked, Refusal, running_proxy
from api_server import CRDS, install_crds
from operators import SIMULATION, START_S, Cluster, Operator, assert_in_order, proxied_operator
from waiting import wait_for

NUMBERS = count(1)


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


def set_port(cluster: Cluster, namespace: str, port: int) -> None:
    cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": port}}})


def wait_for_port(cluster: Cluster, namespace: str, port: int, timeout_s: float = START_S) -> None:
    def there() -> bool:
        found: int = cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"]
        return found == port

    wait_for(f"port {port}", there, timeout_s)


def of_leases(asked: list[Asked]) -> int:
    return sum("/leases" in one.path for one in asked)


def test_throttled_in_everything_for_a_while_it_keeps_its_lease_and_does_its_work_after(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    with proxied_operator(cluster.server, tmp_path, namespaces=[namespace]) as (operator, proxy):
        cluster.create("Camera", namespace, "gun", SIMULATION)
        cluster.wait_until_deployed("Camera", namespace, "gun")
        throttled: list[Asked] = []

        def busy(asked: Asked) -> Refusal:
            throttled.append(asked)
            return Refusal(429, retry_after_s=1)

        proxy.before = busy
        set_port(cluster, namespace, 7000)
        wait_for("a write and the lease are refused", lambda: of_leases(throttled) and any(asked.write for asked in throttled))
        proxy.before = lambda _: None
        wait_for_port(cluster, namespace, 7000)
        assert operator.leads()
        assert operator.metric("lease_transitions_total") == 1
        assert operator.metric("api_requests_total", resource="leases", code="429") > 0
    assert_in_order(cluster, namespace)


def test_throttled_for_too_long_it_ends_and_the_next_one_waits_until_the_api_server_is_well(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    with running_proxy(cluster.server) as proxy:
        operator = Operator(tmp_path, proxy.kubeconfig(tmp_path / "kubeconfig"), namespaces=[namespace])
        try:
            operator.start()
            operator.wait_until_ready()
            cluster.create("Camera", namespace, "gun", SIMULATION)
            cluster.wait_until_deployed("Camera", namespace, "gun")
            proxy.before = lambda _: Refusal(429, retry_after_s=1)
            set_port(cluster, namespace, 7000)
            assert operator.wait_until_ended(60) == 1
            assert "could not be renewed" in operator.log
            proxy.before = lambda _: Refusal(500)
            begin = len(proxy.asked)
            operator.start()
            wait_for("it asks again", lambda: of_leases(proxy.asked[begin:]) >= 3, START_S)
            assert operator.runs()
            assert [asked for asked in proxy.asked[begin:] if asked.method != "GET"] == []
            proxy.before = lambda _: None
            operator.wait_until_ready()
            wait_for_port(cluster, namespace, 7000)
            assert operator.stop() == 0
        finally:
            operator.end()
    assert_in_order(cluster, namespace)


def test_watch_that_cannot_go_on_from_where_it_was_begins_anew_and_shows_what_changed(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    with proxied_operator(cluster.server, tmp_path, namespaces=[namespace]) as (_, proxy):
        cluster.create("Camera", namespace, "gun", SIMULATION)
        cluster.wait_until_deployed("Camera", namespace, "gun")
        gone: list[Asked] = []

        def forget(asked: Asked) -> Refusal | None:
            if not asked.watch or not asked.path.endswith("/cameras") or gone:
                return None
            gone.append(asked)
            # Nobody sees it but the list that comes now.
            set_port(cluster, namespace, 7000)
            return Refusal(410)

        proxy.before = forget
        proxy.cut()
        wait_for("watches are cut", lambda: any(asked.watch for asked in proxy.refused))
        proxy.mend()
        wait_for_port(cluster, namespace, 7000)
        assert gone
        # And goes on to see.
        set_port(cluster, namespace, 7001)
        wait_for_port(cluster, namespace, 7001)
    assert_in_order(cluster, namespace)


@pytest.mark.timeout(240)  # the watch is given 70 s to say something
def test_watches_that_fall_silent_are_noticed_and_made_anew(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    with proxied_operator(cluster.server, tmp_path, namespaces=[namespace]) as (operator, proxy):
        cluster.create("Camera", namespace, "gun", SIMULATION)
        cluster.wait_until_deployed("Camera", namespace, "gun")
        watches = sum(asked.watch for asked in proxy.asked)
        proxy.swallow()
        set_port(cluster, namespace, 7000)
        # Nothing is closed; it is the operator that notices. The audit comes later.
        wait_for("a new watch", lambda: sum(asked.watch for asked in proxy.asked) > watches, 120)
        wait_for_port(cluster, namespace, 7000)
        assert operator.get("/healthz") == (200, "ok\n")
    assert_in_order(cluster, namespace)


@pytest.mark.timeout(240)  # kopf tries for a minute, and the process may begin anew
def test_kinds_that_are_removed_while_it_runs_are_waited_for_and_it_works_when_they_are_back(
    cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    operator = Operator(tmp_path, cluster.server.kubeconfig, namespaces=[namespace])
    lives = 1
    try:
        operator.start()
        operator.wait_until_ready()
        cluster.create("Camera", namespace, "gun", SIMULATION)
        cluster.wait_until_deployed("Camera", namespace, "gun")
        for crd in cluster.server.request("GET", CRDS).body["items"]:
            cluster.server.request("DELETE", f"{CRDS}/{crd['metadata']['name']}")

        def said() -> bool:
            nonlocal lives
            if not operator.runs():
                # As the kubelet does.
                assert operator.wait_until_ended() == 1
                operator.start()
                lives += 1
            return operator.get("/readyz")[0] == 503

        wait_for("it says that it is not ready", said, 150, 0.2)
        assert lives <= 2
        install_crds(cluster.server)
        operator.wait_until_ready()
        # With the definition all objects went, and with them their children.
        cluster.collect_garbage(namespace)
        cluster.create("Camera", namespace, "gun", SIMULATION | {"output": {"port": 7000}})
        wait_for("it is deployed", lambda: cluster.condition("Camera", namespace, "gun", "Deployed").get("reason") == "Applied", 60)
        assert operator.stop() == 0
    finally:
        operator.end()
    assert_in_order(cluster, namespace)
