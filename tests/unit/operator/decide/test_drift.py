"""What counts as a change by somebody else, and what does not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from objects import make_camera

from camstream.resolve import Addresses, resolve
from camstream.spec import Camera
from camstream_operator.build.children import build_children, place_of
from camstream_operator.decide.drift import difference, owner_uid
from camstream_operator.settings import Settings

Body = dict[str, Any]

SETTINGS = Settings.model_validate(
    {
        "workerImage": "camstream-worker:0.1.0",
        "workerClasses": [
            {
                "name": "default",
                "resources": {"requests": {"cpu": "0.5", "memory": "0.5Gi"}, "limits": {"memory": "1024Mi"}},
                "env": [{"name": "EMPTY", "value": ""}],
                "tolerations": [{"key": "", "operator": "Exists"}],
                "volumes": [{"name": "data", "hostPath": {"path": "/data"}}, {"name": "scratch", "emptyDir": {}}],
                "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": False}],
            }
        ],
    }
)


def children(**spec: Any) -> list[Body]:
    camera = make_camera(**spec)
    return build_children(camera, resolve(camera, {}, place_of(camera, SETTINGS), Addresses(str, str), None), SETTINGS, running=True)


def stored(manifest: Body) -> Body:
    """A manifest as kube-apiserver 1.34 gives it back: with its defaults, and with quantities and empty values in its own form."""
    found = copy.deepcopy(manifest)
    found["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 1, "creationTimestamp": "2026-08-21T12:00:00Z"}
    spec = found.get("spec", {})
    if found["kind"] == "Service":
        spec |= {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "sessionAffinity": "None", "ipFamilies": ["IPv4"]}
        spec |= {"ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"}
        found["status"] = {"loadBalancer": {}}
    if found["kind"] == "Deployment":
        found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
        found["status"] = {"replicas": 1, "observedGeneration": 1}
        spec["progressDeadlineSeconds"] = 600
        pod = spec["template"]["spec"]
        pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
        pod["tolerations"] = [{"operator": "Exists"}]
        pod["volumes"][0]["configMap"]["defaultMode"] = 420
        pod["volumes"][2]["hostPath"]["type"] = ""
        (container,) = pod["containers"]
        container["env"] = [{"name": "EMPTY"}]
        container["volumeMounts"][-1] = {"name": "data", "mountPath": "/data"}
        container["resources"] = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
        for probe in ("livenessProbe", "readinessProbe"):
            container[probe] = {"successThreshold": 1, "failureThreshold": 3} | container[probe]
    return found


@pytest.mark.parametrize("manifest", children(), ids=lambda manifest: manifest["kind"])
def test_what_the_api_server_fills_in_or_rewrites_is_no_drift(manifest: Body) -> None:
    found = stored(manifest)
    assert found != manifest
    assert difference(manifest, found) is None


def container(deployment: Body) -> Body:
    found: Body = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


CHANGES: list[tuple[str, Callable[[Body], object]]] = [
    ("metadata.labels.app.kubernetes.io/managed-by", lambda d: d["metadata"]["labels"].pop("app.kubernetes.io/managed-by")),
    ("metadata.annotations.camstream.dev/hash", lambda d: d["metadata"]["annotations"].pop("camstream.dev/hash")),
    ("metadata.ownerReferences", lambda d: d["metadata"].update(ownerReferences=None)),
    ("metadata.ownerReferences[0].uid", lambda d: d["metadata"]["ownerReferences"][0].update(uid="other")),
    ("spec.replicas", lambda d: d["spec"].update(replicas=3)),
    ("spec.replicas", lambda d: d["spec"].pop("replicas")),
    ("spec.strategy.rollingUpdate.maxUnavailable", lambda d: d["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable="25%")),
    ("spec.template.spec", lambda d: d["spec"]["template"].update(spec=[])),
    ("spec.template.spec.automountServiceAccountToken", lambda d: d["spec"]["template"]["spec"].update(automountServiceAccountToken=True)),
    ("spec.template.spec.containers", lambda d: d["spec"]["template"]["spec"]["containers"].clear()),
    ("spec.template.spec.containers[0].name", lambda d: container(d).update(name="other")),
    ("spec.template.spec.tolerations", lambda d: d["spec"]["template"]["spec"]["tolerations"].append({"key": "gpu"})),
    ("spec.template.spec.containers[0].image", lambda d: container(d).update(image="other")),
    ("spec.template.spec.containers[0].args", lambda d: container(d)["args"].pop()),
    ("spec.template.spec.containers[0].args[0]", lambda d: container(d)["args"].reverse()),
    ("spec.template.spec.containers[0].env[0].value", lambda d: container(d)["env"][0].update(value="set")),
    ("spec.template.spec.containers[0].resources.limits.memory", lambda d: container(d)["resources"]["limits"].update(memory="2Gi")),
    ("spec.template.spec.containers[0].resources", lambda d: container(d).pop("resources")),
    ("spec.template.spec.containers[0].ports[0].containerPort", lambda d: container(d)["ports"][0].update(containerPort="9999")),
]


@pytest.mark.parametrize(("place", "change"), CHANGES, ids=[place for place, _ in CHANGES])
def test_a_change_of_what_is_ours_is_told_with_its_place(place: str, change: Callable[[Body], object]) -> None:
    deployment = children()[2]
    found = stored(deployment)
    change(found)
    assert difference(deployment, found) == place


def test_what_others_add_to_a_list_of_named_things_is_none_of_our_business() -> None:
    deployment = children()[2]
    found = stored(deployment)
    found["metadata"]["ownerReferences"].insert(0, {"uid": "another", "name": "app"})
    found["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar"})
    found["spec"]["template"]["spec"]["containers"][1]["env"].append({"name": "EXTRA", "value": "1"})
    assert difference(deployment, found) is None


def test_a_field_that_is_not_wanted_any_more_shows_by_the_hash() -> None:
    before, after = (
        children(output={"service": service})[1] for service in ({"type": "NodePort", "nodePort": 30100}, {"type": "NodePort"})
    )
    # Nothing of what is wanted now is missing.
    assert difference(after["spec"], before["spec"]) is None
    assert difference(after, stored(before)) == "metadata.annotations.camstream.dev/hash"


@pytest.mark.parametrize(
    ("desired", "found", "place"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, None),
        ({"a": {"b": 1}}, {"a": None}, "a"),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, "a"),
        ({"a": [1, 2]}, {"a": [1]}, "a"),
        ({"a": [1, 2]}, {"a": {}}, "a"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b"),
        ({"a": False}, {}, None),
        ({"a": False}, {"a": True}, "a"),
        ({"a": True}, {}, "a"),
        ({"a": ""}, {}, None),
        ({"a": ""}, {"a": "b"}, "a"),
        ({"a": []}, {}, None),
        ({"a": []}, {"a": [1]}, "a"),
        ({"a": {}}, {}, None),
        ({"a": "0.5"}, {"a": "500m"}, None),
        ({"a": "0.5"}, {"a": "501m"}, "a"),
        ({"a": 1}, {"a": "1"}, "a"),
        ({}, {"a": 1}, None),
    ],
)
def test_only_what_is_desired_is_compared(desired: Body, found: Body, place: str | None) -> None:
    assert difference(desired, found) == place


@pytest.mark.parametrize(
    ("owners", "uid"),
    [
        (None, None),
        ([], None),
        ([{"uid": "1"}], None),
        ([{"uid": "1", "controller": False}, {"uid": "2", "controller": True}], "2"),
    ],
)
def test_owner_is_who_controls_the_child(owners: Any, uid: str | None) -> None:
    assert owner_uid({"metadata": {} if owners is None else {"ownerReferences": owners}}) == uid


def test_children_are_owned_by_their_object() -> None:
    camera = Camera.model_validate({"metadata": {"name": "gun", "uid": "u1"}, "spec": {"source": {"simulation": {}}}})
    found = build_children(camera, resolve(camera, {}, place_of(camera, SETTINGS), Addresses(str, str), None), SETTINGS, running=True)
    assert {owner_uid(child) for child in found} == {"u1"}
