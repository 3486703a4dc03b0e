"""The operator as a process on a real API server: what users do, and what they find then. Nothing runs pods here; their states are set."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from operators import CHILDREN, SIMULATION, Cluster, Operator, assert_in_order, reads, running_operator
from waiting import wait_for

from camstream.names import PAUSE

CLASSES = [{"name": "default", "env": [{"name": "OMP_NUM_THREADS", "value": "2"}, {"name": "LEVEL", "value": "info"}]}]
SETTINGS: dict[str, Any] = {"workerClasses": CLASSES}


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with running_operator(tmp_path_factory.mktemp("operator"), cluster.server.kubeconfig, **SETTINGS) as operator:
        yield operator


@pytest.fixture
def namespace(cluster: Cluster, operator: Operator, request: pytest.FixtureRequest) -> Iterator[str]:
    """One for each test, where all is in order at the end."""
    name = f"ns-{abs(hash(request.node.name)) % 10**9}"
    yield cluster.make_namespace(name)
    operator.assert_no_errors()
    assert operator.runs()
    assert_in_order(cluster, name, **SETTINGS)


def test_camera_gets_its_children_and_says_where_its_stream_is(cluster: Cluster, namespace: str) -> None:
    camera = cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    owner = {"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera", "name": "gun", "uid": camera["metadata"]["uid"], "controller": True}
    for kind in CHILDREN:
        [child] = cluster.list(kind, namespace)
        assert child["metadata"]["name"] == "cam-gun"
        assert child["metadata"]["ownerReferences"] == [owner]
        assert child["metadata"]["labels"]["camstream.dev/name"] == "gun"
    assert cluster.get("Deployment", namespace, "cam-gun")["spec"]["replicas"] == 1
    config = json.loads(cluster.get("ConfigMap", namespace, "cam-gun")["data"]["config.json"])
    assert (config["kind"], config["name"], config["namespace"]) == ("Camera", "gun", namespace)
    status = cluster.get("Camera", namespace, "gun")["status"]
    assert status["stream"]["address"] == f"tcp://cam-gun.{namespace}.svc:9999"
    assert cluster.condition("Camera", namespace, "gun", "Accepted")["status"] == "True"


def test_what_the_api_server_refuses_leaves_nothing_behind(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/camstream.dev/v1alpha1/namespaces/{namespace}/cameras"
    spec = {"source": {"simulation": {}, "bsread": {"address": "tcp://127.0.0.1:9999"}}}
    body = {"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera", "metadata": {"name": "two"}, "spec": spec}
    answer = cluster.server.request("POST", path, body)
    assert (answer.status, "spec.source" in answer.message) == (422, True), answer.message
    # A later one is looked after, and so this one would have been.
    cluster.create("Camera", namespace, "later", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "later")
    assert [child["metadata"]["name"] for kind in CHILDREN for child in cluster.list(kind, namespace)] == ["cam-later"] * 3


def test_edit_reaches_the_children_and_what_is_deleted_from_a_spec_goes(cluster: Cluster, namespace: str) -> None:
    worker = {"limits": {"cpu": "1.5", "memory": "2Gi"}}
    cluster.create("Camera", namespace, "gun", SIMULATION | {"output": {"port": 7000}, "worker": worker})
    cluster.wait_until_deployed("Camera", namespace, "gun")
    assert cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7000
    uid = cluster.get("Deployment", namespace, "cam-gun")["metadata"]["uid"]
    cluster.edit("Camera", namespace, "gun", {"spec": {"output": None, "worker": None}})
    cluster.wait_until_deployed("Camera", namespace, "gun")
    ports = cluster.get("Service", namespace, "cam-gun")["spec"]["ports"]
    assert [(port["name"], port["port"]) for port in ports] == [("stream", 9999), ("http", 8080)]
    deployment = cluster.get("Deployment", namespace, "cam-gun")
    assert deployment["metadata"]["uid"] == uid
    resources = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}


def test_stopped_camera_keeps_its_address_and_has_no_worker(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    cluster.edit("Camera", namespace, "gun", {"spec": {"lifecycle": {"mode": "Stopped"}}})
    cluster.wait_for_reason("Camera", namespace, "gun", "Ready", "Stopped")
    assert cluster.get("Deployment", namespace, "cam-gun")["spec"]["replicas"] == 0
    cluster.edit("Camera", namespace, "gun", {"spec": {"lifecycle": {"mode": "Always"}}})
    cluster.wait_for_reason("Camera", namespace, "gun", "Ready", "Starting")
    assert cluster.get("Deployment", namespace, "cam-gun")["spec"]["replicas"] == 1


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "worker", **fields}]}}}}


DRIFTS: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("Deployment", container(image="other:1")),
    "environment": ("Deployment", container(env=[{"name": "LEVEL", "value": "debug"}])),
    "replicas": ("Deployment", {"spec": {"replicas": 3}}),
    "label": ("Deployment", {"metadata": {"labels": {"camstream.dev/name": "else"}}}),
    "label by which it is found": ("ConfigMap", {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}),
    "owner": ("Service", {"metadata": {"ownerReferences": None}}),
    "configuration": ("ConfigMap", {"data": {"config.json": "{}"}}),
    "target": ("Service", {"spec": {"ports": [{"port": 9999, "targetPort": 80}]}}),
    "port": ("Service", {"spec": {"ports": [{"port": 9999, "$patch": "delete"}, {"name": "stream", "port": 7000, "targetPort": 9999}]}}),
    "selector": ("Service", {"spec": {"selector": {"camstream.dev/name": "else"}}}),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_change_by_hand_is_undone_counted_and_told(cluster: Cluster, operator: Operator, namespace: str, drift: str) -> None:
    kind, change = DRIFTS[drift]
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    before, repaired = cluster.get(kind, namespace, "cam-gun"), operator.metric("children_applied_total", kind=kind, cause="drift")
    cluster.edit(kind, namespace, "cam-gun", change, strategic=True)

    def as_before() -> bool:
        found = cluster.get(kind, namespace, "cam-gun")
        same = ("ownerReferences", "labels", "annotations", "uid")
        return (
            all(found["metadata"].get(name) == before["metadata"].get(name) for name in same)
            and all(found.get(name) == before.get(name) for name in ("spec", "data"))
            and found["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
        )

    wait_for(f"{drift} is as before", as_before)
    wait_for("repair is counted", lambda: operator.metric("children_applied_total", kind=kind, cause="drift") == repaired + 1)
    wait_for("repair is told", lambda: "DriftRepaired" in reasons(cluster, namespace))


def reasons(cluster: Cluster, namespace: str) -> list[str]:
    events = cluster.server.request("GET", f"/api/v1/namespaces/{namespace}/events").body["items"]
    return [event["reason"] for event in events]


def test_fields_of_others_are_kept(cluster: Cluster, operator: Operator, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    theirs: dict[str, Any] = {
        "metadata": {"labels": {"team": "beam"}, "annotations": {"note": "mine"}},
        "spec": {
            "template": {
                "spec": {"containers": [{"name": "worker", "env": [{"name": "EXTRA", "value": "1"}]}, {"name": "sidecar", "image": "s:1"}]}
            }
        },
    }
    cluster.edit("Deployment", namespace, "cam-gun", theirs, strategic=True)
    # A second edit that is to be undone shows that both were seen.
    cluster.edit("Deployment", namespace, "cam-gun", container(image="other:1"), strategic=True)

    def image_is_ours() -> dict[str, Any] | None:
        found = cluster.get("Deployment", namespace, "cam-gun")
        images = {c["name"]: c["image"] for c in found["spec"]["template"]["spec"]["containers"]}
        return found if images == {"worker": "camstream-worker:test", "sidecar": "s:1"} else None

    found = wait_for("image is ours", image_is_ours)
    assert found is not None
    assert found["metadata"]["labels"]["team"] == "beam"
    assert found["metadata"]["annotations"]["note"] == "mine"
    [worker] = [c for c in found["spec"]["template"]["spec"]["containers"] if c["name"] == "worker"]
    assert {entry["name"]: entry["value"] for entry in worker["env"]} == {"OMP_NUM_THREADS": "2", "LEVEL": "info", "EXTRA": "1"}


@pytest.mark.parametrize("kind", CHILDREN)
def test_deleted_child_comes_back(cluster: Cluster, namespace: str, kind: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    uid = cluster.get(kind, namespace, "cam-gun")["metadata"]["uid"]
    cluster.delete(kind, namespace, "cam-gun")
    again = wait_for(f"{kind} is there again", lambda: cluster.find(kind, namespace, "cam-gun"))
    assert again is not None
    assert again["metadata"]["uid"] != uid
    cluster.wait_until_deployed("Camera", namespace, "gun")


def test_pipeline_may_come_before_what_it_reads(cluster: Cluster, namespace: str) -> None:
    cluster.create("Pipeline", namespace, "second", reads(pipeline="first"))
    cluster.create("Pipeline", namespace, "first", reads("gun"))
    cluster.wait_for_reason("Pipeline", namespace, "first", "Accepted", "CameraNotFound")
    told = cluster.wait_for_reason("Pipeline", namespace, "second", "Accepted", "CameraNotFound")
    assert "reads camera 'gun', which does not exist" in told["message"]
    assert cluster.get("Pipeline", namespace, "first")["status"]["phase"] == "Pending"
    assert cluster.list("Deployment", namespace) == []
    cluster.create("Camera", namespace, "gun", SIMULATION)
    for name, address in (("first", "cam-gun"), ("second", "cpl-first")):
        cluster.wait_until_deployed("Pipeline", namespace, name)
        config = json.loads(cluster.get("ConfigMap", namespace, f"cpl-{name}")["data"]["config.json"])
        assert (config["inputAddress"], config["inputName"]) == (f"tcp://{address}.{namespace}.svc:9999", "gun")


def test_circle_is_told_to_all_of_it_and_can_be_opened(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    circle = {"a": "c", "b": "a", "c": "b", "alone": "alone", "beside": "a"}
    for name, other in circle.items():
        cluster.create("Pipeline", namespace, name, reads(pipeline=other))
    for name in circle:
        told = cluster.wait_for_reason("Pipeline", namespace, name, "Accepted", "CycleDetected")
        assert "circle" in told["message"]
    assert "a -> c -> b -> a" in cluster.condition("Pipeline", namespace, "a", "Accepted")["message"]
    assert cluster.condition("Pipeline", namespace, "alone", "Accepted")["message"].startswith("pipeline 'alone'")
    for name in ("b", "alone"):
        cluster.edit("Pipeline", namespace, name, {"spec": {"input": {"pipeline": None, "camera": {"name": "gun"}}}})
    for name in circle:
        cluster.wait_until_deployed("Pipeline", namespace, name)


def test_chain_of_fifty_follows_its_camera(cluster: Cluster, namespace: str) -> None:
    cluster.create("Pipeline", namespace, "p0", reads("gun"))
    for number in range(1, 50):
        cluster.create("Pipeline", namespace, f"p{number}", reads(pipeline=f"p{number - 1}"))
    cluster.wait_for_reason("Pipeline", namespace, "p49", "Accepted", "CameraNotFound")
    cluster.create("Camera", namespace, "gun", SIMULATION | {"externalName": "THE-GUN"})
    for number in range(50):
        cluster.wait_until_deployed("Pipeline", namespace, f"p{number}", timeout_s=40)
    config = json.loads(cluster.get("ConfigMap", namespace, "cpl-p49")["data"]["config.json"])
    assert config["inputName"] == "THE-GUN"


def test_pipelines_outlive_their_camera_and_take_a_new_one_without_a_new_pod(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))
    cluster.wait_until_deployed("Pipeline", namespace, "fit")
    before = cluster.get("Deployment", namespace, "cpl-fit")
    cluster.delete("Camera", namespace, "gun")
    cluster.wait_for_reason("Pipeline", namespace, "fit", "Accepted", "CameraNotFound")
    assert cluster.get("Deployment", namespace, "cpl-fit")["spec"] == before["spec"]
    # The new one finds the children of the old one, until they are collected.
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_for_reason("Camera", namespace, "gun", "Deployed", "OldOneGoes")
    cluster.collect_garbage(namespace)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    cluster.wait_until_deployed("Pipeline", namespace, "fit")
    after = cluster.get("Deployment", namespace, "cpl-fit")
    assert (after["metadata"]["uid"], after["metadata"]["generation"]) == (before["metadata"]["uid"], before["metadata"]["generation"])


def test_external_names_may_have_any_case_and_only_the_older_of_two_has_one(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "b-older", SIMULATION | {"externalName": "SARES20_CAMS-M5"})
    cluster.wait_until_deployed("Camera", namespace, "b-older")
    assert json.loads(cluster.get("ConfigMap", namespace, "cam-b-older")["data"]["config.json"])["externalName"] == "SARES20_CAMS-M5"
    # Age has a resolution of one second.
    created = cluster.get("Camera", namespace, "b-older")["metadata"]["creationTimestamp"]

    def younger() -> bool:
        if cluster.find("Camera", namespace, "a-younger"):
            cluster.delete("Camera", namespace, "a-younger")
        made = cluster.create("Camera", namespace, "a-younger", SIMULATION | {"externalName": "SARES20_CAMS-M5"})
        return bool(made["metadata"]["creationTimestamp"] > created)

    wait_for("a younger camera", younger, pause_s=0.2)
    told = cluster.wait_for_reason("Camera", namespace, "a-younger", "Accepted", "NameConflict")
    assert "SARES20_CAMS-M5" in told["message"]
    assert "b-older" in told["message"]
    # Those that lost the race of a second may have got children, which go.
    cluster.collect_garbage(namespace)
    cluster.delete("Camera", namespace, "b-older")
    cluster.collect_garbage(namespace)
    cluster.wait_for_reason("Camera", namespace, "a-younger", "Accepted", "Valid")
    cluster.wait_until_deployed("Camera", namespace, "a-younger")
    cluster.create("Camera", namespace, "other", SIMULATION | {"externalName": "a"})
    cluster.create("Pipeline", namespace, "other", reads("other", externalName="a"))
    cluster.wait_until_deployed("Camera", namespace, "other")
    cluster.wait_until_deployed("Pipeline", namespace, "other")


def test_paused_object_is_left_alone_until_the_annotation_goes(cluster: Cluster, operator: Operator, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    cluster.edit("Camera", namespace, "gun", {"metadata": {"annotations": {PAUSE: "true"}}})
    cluster.wait_for_reason("Camera", namespace, "gun", "ReconciliationPaused", "AnnotationSet")
    before = {kind: cluster.get(kind, namespace, "cam-gun") for kind in CHILDREN}
    cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}})
    cluster.wait_for_reason("Camera", namespace, "gun", "ReconciliationPaused", "AnnotationSet")
    assert {kind: cluster.get(kind, namespace, "cam-gun") for kind in CHILDREN} == before
    cluster.edit("Camera", namespace, "gun", {"metadata": {"annotations": {PAUSE: "false"}}})
    wait_for("edit is applied", lambda: cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7000)
    wait_for("condition is gone", lambda: not cluster.condition("Camera", namespace, "gun", "ReconciliationPaused"))


def test_huge_spec_is_no_hindrance(cluster: Cluster, namespace: str) -> None:
    """As large as the schema allows: 32 regions are nothing, and texts are limited; so the annotations are what is large."""
    notes = {f"note-{number}": "x" * 60_000 for number in range(4)}
    cluster.create("Camera", namespace, "gun", SIMULATION, metadata={"annotations": notes})
    cluster.wait_until_deployed("Camera", namespace, "gun")
    assert not notes.keys() & cluster.get("Deployment", namespace, "cam-gun")["metadata"]["annotations"].keys()


WAITING = {"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}}
LAST_WORDS = json.dumps({"reason": "SourceError", "exitCode": 3, "message": "no such file: /data/run.h5"})
CRASHED = {
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
    "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "message": f"Traceback\n{LAST_WORDS}"}},
}
KILLED = {
    "restartCount": 1,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}

PODS: dict[str, tuple[dict[str, Any], str]] = {
    "ImagePullBackOff": ({"containerStatuses": [WAITING]}, "image 'camstream-worker:test' cannot be pulled on node node-1"),
    "CrashLoopBackOff": ({"containerStatuses": [CRASHED]}, "no such file: /data/run.h5"),
    "OOMKilled": ({"containerStatuses": [KILLED]}, "more memory than its limit of 1Gi"),
    "Unschedulable": ({"conditions": [UNSCHEDULABLE]}, "0/3 nodes are available"),
    "Evicted": ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, "the pod was ended: low on memory"),
}


@pytest.mark.parametrize("reason", PODS)
def test_camera_says_what_its_pod_suffers_from(cluster: Cluster, namespace: str, reason: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.wait_until_deployed("Camera", namespace, "gun")
    status, words = PODS[reason]
    containers = [{"name": "worker", "image": "x", "imageID": "", "ready": False} | c for c in status.get("containerStatuses", [])]
    cluster.make_pod(
        namespace, "cam-gun", "cam-gun-1", {"phase": "Pending"} | status | ({"containerStatuses": containers} if containers else {})
    )
    told = cluster.wait_for_reason("Camera", namespace, "gun", "Ready", reason)
    assert words in told["message"]
    found = cluster.get("Camera", namespace, "gun")["status"]
    assert (found["phase"], found["worker"]["podName"]) == ("Failed", "cam-gun-1")
    wait_for("it is told as an Event", lambda: reason in reasons(cluster, namespace))
    # Deleted without a grace period, as there is no kubelet.
    cluster.server.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/cam-gun-1", {"gracePeriodSeconds": 0})
    cluster.wait_for_reason("Camera", namespace, "gun", "Ready", "Starting")
