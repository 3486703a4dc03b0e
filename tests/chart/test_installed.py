"""The chart on a real API server: what it accepts, what it warns about, and what is left of a release that is removed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import ApiServer, binary, running_api_server
from charts import CHART, NAMESPACE, RELEASE, Name, Objects, helm, rendered, settings
from ruamel.yaml import YAML
from waiting import wait_for

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
OTHER = "gun"
EVERYTHING = (
    "gateway.enabled=true",
    'gateway.auth="TokenReview"',
    'gateway.nodeSelector={"a": "b"}',
    'gateway.tolerations=[{"key": "a", "operator": "Exists"}]',
    'gateway.service.annotations={"a": "b"}',
    'networkPolicy.gateway.httpFrom=[{"ipBlock": {"cidr": "10.0.0.0/8"}}]',
    'networkPolicy.gateway.egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]',
    "networkPolicy.enabled=true",
    'networkPolicy.operator.egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]',
    "networkPolicy.workers.restrictEgress=true",
    'networkPolicy.workers.streamFrom=[{"ipBlock": {"cidr": "10.0.0.0/8"}}]',
    'networkPolicy.workers.httpFrom=[{"namespaceSelector": {}}]',
    'networkPolicy.workers.egress=[{"ports": [{"port": 5064}]}]',
    "backgrounds.persistence.enabled=true",
    'operator.nodeSelector={"a": "b"}',
    'operator.tolerations=[{"key": "a", "operator": "Exists"}]',
    'operator.affinity={"nodeAffinity": {}}',
    'operator.extraEnv=[{"name": "A", "value": "b"}]',
    'operator.podAnnotations={"a": "b"}',
    'operator.service.annotations={"prometheus.io/scrape": "true"}',
    'operator.priorityClassName="system-cluster-critical"',
    'imagePullSecrets=["registry"]',
    "monitoring.podMonitor.enabled=true",
    "monitoring.alerts.enabled=true",
    "monitoring.dashboards.enabled=true",
)
PROMETHEUS_OPERATOR = Path(__file__).with_name("prometheus_operator_crds.yaml")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With two namespaces where Pod Security is enforced, and the CustomResourceDefinitions."""
    with running_api_server(tmp_path_factory.mktemp("api-server")) as server:
        for name in (NAMESPACE, OTHER):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
            assert server.request("POST", "/api/v1/namespaces", body).status == 201
        definitions = [thing for name, thing in rendered().items() if name.kind == "CustomResourceDefinition"]
        definitions += YAML(typ="safe").load_all(PROMETHEUS_OPERATOR)
        kubectl(server, {"apiVersion": "v1", "kind": "List", "items": definitions}, "create")
        wait_for("all kinds are served", lambda: are_served(server, "cameras,pipelines,backgrounds,podmonitors,prometheusrules"))
        yield server


def are_served(server: ApiServer, kinds: str) -> bool:
    command = [binary("kubectl"), f"--kubeconfig={server.kubeconfig}", "get", kinds]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def kubectl(server: ApiServer, thing: dict[str, Any], *arguments: str) -> str:
    """Hand an object to kubectl; the words of the API server, its warnings among them."""
    command = [binary("kubectl"), f"--kubeconfig={server.kubeconfig}", *arguments, "--validate=strict", "-f", "-"]
    done = subprocess.run(command, input=json.dumps(thing), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def tried(server: ApiServer, thing: dict[str, Any]) -> str:
    """What the API server says to an object, without keeping it."""
    return kubectl(server, thing, "create", "--dry-run=server")


def pods(objects: Objects) -> list[dict[str, Any]]:
    """Every pod of the chart, also those that a Deployment would make."""
    templates = [thing["spec"]["template"] for name, thing in objects.items() if name.kind == "Deployment"]
    made = [{"apiVersion": "v1", "kind": "Pod", **part, "metadata": {"name": "made", "namespace": NAMESPACE}} for part in templates]
    return made + [thing for name, thing in objects.items() if name.kind == "Pod"]


@pytest.mark.parametrize(
    "values", [(), EVERYTHING, (*EVERYTHING, f'watchNamespaces=["{OTHER}"]')], ids=["default", "everything", "namespaced"]
)
def test_api_server_takes_every_object_without_a_warning(server: ApiServer, values: tuple[str, ...]) -> None:
    objects = {name: thing for name, thing in rendered(*values).items() if name.kind != "CustomResourceDefinition"}
    # Nothing but what was accepted, one line for each.
    said = kubectl(server, {"apiVersion": "v1", "kind": "List", "items": list(objects.values())}, "create", "--dry-run=server").splitlines()
    assert len(said) == len(objects), said
    assert all(line.endswith(" created (server dry run)") for line in said), said


@pytest.mark.parametrize("values", [(), EVERYTHING], ids=["default", "everything"])
def test_every_pod_fits_pod_security_restricted(server: ApiServer, values: tuple[str, ...]) -> None:
    objects = rendered(*values)
    found = pods(objects)
    assert len(found) == sum(name.kind in ("Deployment", "Pod") for name in objects) >= 2
    for pod in found:
        assert tried(server, pod) == f"pod/{pod['metadata']['name']} created (server dry run)\n"


def test_pod_security_is_enforced_where_these_tests_look(server: ApiServer) -> None:
    objects = rendered()
    for pod in pods(objects):
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        assert 'violates PodSecurity "restricted' in tried(server, pod)
    deployment = objects[Name("Deployment", NAMESPACE, "camstream-operator")]
    deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] = False
    assert "Warning: would violate PodSecurity" in tried(server, deployment)


@pytest.mark.parametrize("values", [(), EVERYTHING], ids=["default", "everything"])
def test_every_container_has_limits_and_a_root_that_cannot_be_written(values: tuple[str, ...]) -> None:
    for pod in pods(rendered(*values)):
        assert pod["spec"]["securityContext"]["runAsUser"] == 65532
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_release_is_installed_upgraded_rolled_back_and_removed_and_what_it_ran_stays(tmp_path: Path) -> None:
    with running_api_server(tmp_path) as server:
        at = (f"--kubeconfig={server.kubeconfig}", f"--namespace={NAMESPACE}")
        deployment = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/camstream-operator"
        volume = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/camstream-backgrounds"
        camera = f"/apis/camstream.dev/v1alpha1/namespaces/{NAMESPACE}/cameras"

        def replicas() -> Any:
            return server.request("GET", deployment).body["spec"]["replicas"]

        notes = helm("install", RELEASE, str(CHART), *at, "--create-namespace", *settings("backgrounds.persistence.enabled=true"))
        assert f"helm test camstream --namespace {NAMESPACE} --logs" in notes
        assert "runs the cameras and pipelines of all namespaces" in notes
        body = {
            "apiVersion": "camstream.dev/v1alpha1",
            "kind": "Camera",
            "metadata": {"name": "mine"},
            "spec": {"source": {"simulation": {}}},
        }
        wait_for("our kinds are served", lambda: are_served(server, "cameras,pipelines,backgrounds"))
        assert server.request("POST", camera, body).status == 201

        helm("upgrade", RELEASE, str(CHART), *at, "--reuse-values", *settings("operator.replicas=3"))
        assert replicas() == 3
        helm("rollback", RELEASE, "1", *at)
        assert replicas() == 2
        helm("uninstall", RELEASE, *at)
        assert server.request("GET", deployment).status == 404
        assert server.request("GET", volume).status == 200
        assert server.request("GET", f"{camera}/mine").status == 200
        assert len(server.request("GET", DEFINITIONS).body["items"]) == 3

        helm("install", RELEASE, str(CHART), *at, *settings("backgrounds.persistence.enabled=true"))
        assert server.request("GET", f"{camera}/mine").status == 200


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((f'watchNamespaces=["{OTHER}"]',), f"of these namespaces: {OTHER}."),
        (("crds.install=false",), "The CustomResourceDefinitions were not installed, because crds.install is false."),
        (("networkPolicy.enabled=true",), f"the NetworkPolicy of workers covers the namespace {NAMESPACE} only"),
        ((), "kubectl delete crd cameras.camstream.dev pipelines.camstream.dev backgrounds.camstream.dev"),
    ],
)
def test_notes_say_what_is_special_about_this_release(server: ApiServer, values: tuple[str, ...], words: str) -> None:
    at = (f"--kubeconfig={server.kubeconfig}", f"--namespace={NAMESPACE}")
    assert words in helm("install", RELEASE, str(CHART), *at, "--dry-run=client", "--take-ownership", *settings(*values))
