"""With the rights that the chart gives, and no more: they are enough for everything, and nothing of them is left over."""

import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_server import install_crds, running_api_server, token_of
from charts import NAMESPACE, Name, Objects, rendered
from gateway_processes import running_gateway
from native_api import NativeApi
from operators import CHILDREN, SIMULATION, START_S, Cluster, Operator, assert_in_order, converge, reads, running_operator
from pod_workers import report_of, running_pod, running_worker
from ruamel.yaml import YAML
from waiting import wait_for

from camstream.idling import NOBODY
from camstream.names import API_VERSION, WAKE
from camstream.spec import KINDS
from camstream_operator.cluster.canary import CANARY

OPERATOR, GATEWAY = "camstream-operator", "camstream-gateway"
ACCOUNT, GATEWAY_ACCOUNT = (f"system:serviceaccount:{NAMESPACE}:{name}" for name in (OPERATOR, GATEWAY))
GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}"]
NUMBERS = count(1)

Right = tuple[str, str, str]
"""Verb, API group, resource."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api-server")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}
    with (folder / "policy.yaml").open("w") as file:
        YAML(typ="safe").dump(policy, file)
    arguments = [f"--audit-policy-file={folder / 'policy.yaml'}", f"--audit-log-path={folder / 'audit.log'}", "--audit-log-mode=blocking"]
    with running_api_server(folder, *arguments, users={ACCOUNT: GROUPS, GATEWAY_ACCOUNT: GROUPS}, authorization="RBAC") as server:
        install_crds(server)
        found = Cluster(server)
        found.make_namespace(NAMESPACE)
        yield found


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


@pytest.fixture
def allow(cluster: Cluster) -> Iterator[Any]:
    """Give the account what some objects of the chart say, and take it away at the end."""
    made: list[str] = []

    def allow(objects: Objects) -> None:
        for name, thing in objects.items():
            if name.kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
                where = f"/namespaces/{name.namespace}" if name.namespace else ""
                path = f"/apis/rbac.authorization.k8s.io/v1{where}/{name.kind.lower()}s"
                answer = cluster.server.request("POST", path, thing)
                assert answer.status == 201, answer.message
                made.append(f"{path}/{name.name}")

    yield allow
    for path in made:
        cluster.server.request("DELETE", path)


def rights_of(objects: Objects, who: str = OPERATOR) -> set[Right]:
    """All that the roles of the operator, or of the gateway, allow."""
    found = set()
    for name, thing in objects.items():
        if name.kind in ("Role", "ClusterRole") and name.name.startswith(who):
            for rule in thing["rules"]:
                found |= {(verb, group, plural) for verb in rule["verbs"] for group in rule["apiGroups"] for plural in rule["resources"]}
    return found


def used_rights(folder: Path, begin: int, account: str = ACCOUNT) -> tuple[set[Right], list[dict[str, Any]]]:
    """What the account has asked for since ``begin`` [bytes], and what of it was forbidden."""
    used, forbidden = set(), []
    with (folder / "audit.log").open() as log:
        log.seek(begin)
        for line in log:
            event = json.loads(line)
            if event["user"]["username"] != account:
                continue
            if event["responseStatus"]["code"] == 403:
                forbidden.append(event)
            if (asked := event.get("objectRef")) is None:
                continue  # /apis, where the API server says what there is
            plural = "/".join(part for part in (asked["resource"], asked.get("subresource")) if part)
            used.add((event["verb"], asked.get("apiGroup", ""), plural))
            if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
                # An apply that makes something needs both.
                used.add(("create", asked.get("apiGroup", ""), plural))
    return used, forbidden


FOREIGN: dict[str, dict[str, Any]] = {
    "Deployment": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
    "Service": {"ports": [{"name": "web", "port": 80}]},
}


@pytest.mark.parametrize("everywhere", [True, False], ids=["cluster-wide", "in one namespace"])
def test_rights_of_the_chart_are_what_a_whole_life_takes(
    cluster: Cluster, folder: Path, tmp_path: Path, namespace: str, allow: Any, everywhere: bool
) -> None:
    objects = rendered() if everywhere else rendered(f'watchNamespaces=["{namespace}"]')
    allow(objects)
    # A life begins with a lease that nobody has made.
    cluster.server.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/camstream-operator")
    cluster.server.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CANARY}")
    begin = (folder / "audit.log").stat().st_size
    settings: dict[str, Any] = {"backgroundsUrl": "http://gateway:8080/backgrounds"} | ({} if everywhere else {"namespaces": [namespace]})
    with running_operator(tmp_path, cluster.server.kubeconfig_of(ACCOUNT), home=NAMESPACE, **settings) as operator:
        _live(cluster, operator, namespace)
    used, forbidden = used_rights(folder, begin)
    assert forbidden == []
    assert used == rights_of(objects)
    assert_in_order(cluster, namespace)


def _live(cluster: Cluster, operator: Operator, namespace: str) -> None:
    """Everything that can happen to it."""
    # Each name is taken by somebody, once.
    for kind in CHILDREN:
        name = f"taken-{kind.lower()}"
        cluster.create(kind, namespace, f"cam-{name}", FOREIGN.get(kind))
        cluster.create("Camera", namespace, name, SIMULATION)
        cluster.wait_for_reason("Camera", namespace, name, "Deployed", "ApiConflict")
        cluster.delete("Camera", namespace, name)
        cluster.delete(kind, namespace, f"cam-{name}")
    cluster.collect_garbage(namespace)
    lifecycle = {"lifecycle": {"mode": "OnDemand", "deleteWhenIdle": True}}
    for kind, spec in (("Camera", SIMULATION), ("Pipeline", reads("gun"))):
        cluster.create(kind, namespace, "of-one-client", spec | lifecycle, metadata={"annotations": {WAKE: NOBODY}})
        wait_for("idle stream is deleted", lambda: cluster.find(kind, namespace, "of-one-client") is None)  # noqa: B023
    # It asks for a background that no watch has shown.
    cluster.create("Pipeline", namespace, "fit", reads("gun", processing={"background": {"name": "nobody"}}))
    cluster.wait_for_reason("Pipeline", namespace, "fit", "Accepted", "CameraNotFound")
    camera = cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Pipeline", namespace, "fit")
    address = "127.0.78.1"
    report = {"now": report_of(camera)}
    with running_worker(address, report):
        pod = running_pod(address)
        cluster.make_pod(namespace, "cam-gun", "cam-gun-1", pod)
        cluster.wait_for_reason("Camera", namespace, "gun", "Ready", "FramesFlow")
        # Its pod is touched, so that the kubelet renews the file.
        edited = cluster.edit("Camera", namespace, "gun", {"spec": {"geometry": {"rotateQuarterTurns": 1}}})
        wait_for("pod is touched", lambda: "camstream.dev/config" in cluster.get("Pod", namespace, "cam-gun-1")["metadata"]["annotations"])
        report["now"] = report_of(edited)
        cluster.wait_for_reason("Camera", namespace, "gun", "ConfigApplied", "Applied")
        # The same is told twice, by two processes.
        told: str | None = None
        for process in (1, 2):
            cluster.edit("Deployment", namespace, "cam-gun", {"spec": {"replicas": 7}})
            told = wait_for("repair is told", lambda: _newer_event(cluster, namespace, "DriftRepaired", told))  # noqa: B023
            if process == 1:
                assert operator.stop() == 0
                # Told within the same second it would be the same Event to the letter, and no newer one.
                second = int(time.time())
                wait_for("next second", lambda: int(time.time()) > second)  # noqa: B023
                operator.start()
                operator.wait_until_ready()
    cluster.server.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/cam-gun-1", {"gracePeriodSeconds": 0})
    cluster.wait_for_reason("Camera", namespace, "gun", "Ready", "Starting")


@pytest.mark.parametrize("everywhere", [True, False], ids=["cluster-wide", "in one namespace"])
def test_rights_of_the_gateway_are_what_a_whole_life_takes(
    cluster: Cluster, folder: Path, tmp_path: Path, namespace: str, allow: Any, everywhere: bool
) -> None:
    watched = () if everywhere else (f'watchNamespaces=["{namespace}"]',)
    objects = rendered("gateway.enabled=true", 'gateway.auth="TokenReview"', *watched)
    allow(objects)
    # Two files whose ids become one name of an object.
    for name in ("GUN_20261121_120000_000000", "gun_20261121_120000_000000"):
        file = tmp_path / "backgrounds" / namespace / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.ones((4, 4), np.uint16))
    begin = (folder / "audit.log").stat().st_size
    options = ("--home", namespace, "--token-review", *(() if everywhere else ("--namespace", namespace)))
    with running_gateway(cluster.server.kubeconfig_of(GATEWAY_ACCOUNT), tmp_path, *options) as doors:
        _live_as_gateway(cluster, doors, namespace)
    used, forbidden = used_rights(folder, begin, GATEWAY_ACCOUNT)
    assert forbidden == []
    assert used == rights_of(objects, GATEWAY)


def _live_as_gateway(cluster: Cluster, doors: dict[str, str], namespace: str) -> None:
    """Everything that somebody who may do everything can ask of it."""
    api = NativeApi(doors["page"], token_of())
    for kind, spec in (("Camera", SIMULATION), ("Pipeline", reads("gun"))):
        place = f"/api/v1/{KINDS[kind].plural}"
        thing = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "gun"}, "spec": spec}
        assert api.ask("POST", place, thing).status == 201
        # Its worker's log, by cam_server's interface; no node is there to give one.
        cluster.edit(kind, namespace, "gun", {"status": {"worker": {"podName": "nobody"}}}, subresource="status")
    pipelines = NativeApi(doors["pipelines"], token_of())
    wait_for("log is asked for", lambda: pipelines.ask("GET", "/api/v1/logs/instance/gun").status == 200)
    for kind in ("Pipeline", "Camera"):
        one = f"/api/v1/{KINDS[kind].plural}/{namespace}/gun"
        assert api.ask("PATCH", one, {"spec": {"groups": ["all"]}}).status == 200
        assert api.ask("DELETE", one).status == 204
    wait_for("files have their records", lambda: len(cluster.list("Background", namespace)) == 2)
    wait_for("records are told", lambda: all("status" in found for found in cluster.list("Background", namespace)))
    record = cluster.list("Background", namespace)[0]["metadata"]["name"]
    assert api.ask("DELETE", f"/api/v1/backgrounds/{namespace}/{record}").status == 204


def _newer_event(cluster: Cluster, namespace: str, reason: str, version: str | None) -> str | None:
    """Version of an Event, once it is another one."""
    events = cluster.server.request("GET", f"/api/v1/namespaces/{namespace}/events").body["items"]
    versions = [event["metadata"]["resourceVersion"] for event in events if event["reason"] == reason]
    return next((found for found in versions if found != version), None)


def without(objects: Objects, verb: str, plural: str) -> Objects:
    """The same, but for one right."""
    for thing in objects.values():
        split = []
        for rule in thing.get("rules") or []:
            for resource in rule["resources"]:
                verbs = [one for one in rule["verbs"] if (one, resource) != (verb, plural)]
                split.append({"apiGroups": rule["apiGroups"], "resources": [resource], "verbs": verbs})
        if split:
            thing["rules"] = split
    return objects


def test_missing_right_is_named_and_hurts_nobody_else(cluster: Cluster, tmp_path: Path, namespace: str, allow: Any) -> None:
    allow(without(rendered(), "create", "services"))
    cluster.create("Camera", namespace, "old", SIMULATION)
    converge(cluster.server, namespace)
    with running_operator(tmp_path, cluster.server.kubeconfig_of(ACCOUNT), home=NAMESPACE):
        cluster.create("Camera", namespace, "gun", SIMULATION)
        told = cluster.wait_for_reason("Camera", namespace, "gun", "Deployed", "Forbidden")
        assert 'cannot create resource "services"' in told["message"]
        assert "mend its role" in told["message"]
        cluster.edit("Camera", namespace, "old", {"spec": {"output": {"port": 7000}}})
        cluster.wait_until_deployed("Camera", namespace, "old")
        role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/camstream-operator"
        rules = rendered()[Name("ClusterRole", None, "camstream-operator")]["rules"]
        assert cluster.server.request("PATCH", role, {"rules": rules}, "application/merge-patch+json").status == 200
        # It would look again after half a minute; an edit is quicker.
        cluster.edit("Camera", namespace, "gun", {"metadata": {"labels": {"touched": "yes"}}})
        cluster.wait_until_deployed("Camera", namespace, "gun")
    assert_in_order(cluster, namespace)


def test_operator_that_may_not_list_its_pods_is_not_ready_and_says_why(cluster: Cluster, tmp_path: Path, allow: Any) -> None:
    allow(without(rendered(), "list", "pods"))
    operator = Operator(tmp_path, cluster.server.kubeconfig_of(ACCOUNT), home=NAMESPACE)
    operator.start()
    try:
        wait_for("it says so", lambda: 'cannot list resource "pods"' in operator.get("/readyz")[1], START_S)
        assert operator.get("/readyz")[0] == 503
        assert operator.stop() == 0
    finally:
        operator.end()


def test_operator_that_may_not_watch_its_pods_says_so(cluster: Cluster, tmp_path: Path, allow: Any) -> None:
    """It is tried again for a minute, and then the process ends."""
    allow(without(rendered(), "watch", "pods"))
    operator = Operator(tmp_path, cluster.server.kubeconfig_of(ACCOUNT), home=NAMESPACE)
    operator.start()
    try:
        wait_for("it says so", lambda: 'cannot watch resource "pods"' in operator.log, START_S)
        assert operator.stop() == 0
    finally:
        operator.end()
