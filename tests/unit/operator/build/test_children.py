"""The children of an object, as they are sent to Kubernetes.

What they look like is kept in `golden/`; write it anew, and read the difference, with

    PYTHONPATH=tests/support .venv/bin/python tests/unit/operator/build/test_children.py
"""

import copy
import io
import json
import typing
from pathlib import Path
from typing import Any

import pytest
from edits import Edit, every_edit
from objects import make_camera, make_pipeline
from ruamel.yaml import YAML

from camstream.decide import ended_for_good
from camstream.errors import ClassNotAllowed, SpecError
from camstream.resolve import Addresses, resolve
from camstream.spec import Camera, Pipeline, WorkerConfig
from camstream.spec.base import Change
from camstream.spec.key import Key
from camstream.spec.status import ConfigStatus, Phase, PipelineStatus
from camstream_operator.build.children import Manifest, build_children, place_of
from camstream_operator.build.names import HASH, IDENTITY, child_name, gather_address, stream_address
from camstream_operator.build.quantity import bytes_or_cores
from camstream_operator.settings import Settings

GOLDEN = Path(__file__).parent / "golden"
COMMAND = "PYTHONPATH=tests/support .venv/bin/python tests/unit/operator/build/test_children.py"

SETTINGS = Settings.model_validate(
    {
        "workerImage": "camstream-worker:0.1.0",
        "workerClasses": [
            {"name": "default"},
            {"name": "other"},
            {"name": "small", "resources": {"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"cpu": "1500m", "memory": "1Gi"}}},
            {"name": "beamline", "hostNetwork": True, "namespaces": ["beamline"]},
            {
                "name": "full",
                "image": "registry.example.org/camstream-worker:fast",
                "imagePullSecrets": ["registry"],
                "nodeSelector": {"camstream.dev/fast": "true"},
                "tolerations": [{"key": "fast", "operator": "Exists"}],
                "priorityClassName": "high",
                "runtimeClassName": "runc",
                "hostNetwork": True,
                "resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "memory": "4Gi"}},
                "env": [{"name": "EPICS_CA_ADDR_LIST", "value": "10.0.0.1"}],
                "volumes": [{"name": "data", "hostPath": {"path": "/data"}}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            },
        ],
    }
)

EDITS = every_edit()
BY_CHANGE: dict[Change, list[Edit]] = {change: [edit for edit in EDITS if edit.change is change] for change in Change}


def with_uid(thing: Camera | Pipeline, uid: str = "0b0a8a5c", namespace: str = "default") -> Any:
    return thing.model_copy(update={"metadata": thing.metadata.model_copy(update={"uid": uid, "namespace": namespace})})


def config_of(thing: Camera | Pipeline) -> WorkerConfig:
    place = place_of(thing, SETTINGS)
    fields = {"kind": thing.kind, "name": thing.name, "external_name": thing.external_name, thing.kind.lower(): thing.spec}
    return WorkerConfig(namespace=thing.metadata.namespace, **fields, stream_address=place.stream_address, http_port=place.http_port)


def children(thing: Camera | Pipeline, running: bool = True, settings: Settings = SETTINGS) -> tuple[Manifest, Manifest, Manifest]:
    """ConfigMap, Service and Deployment."""
    return typing.cast(tuple[Manifest, Manifest, Manifest], tuple(build_children(thing, config_of(thing), settings, running)))


def template(thing: Camera | Pipeline) -> Any:
    return children(thing)[2]["spec"]["template"]


def pod_of(thing: Camera | Pipeline, settings: Settings = SETTINGS) -> Any:
    return children(thing, settings=settings)[2]["spec"]["template"]["spec"]


def without_hash(manifest: Manifest) -> Manifest:
    found = copy.deepcopy(manifest)
    del found["metadata"]["annotations"][HASH]
    return found


# ---------------------------------------------------------------------- golden


def cases() -> dict[str, list[Manifest]]:
    camera = with_uid(make_camera(externalName="SAT-CM-01"))
    chain = make_pipeline(
        processing={"threshold": 3},
        output={"port": 9100, "service": {"type": "NodePort", "nodePort": 30100}},
        worker={"className": "full", "requests": {"memory": "2Gi"}},
    )
    pipeline = with_uid(chain)
    push = with_uid(make_camera("push", output={"mode": "Push"}, lifecycle={"mode": "Stopped"}))
    found = {}
    for name, thing in {"camera": camera, "pipeline-of-a-full-class": pipeline, "stopped-push-camera": push}.items():
        objects = {Key.of(one): one for one in (camera, thing)}
        addresses = Addresses(stream=lambda key, objects=objects: stream_address(objects[key]), gather=gather_address)
        config = resolve(thing, objects, place_of(thing, SETTINGS), addresses, None)
        found[name] = build_children(thing, config, SETTINGS, running=name != "stopped-push-camera")
    return found


def written(manifests: list[Manifest]) -> str:
    writer = YAML()
    writer.width = 140
    writer.representer.ignore_aliases = lambda *_: True
    stream = io.StringIO()
    writer.dump_all(manifests, stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", cases())
def test_pod_template_is_the_one_that_runs_everywhere(name: str) -> None:
    golden = list(YAML(typ="safe").load_all((GOLDEN / f"{name}.yaml").read_text()))
    assert cases()[name][2]["spec"]["template"] == golden[2]["spec"]["template"], (
        "THIS CHANGE REPLACES EVERY WORKER of every installation at its next upgrade: all streams break off for a moment. "
        f"Where that is worth it, tell it in CHANGELOG.md, and write the golden files anew with: {COMMAND}"
    )


@pytest.mark.parametrize("name", cases())
def test_children_are_as_they_were(name: str) -> None:
    assert written(cases()[name]) == (GOLDEN / f"{name}.yaml").read_text(), f"if that is meant: {COMMAND}"


def test_every_golden_file_is_compared() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(cases())


# ---------------------------------------------------------------------- what an edit changes


@pytest.mark.parametrize("edit", [*BY_CHANGE[Change.ROLLOUT], *BY_CHANGE[Change.IMMUTABLE]], ids=str)
def test_edit_that_a_running_worker_cannot_take_over_makes_a_new_pod(edit: Edit) -> None:
    assert template(edit.before) != template(edit.after)
    assert template(edit.before)["metadata"]["annotations"] != template(edit.after)["metadata"]["annotations"]


def test_scaling_leaves_pods_and_service_alone() -> None:
    given = {"address": "tcp://sender:9999", "mode": "Pull"}
    one, three = (children(make_pipeline(input=given, replicas=number)) for number in (1, 3))
    assert [found[2]["spec"]["replicas"] for found in (one, three)] == [1, 3]
    assert three[2]["spec"] == one[2]["spec"] | {"replicas": 3}
    assert one[1] == three[1]


@pytest.mark.parametrize("edit", [edit for edit in BY_CHANGE[Change.LIVE] if edit.path != "replicas"], ids=str)
def test_live_edit_changes_the_configuration_file_and_leaves_pod_and_service_alone(edit: Edit) -> None:
    before, after = children(edit.before), children(edit.after)
    assert before[0] != after[0]
    assert before[1:] == after[1:]


@pytest.mark.parametrize("edit", BY_CHANGE[Change.SERVICE], ids=str)
def test_edit_of_the_service_leaves_the_pod_alone(edit: Edit) -> None:
    before, after = children(edit.before), children(edit.after)
    assert before[1] != after[1]
    assert before[2] == after[2]


def test_there_is_an_edit_of_each_way_to_change() -> None:
    assert all(BY_CHANGE.values())


def test_stop_changes_nothing_of_the_deployment_but_its_replicas() -> None:
    runs, stopped = make_camera(), make_camera(lifecycle={"mode": "Stopped"})
    before, after = children(runs), children(stopped, running=False)
    assert (before[2]["spec"]["replicas"], after[2]["spec"]["replicas"]) == (1, 0)
    assert after[2]["spec"] == before[2]["spec"] | {"replicas": 0}
    assert before[1] == after[1]


def test_completed_pipeline_gets_no_worker_until_it_is_edited() -> None:
    pipeline = make_pipeline(selection={"records": 100})
    config = config_of(pipeline)
    status = PipelineStatus(phase=Phase.COMPLETED, config=ConfigStatus(ended_hash=config.digest()))
    assert ended_for_good(pipeline, config, status)
    assert children(pipeline, running=not ended_for_good(pipeline, config, status))[2]["spec"]["replicas"] == 0
    edited = make_pipeline(selection={"records": 200})
    assert not ended_for_good(edited, config_of(edited), status)


def test_equal_objects_give_equal_children() -> None:
    assert children(make_camera()) == children(make_camera())


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_whatever_differs_shows_in_the_hash(edit: Edit) -> None:
    for before, after in zip(children(edit.before), children(edit.after), strict=True):
        same_hash = before["metadata"]["annotations"][HASH] == after["metadata"]["annotations"][HASH]
        assert same_hash is (without_hash(before) == without_hash(after))


def test_identity_in_the_pod_is_that_of_its_configuration() -> None:
    camera = make_camera()
    assert template(camera)["metadata"]["annotations"] == {IDENTITY: config_of(camera).identity()}


# ---------------------------------------------------------------------- names, owner, configuration


@pytest.mark.parametrize(("thing", "name"), [(make_camera(), "cam-gun"), (make_pipeline(), "cpl-fit")])
def test_every_child_has_one_name_one_namespace_and_one_owner(thing: Camera | Pipeline, name: str) -> None:
    thing = with_uid(thing, namespace="beamline")
    found = children(thing)
    assert [child["kind"] for child in found] == ["ConfigMap", "Service", "Deployment"]
    assert child_name(Key.of(thing)) == name
    labels = {
        "app.kubernetes.io/name": "camstream-worker",
        "app.kubernetes.io/managed-by": "camstream-operator",
        "camstream.dev/kind": thing.kind,
        "camstream.dev/name": thing.name,
    }
    for child in found:
        metadata = child["metadata"]
        assert (metadata["name"], metadata["namespace"], metadata["labels"]) == (name, "beamline", labels)
        owner = {"apiVersion": "camstream.dev/v1alpha1", "kind": thing.kind, "name": thing.name, "uid": "0b0a8a5c", "controller": True}
        assert metadata["ownerReferences"] == [owner]
    selector = {"camstream.dev/kind": thing.kind, "camstream.dev/name": thing.name}
    config_map, service, deployment = found
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == selector
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    assert deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"]


def test_longest_name_still_fits_in_that_of_a_service() -> None:
    assert len(child_name(Key("Pipeline", "default", "a" * 40))) <= 63


def test_labels_and_annotations_of_users_are_not_taken_over() -> None:
    camera = make_camera()
    marked = camera.model_copy(update={"metadata": camera.metadata.model_copy(update={"labels": {"a": "b"}, "annotations": {"c": "d"}})})
    assert children(marked) == children(camera)


def test_configuration_file_is_what_a_worker_reads() -> None:
    pipeline = make_pipeline(processing={"threshold": 3}, externalName="FIT")
    text = children(pipeline)[0]["data"]["config.json"]
    assert WorkerConfig.model_validate_json(text) == config_of(pipeline)
    # Nothing at its default: older workers then understand all that does not use newer fields.
    assert json.loads(text)["pipeline"] == {"externalName": "FIT", "input": {"camera": {"name": "gun"}}, "processing": {"threshold": 3.0}}


# ---------------------------------------------------------------------- service


HTTP = {"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"}


@pytest.mark.parametrize(
    ("output", "kind", "ports", "address"),
    [
        pytest.param({}, "ClusterIP", [{"port": 9999}, HTTP], "tcp://cam-gun.default.svc:9999", id="plain"),
        pytest.param({"port": 9000}, "ClusterIP", [{"port": 9000}, HTTP], "tcp://cam-gun.default.svc:9000", id="another port"),
        pytest.param({"service": {"type": "NodePort"}}, "NodePort", [{"port": 9999}], "tcp://cam-gun.default.svc:9999", id="node port"),
        pytest.param(
            {"service": {"type": "NodePort", "nodePort": 30100}},
            "NodePort",
            [{"port": 9999, "nodePort": 30100}],
            "tcp://cam-gun.default.svc:9999",
            id="a certain node port",
        ),
        pytest.param(
            {"port": 9000, "service": {"type": "LoadBalancer"}},
            "LoadBalancer",
            [{"port": 9000}],
            "tcp://cam-gun.default.svc:9000",
            id="load balancer",
        ),
        pytest.param({"connect": "tcp://receiver:7000"}, "ClusterIP", [HTTP], "tcp://receiver:7000", id="connects"),
        pytest.param(
            {"connect": "tcp://receiver:7000", "service": {"type": "NodePort"}}, "ClusterIP", [HTTP], "tcp://receiver:7000", id="both"
        ),
    ],
)
def test_service_opens_the_stream_and_to_the_outside_nothing_else(output: Any, kind: str, ports: list[Any], address: str) -> None:
    camera = make_camera(output=output)
    spec = children(camera)[1]["spec"]
    stream = {"name": "stream", "targetPort": 9999, "protocol": "TCP"}
    assert spec["type"] == kind
    assert spec["ports"] == [port if port is HTTP else stream | port for port in ports]
    assert stream_address(camera) == address


# ---------------------------------------------------------------------- deployment and pod


@pytest.mark.parametrize(
    ("thing", "strategy"),
    [
        pytest.param(make_camera(), "RollingUpdate", id="every client gets everything from both"),
        pytest.param(make_camera(output={"mode": "Push"}), "Recreate", id="two would share out frames"),
        pytest.param(make_camera(output={"connect": "tcp://receiver:7000"}), "Recreate", id="a receiver would get both"),
        pytest.param(make_camera(source={"bsread": {"address": "tcp://a:1"}}), "Recreate", id="a source that is pulled"),
        pytest.param(make_camera(source={"bsread": {"address": "tcp://a:1", "mode": "Sub"}}), "RollingUpdate", id="a source for many"),
        pytest.param(make_pipeline(), "RollingUpdate", id="an input for many"),
        pytest.param(make_pipeline(input={"address": "tcp://a:1", "mode": "Pull"}), "Recreate", id="an input that is pulled"),
        pytest.param(make_camera(worker={"className": "full"}), "Recreate", id="two need the same ports of a node"),
    ],
)
def test_old_worker_goes_first_only_where_two_at_once_do_harm(thing: Camera | Pipeline, strategy: str) -> None:
    found = children(thing)[2]["spec"]["strategy"]
    assert found["type"] == strategy
    assert found.get("rollingUpdate") == ({"maxSurge": 1, "maxUnavailable": 0} if strategy == "RollingUpdate" else None)


def test_pod_may_do_nothing_that_a_worker_does_not_need() -> None:
    # What the Pod Security Standard "restricted" asks for, and no token.
    pod = pod_of(make_camera())
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"hostNetwork", "hostPID", "hostIPC"} & set(pod) == set()
    assert {tuple(volume) for volume in pod["volumes"]} == {("name", "configMap"), ("name", "emptyDir")}


def test_no_probe_looks_like_a_client_of_the_stream() -> None:
    (container,) = pod_of(make_camera())["containers"]
    probes = [container[name]["httpGet"]["port"] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert probes == [8080, 8080, 8080]


def test_class_says_how_its_pods_are() -> None:
    pod = pod_of(make_camera(worker={"className": "full"}))
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.org/camstream-worker:fast"
    assert container["env"] == [{"name": "EPICS_CA_ADDR_LIST", "value": "10.0.0.1"}]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["nodeSelector"] == {"camstream.dev/fast": "true"}
    assert pod["tolerations"] == [{"key": "fast", "operator": "Exists"}]
    assert (pod["priorityClassName"], pod["runtimeClassName"]) == ("high", "runc")
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert [volume["name"] for volume in pod["volumes"]] == ["config", "tmp", "data"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/etc/camstream", "/tmp", "/data"]


def test_plain_class_sets_nothing_beyond_a_plain_pod() -> None:
    pod = pod_of(make_camera())
    unset = {"imagePullSecrets", "nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "hostNetwork", "dnsPolicy"}
    assert unset & set(pod) == set()
    assert "env" not in pod["containers"][0]


@pytest.mark.parametrize("field", [{"workerImage": "camstream-worker:0.2.0"}, {"workerImagePullPolicy": "Always"}])
def test_new_image_of_the_installation_is_a_new_pod(field: dict[str, str]) -> None:
    changed = Settings.model_validate(SETTINGS.to_dict() | field)
    assert pod_of(make_camera(), changed) != pod_of(make_camera())


def test_class_is_refused_where_it_may_not_be_used() -> None:
    camera = make_camera(worker={"className": "beamline"})
    with pytest.raises(ClassNotAllowed, match="may not be used in namespace 'default'"):
        children(camera)
    assert children(with_uid(camera, namespace="beamline"))[2]["spec"]["template"]["spec"]["hostNetwork"] is True


def test_class_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ClassNotAllowed, match="'gpu' does not exist"):
        children(make_camera(worker={"className": "gpu"}))


@pytest.mark.parametrize(
    ("worker", "limits", "requests"),
    [
        pytest.param({}, {"memory": "1Gi"}, {"cpu": "100m", "memory": "256Mi"}, id="as the class says"),
        pytest.param({"requests": {"cpu": "2"}}, {"memory": "1Gi"}, {"cpu": "2", "memory": "256Mi"}, id="one of them"),
        pytest.param({"limits": {"cpu": "1"}}, {"cpu": "1", "memory": "1Gi"}, {"cpu": "100m", "memory": "256Mi"}, id="one more limit"),
        pytest.param(
            {"limits": {"memory": "200Mi"}}, {"memory": "200Mi"}, {"cpu": "100m", "memory": "200Mi"}, id="less than the class asks"
        ),
        pytest.param({"limits": {"cpu": "0.05"}}, {"cpu": "0.05", "memory": "1Gi"}, {"cpu": "0.05", "memory": "256Mi"}, id="less cores"),
        pytest.param(
            {"requests": {"memory": "2Gi"}, "limits": {"memory": "2Gi"}}, {"memory": "2Gi"}, {"cpu": "100m", "memory": "2Gi"}, id="both"
        ),
        pytest.param(
            {"className": "small"},
            {"cpu": "1500m", "memory": "1Gi"},
            {"cpu": "1500m", "memory": "1Gi"},
            id="a class that contradicts itself",
        ),
    ],
)
def test_resources_are_those_of_the_class_but_for_what_the_object_says(worker: Any, limits: Any, requests: Any) -> None:
    found = pod_of(make_camera(worker=worker))["containers"][0]["resources"]
    assert found == {"limits": limits, "requests": requests}
    assert all(bytes_or_cores(requests[name]) <= bytes_or_cores(limits[name]) for name in limits)


@pytest.mark.parametrize(
    ("worker", "told"),
    [
        ({"requests": {"memory": "2Gi"}}, "spec.worker.requests.memory 2Gi is more than the limit of 1Gi; set spec.worker.limits.memory"),
        ({"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}, "spec.worker.requests.cpu 2 is more than the limit of 1500m"),
    ],
)
def test_object_that_requests_more_than_it_may_use_is_told_so(worker: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        children(make_camera(worker=worker))


def test_no_resources_are_written_where_the_class_says_none() -> None:
    settings = Settings.model_validate(
        {"workerImage": "a", "workerClasses": [{"name": "default", "resources": {"requests": {}, "limits": {}}}]}
    )
    assert pod_of(make_camera(), settings)["containers"][0]["resources"] == {}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case, manifests in cases().items():
        (GOLDEN / f"{case}.yaml").write_text(written(manifests))
