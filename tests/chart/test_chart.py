"""What the chart installs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from charts import CHART, NAMESPACE, ROOT, Name, Objects, helm, rendered, template
from local_runs import CAMSTREAM, local_run, write
from ruamel.yaml import YAML
from waiting import wait_for

from camstream import __version__
from camstream.names import GATHER_PORT, HTTP_PORT, STREAM_PORT
from camstream.spec import parse_object
from camstream.spec.key import Key
from camstream_cli.local.state import running
from camstream_gateway.app import arguments
from camstream_operator.build.names import child_name, labels
from camstream_operator.settings import ClassResources, Settings, read_settings

KEEP = "helm.sh/resource-policy"
EVERYTHING = (
    "networkPolicy.enabled=true",
    "networkPolicy.workers.restrictEgress=true",
    "backgrounds.persistence.enabled=true",
    "gateway.enabled=true",
    "monitoring.podMonitor.enabled=true",
    "monitoring.alerts.enabled=true",
    "monitoring.dashboards.enabled=true",
)
OPERATOR = "camstream-operator"
DIGEST = f"sha256:{'a' * 64}"
METADATA: dict[str, Any] = YAML(typ="safe").load(CHART / "Chart.yaml")


def plain_crds() -> Objects:
    documents = [YAML(typ="safe").load(file) for file in (ROOT / "crds").glob("*.yaml")]
    return {Name("CustomResourceDefinition", None, document["metadata"]["name"]): document for document in documents}


def crds(objects: Objects) -> Objects:
    return {name: crd for name, crd in objects.items() if name.kind == "CustomResourceDefinition"}


def of_kind(objects: Objects, kind: str) -> list[dict[str, Any]]:
    return [thing for name, thing in objects.items() if name.kind == kind]


def operator_pod(*values: str) -> dict[str, Any]:
    """Template of the operator's pods."""
    template: dict[str, Any] = rendered(*values)[Name("Deployment", NAMESPACE, OPERATOR)]["spec"]["template"]
    return template


def operator_container(*values: str) -> dict[str, Any]:
    [container] = operator_pod(*values)["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def operator_settings(folder: Path, *values: str) -> Settings:
    """The settings file, read by the operator."""
    file = folder / "settings.yaml"
    file.write_text(rendered(*values)[Name("ConfigMap", NAMESPACE, OPERATOR)]["data"]["settings.yaml"])
    return read_settings(file)


def test_chart_has_nothing_to_complain_about() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_cluster_that_is_too_old_is_refused() -> None:
    assert "incompatible with Kubernetes v1.31" in template("--kube-version", "1.31", fails=True)


# Metadata


def test_version_of_the_chart_is_that_of_the_distribution() -> None:
    assert METADATA["version"] == METADATA["appVersion"] == __version__


def test_list_of_images_is_what_is_installed(tmp_path: Path) -> None:
    listed = YAML(typ="safe").load(METADATA["annotations"]["artifacthub.io/images"])
    assert listed == [
        {"name": "operator", "image": operator_container()["image"]},
        {"name": "worker", "image": operator_settings(tmp_path).worker_image},
    ]


def test_list_of_crds_is_what_is_installed_and_has_an_example_of_each() -> None:
    listed = YAML(typ="safe").load(METADATA["annotations"]["artifacthub.io/crds"])
    assert {(crd["name"], crd["kind"], crd["version"]) for crd in listed} == {
        (name.name, crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"]) for name, crd in plain_crds().items()
    }
    examples = YAML(typ="safe").load(METADATA["annotations"]["artifacthub.io/crdsExamples"])
    assert {parse_object(example).kind for example in examples} == {crd["kind"] for crd in listed}


# The gateway

GATEWAY = "camstream-gateway"


def gateway(*values: str) -> Objects:
    return {name: thing for name, thing in rendered("gateway.enabled=true", *values).items() if name.name == GATEWAY}


LIMIT = 512 << 20


def command_line(container: dict[str, Any]) -> list[str]:
    """Its arguments, with the limit of its memory [bytes] where the kubelet writes it."""
    [place] = [one for one in container["env"] if one.get("valueFrom", {}).get("resourceFieldRef") == {"resource": "limits.memory"}]
    assert container["resources"]["limits"]["memory"] == f"{LIMIT >> 20}Mi"
    return [str(LIMIT) if word == f"$({place['name']})" else word for word in container["args"]]


def gateway_container(*values: str) -> dict[str, Any]:
    [container] = gateway(*values)[Name("Deployment", NAMESPACE, GATEWAY)]["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def test_gateway_comes_only_on_request() -> None:
    assert not [name for name in rendered() if name.name == GATEWAY]
    assert {name.kind for name in gateway()} == {"Deployment", "Service", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"}


@pytest.mark.parametrize(
    ("values", "home", "namespaces"),
    [((), NAMESPACE, []), (('watchNamespaces=["gun"]',), "gun", ["gun"]), (('gateway.namespace="mine"',), "mine", [])],
    ids=["everywhere", "in one namespace", "with a namespace for new objects"],
)
def test_options_of_the_gateway_are_those_that_it_knows(
    monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...], home: str, namespaces: list[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["camstream-gateway", *command_line(gateway_container(*values))])
    args = arguments()
    assert (args.home, args.namespace, args.page_port, args.cameras_port, args.pipelines_port) == (home, namespaces, 8080, 8888, 8889)
    ports = {port["port"] for port in gateway(*values)[Name("Service", NAMESPACE, GATEWAY)]["spec"]["ports"]}
    assert ports == {args.page_port, args.cameras_port, args.pipelines_port}


def test_gateway_reads_pickles_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    for values, wanted in (((), False), (("gateway.allowPickle=true",), True)):
        monkeypatch.setattr("sys.argv", ["camstream-gateway", *command_line(gateway_container(*values))])
        assert arguments().allow_pickle is wanted


def test_gateway_without_rest_may_only_read_and_ask_for_streams() -> None:
    # To ask for a stream is an annotation.
    read, written = {"get", "list", "watch"}, {"create", "delete"}
    for value, verbs in (("false", read | {"update"}), ("true", read | {"update"} | written)):
        role = gateway(f"gateway.rest.enabled={value}")[Name("ClusterRole", None, GATEWAY)]
        assert rights(role) == {
            ("camstream.dev", "cameras"): verbs,
            ("camstream.dev", "pipelines"): verbs,
            # Records of what is stored are made in any case, and never edited.
            ("camstream.dev", "backgrounds"): read | {"create"} | (verbs & {"delete"}),
            ("camstream.dev", "backgrounds/status"): {"patch"},
            ("", "pods/log"): {"get"},
        }
    assert "--read-only" in gateway_container("gateway.rest.enabled=false")["args"]
    ports = {port["name"] for port in gateway("gateway.rest.enabled=false")[Name("Service", NAMESPACE, GATEWAY)]["spec"]["ports"]}
    assert ports == {"http"}


@pytest.mark.parametrize(
    ("values", "tokens", "review"),
    [
        ((), None, False),
        (('gateway.auth="None"',), None, False),
        (('gateway.tokensSecret="a"',), "/etc/camstream/tokens/tokens", False),
        (('gateway.auth="Tokens"', 'gateway.tokensSecret="a"'), "/etc/camstream/tokens/tokens", False),
        (('gateway.auth="TokenReview"',), None, True),
    ],
)
def test_gateway_asks_for_what_it_is_told_to_ask_for(
    monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...], tokens: str | None, review: bool
) -> None:
    monkeypatch.setattr("sys.argv", ["camstream-gateway", *command_line(gateway_container(*values))])
    args = arguments()
    assert (args.tokens and str(args.tokens), args.token_review, args.read_only) == (tokens, review, False)
    assert args.memory_limit == LIMIT
    # Also where the gateway looks at some namespaces only: these questions belong to no namespace.
    objects = rendered("gateway.enabled=true", 'watchNamespaces=["gun"]', *values)
    roles = {name.name: rights(thing) for name, thing in objects.items() if name.kind == "ClusterRole" and name.name.startswith(GATEWAY)}
    wanted = {("authentication.k8s.io", "tokenreviews"): {"create"}, ("authorization.k8s.io", "subjectaccessreviews"): {"create"}}
    assert roles == ({f"{GATEWAY}-reviews": wanted} if review else {})
    bindings = [thing for name, thing in objects.items() if name.kind == "ClusterRoleBinding" and name.name.startswith(GATEWAY)]
    account = {"kind": "ServiceAccount", "name": GATEWAY, "namespace": NAMESPACE}
    assert [binding["subjects"] for binding in bindings] == ([[account]] if review else [])


def test_gateway_keeps_what_clients_upload_in_the_volume() -> None:
    spec = gateway("backgrounds.persistence.enabled=true")[Name("Deployment", NAMESPACE, GATEWAY)]["spec"]
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in spec["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"store": "camstream-backgrounds"}
    # Two at a time could not mount it.
    assert spec["strategy"] == {"type": "Recreate"}


# CustomResourceDefinitions


def test_crds_are_exactly_those_of_the_repository_and_are_kept() -> None:
    found = crds(rendered())
    for crd in found.values():
        assert crd["metadata"].pop("annotations") == {KEEP: "keep"}
    assert found == plain_crds()
    assert len(found) == 3


def test_crds_go_with_the_chart_where_that_is_wanted() -> None:
    assert crds(rendered("crds.keep=false")) == plain_crds()


def test_crds_can_be_left_out() -> None:
    assert crds(rendered("crds.install=false")) == {}


# The operator


def test_operator_is_started_with_its_settings_and_knows_its_pod() -> None:
    container = operator_container()
    command = " ".join(container["command"] + container["args"])
    assert command == "camstream-operator --settings /etc/camstream/settings.yaml --http-port 8080 --log-level info"
    fields = {entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"] for entry in container["env"]}
    assert fields == {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in operator_pod()["spec"]["volumes"]}
    assert volumes[mounts["/etc/camstream"]]["configMap"] == {"name": OPERATOR}
    assert "emptyDir" in volumes[mounts["/tmp"]]


def test_one_of_two_replicas_is_always_there() -> None:
    objects = rendered()
    spec = objects[Name("Deployment", NAMESPACE, OPERATOR)]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    assert objects[Name("PodDisruptionBudget", NAMESPACE, OPERATOR)]["spec"]["maxUnavailable"] == 1
    [spread] = spec["template"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert spread["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]


def test_probes_leave_time_for_an_answer() -> None:
    container = operator_container()
    [port] = container["ports"]
    for name, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[name] == {"httpGet": {"path": path, "port": port["name"]}, "timeoutSeconds": 5}
    assert port["containerPort"] == 8080


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({"tag": "2"}, "camstream-operator:2"),
        ({"digest": DIGEST}, f"camstream-operator@{DIGEST}"),
        ({"repository": "registry.example/o", "tag": "2", "digest": DIGEST}, f"registry.example/o@{DIGEST}"),
    ],
)
def test_image_is_named_by_its_tag_or_by_its_digest(values: dict[str, str], image: str) -> None:
    assert operator_container(f"operator.image={json.dumps(values)}")["image"] == image


def test_operator_restarts_for_its_settings_and_for_nothing_else_of_the_values() -> None:
    def checksum(*values: str) -> Any:
        return operator_pod(*values)["metadata"]["annotations"]["checksum/config"]

    assert checksum('worker.image.tag="2"') != checksum()
    assert checksum("operator.replicas=3", "networkPolicy.enabled=true", "crds.install=false") == checksum()


# Settings


def test_operator_reads_the_default_settings(tmp_path: Path) -> None:
    settings = operator_settings(tmp_path)
    assert settings.namespaces == []
    assert settings.worker_image == f"camstream-worker:{__version__}"
    assert settings.worker_image_pull_policy == "IfNotPresent"
    assert settings.lease_name == OPERATOR
    assert [profile.name for profile in settings.worker_classes] == ["default"]
    assert settings.worker_classes[0].resources == ClassResources()


def test_every_field_of_the_settings_reaches_the_operator(tmp_path: Path) -> None:
    profile = {
        "name": "network",
        "image": "registry.example/worker:3",
        "imagePullSecrets": ["registry"],
        "nodeSelector": {"camera": "true"},
        "tolerations": [{"key": "camera", "operator": "Exists"}],
        "priorityClassName": "high",
        "runtimeClassName": "kata",
        "hostNetwork": True,
        "resources": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "4", "memory": "2Gi"}},
        "env": [{"name": "EPICS_CA_ADDR_LIST", "value": "172.16.0.255: yes"}],
        "volumes": [{"name": "records", "persistentVolumeClaim": {"claimName": "records"}}],
        "volumeMounts": [{"name": "records", "mountPath": "/records", "readOnly": True}],
        "filesFolder": "/records/files",
        "namespaces": ["gun"],
    }
    settings = operator_settings(
        tmp_path,
        f"workerClasses={json.dumps([{'name': 'default'}, profile])}",
        'watchNamespaces=["gun", "1234"]',
        'worker.image={"repository": "registry.example/worker", "tag": "2", "pullPolicy": "Always"}',
    )
    assert settings.namespaces == ["gun", "1234"]
    assert settings.worker_image == "registry.example/worker:2"
    assert settings.worker_image_pull_policy == "Always"
    assert settings.worker_classes[1].to_full_dict() == profile


def test_installations_side_by_side_elect_their_own_leaders(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(rendered(release="other")[Name("ConfigMap", NAMESPACE, "other-camstream-operator")]["data"]["settings.yaml"])
    assert read_settings(file).lease_name == "other-camstream-operator"


# Names and labels


@pytest.mark.parametrize("release", ["camstream", "a", "1e3", "a.b", f"{'a.' * 26}b"])
def test_every_name_is_one_that_kubernetes_takes(release: str) -> None:
    for name in rendered(*EVERYTHING, 'watchNamespaces=["1234"]', release=release):
        if name.kind in {"Camera", "Pipeline"}:
            assert len(name.name) <= 40
        if name.kind != "CustomResourceDefinition":
            assert isinstance(name.namespace, str | None)
            assert set(name.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
            assert len(name.name) <= 63


def test_every_object_says_where_it_comes_from() -> None:
    objects = rendered(*EVERYTHING)
    for thing in (objects[name] for name in objects.keys() - crds(objects).keys()):
        assert (
            thing["metadata"]["labels"].items()
            >= {
                "app.kubernetes.io/instance": "camstream",
                "app.kubernetes.io/part-of": "camstream",
                "app.kubernetes.io/managed-by": "Helm",
                "app.kubernetes.io/version": __version__,
                "helm.sh/chart": f"camstream-{__version__}",
            }.items()
        )


def test_every_selector_finds_the_operator_and_nothing_that_changes_with_a_version() -> None:
    objects = rendered("networkPolicy.enabled=true")
    pod = operator_pod()["metadata"]["labels"]
    selectors = [
        objects[Name("Deployment", NAMESPACE, OPERATOR)]["spec"]["selector"]["matchLabels"],
        objects[Name("Service", NAMESPACE, OPERATOR)]["spec"]["selector"],
        objects[Name("PodDisruptionBudget", NAMESPACE, OPERATOR)]["spec"]["selector"]["matchLabels"],
        objects[Name("NetworkPolicy", NAMESPACE, OPERATOR)]["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector == selectors[0]
        assert selector.items() <= pod.items()
    assert not any("version" in name or "chart" in name for name in selectors[0])
    [test_pod] = of_kind(objects, "Pod")
    assert not selectors[0].items() <= test_pod["metadata"]["labels"].items()


# Rights

OURS = ("cameras", "pipelines", "backgrounds")
OPERATOR_MAY = {
    # One that no watch has shown yet is asked for.
    ("camstream.dev", "backgrounds"): {"get", "list", "watch"},
    # What asks for it with lifecycle.deleteWhenIdle.
    **{("camstream.dev", plural): {"list", "watch", "delete"} for plural in ("cameras", "pipelines")},
    **{("camstream.dev", f"{plural}/status"): {"patch"} for plural in ("cameras", "pipelines")},
    ("apps", "deployments"): {"get", "list", "watch", "create", "patch"},
    ("", "services"): {"get", "list", "watch", "create", "patch"},
    ("", "configmaps"): {"get", "list", "watch", "create", "patch"},
    ("", "pods"): {"list", "watch", "patch"},
    ("", "events"): {"create", "patch"},
}
AT_HOME = {
    ("coordination.k8s.io", "leases"): {"create"},
    # Its own one only.
    ("coordination.k8s.io", f"leases {OPERATOR}"): {"get", "update"},
}


def rights(role: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Verbs by group and resource, which is followed by the names of those that are meant; each is in one rule only."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        assert rule.keys() - {"resourceNames"} == {"apiGroups", "resources", "verbs"}
        for resource in (" ".join([one, *rule.get("resourceNames", [])]) for one in rule["resources"]):
            [group] = rule["apiGroups"]
            assert (group, resource) not in found
            found[group, resource] = set(rule["verbs"])
    return found


def bound_roles(objects: Objects) -> dict[tuple[str | None, str], dict[tuple[str, str], set[str]]]:
    """What the operator's account may do: by namespace (none: everywhere) and name of the role."""
    [account] = of_kind(objects, "ServiceAccount")
    subject = {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": NAMESPACE}
    found = {}
    for binding in of_kind(objects, "ClusterRoleBinding") + of_kind(objects, "RoleBinding"):
        assert binding["subjects"] == [subject]
        reference, namespace = binding["roleRef"], binding["metadata"].get("namespace")
        role = objects[Name(reference["kind"], namespace, reference["name"])]
        found[namespace, reference["name"]] = rights(role)
    return found


def test_operator_may_do_everywhere_what_it_does_and_nothing_else() -> None:
    assert bound_roles(rendered()) == {(None, OPERATOR): OPERATOR_MAY, (NAMESPACE, f"{OPERATOR}-self"): AT_HOME}


def test_operator_of_some_namespaces_has_no_rights_in_others() -> None:
    objects = rendered(f'watchNamespaces=["gun", "{NAMESPACE}"]')
    assert bound_roles(objects) == {
        ("gun", OPERATOR): OPERATOR_MAY,
        (NAMESPACE, OPERATOR): OPERATOR_MAY,
        (NAMESPACE, f"{OPERATOR}-self"): AT_HOME,
    }


def test_nothing_of_the_whole_cluster_is_needed_for_some_namespaces() -> None:
    objects = rendered(*EVERYTHING, 'watchNamespaces=["gun"]', "crds.install=false", "rbac.aggregate=false")
    assert {name for name in objects if name.namespace is None} == set()


def test_rights_of_a_namespace_include_its_cameras() -> None:
    roles = {name.name: role for name, role in rendered().items() if name.kind == "ClusterRole" and name.name != OPERATOR}
    aggregated = {
        name: {label.rpartition("-")[2] for label in role["metadata"]["labels"] if label.startswith("rbac.authorization.k8s.io/")}
        for name, role in roles.items()
    }
    assert aggregated == {"camstream-view": {"view", "edit", "admin"}, "camstream-edit": {"edit", "admin"}}
    assert rights(roles["camstream-view"]) == {("camstream.dev", plural): {"get", "list", "watch"} for plural in OURS}
    writing = {"create", "update", "patch", "delete", "deletecollection"}
    assert rights(roles["camstream-edit"]) == {("camstream.dev", plural): writing for plural in OURS}


def test_pods_use_the_account_that_has_the_rights() -> None:
    values = "operator.serviceAccount.create=false", 'operator.serviceAccount.name="mine"'
    objects = rendered(*values)
    assert operator_pod(*values)["spec"]["serviceAccountName"] == "mine"
    assert {
        subject["name"] for kind in ("RoleBinding", "ClusterRoleBinding") for b in of_kind(objects, kind) for subject in b["subjects"]
    } == {"mine"}
    assert of_kind(objects, "ServiceAccount") == []


# Network

WORKER = labels(Key("Camera", "gun", "demo"))


def ingress(policy: dict[str, Any]) -> dict[int, Any]:
    """Who may come in, by port; None: anybody."""
    return {rule["ports"][0]["port"]: rule.get("from") for rule in policy["spec"]["ingress"]}


def test_nothing_restricts_the_network_by_default() -> None:
    assert of_kind(rendered(), "NetworkPolicy") == []


def test_policy_of_workers_covers_every_namespace_that_is_watched() -> None:
    objects = rendered("networkPolicy.enabled=true", 'watchNamespaces=["gun", "linac"]')
    assert {name.namespace for name in objects if name.kind == "NetworkPolicy" and name.name == "camstream-workers"} == {"gun", "linac"}
    everywhere = rendered("networkPolicy.enabled=true")
    assert {name.namespace for name in everywhere if name.kind == "NetworkPolicy"} == {NAMESPACE}


def test_streams_are_for_anybody_and_status_for_the_operator_alone() -> None:
    policy = rendered("networkPolicy.enabled=true")[Name("NetworkPolicy", NAMESPACE, "camstream-workers")]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= WORKER.items()
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    allowed = ingress(policy)
    assert set(allowed) == {STREAM_PORT, GATHER_PORT, HTTP_PORT}
    assert allowed[STREAM_PORT] is None
    [worker] = allowed[GATHER_PORT]
    assert worker.keys() == {"podSelector"}
    assert worker["podSelector"]["matchLabels"].items() <= WORKER.items()
    [peer] = allowed[HTTP_PORT]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": NAMESPACE}
    assert peer["podSelector"]["matchLabels"].items() <= operator_pod()["metadata"]["labels"].items()


def test_pipelines_and_the_test_read_streams_that_few_others_may_read() -> None:
    peer = '{"namespaceSelector": {"matchLabels": {"viewers": "true"}}}'
    objects = rendered("networkPolicy.enabled=true", f"networkPolicy.workers.streamFrom=[{peer}]", 'watchNamespaces=["gun"]')
    workers, test, other = ingress(objects[Name("NetworkPolicy", "gun", "camstream-workers")])[STREAM_PORT]
    assert workers.keys() == {"podSelector"}
    assert workers["podSelector"]["matchLabels"].items() <= WORKER.items()
    [test_pod] = of_kind(objects, "Pod")
    assert test["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": test_pod["metadata"]["namespace"]}
    assert test["podSelector"]["matchLabels"].items() <= test_pod["metadata"]["labels"].items()
    assert other == json.loads(peer)


def test_operator_reaches_dns_the_api_server_and_the_status_of_workers() -> None:
    egress = rendered("networkPolicy.enabled=true")[Name("NetworkPolicy", NAMESPACE, OPERATOR)]["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in egress] == [[53, 53], [443, 6443], [HTTP_PORT]]
    [peer] = egress[2]["to"]
    assert peer["namespaceSelector"] == {}
    assert peer["podSelector"]["matchLabels"].items() <= WORKER.items()


def test_gateway_reaches_the_api_server_and_workers_and_is_reached_by_those_who_are_named_and_by_workers() -> None:
    peer = '{"namespaceSelector": {"matchLabels": {"viewers": "true"}}}'
    policies = [
        gateway("networkPolicy.enabled=true", *values)[Name("NetworkPolicy", NAMESPACE, GATEWAY)]["spec"]
        for values in ((), (f"networkPolicy.gateway.httpFrom=[{peer}]",))
    ]
    labels_of_pod = gateway()[Name("Deployment", NAMESPACE, GATEWAY)]["spec"]["template"]["metadata"]["labels"]
    for policy in policies:
        assert policy["podSelector"]["matchLabels"].items() <= labels_of_pod.items()
        assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [443, 6443], [STREAM_PORT, HTTP_PORT]]
        [worker] = policy["egress"][2]["to"]
        assert worker["podSelector"]["matchLabels"].items() <= WORKER.items()
    [anybody] = policies[0]["ingress"]
    assert "from" not in anybody
    named, workers = policies[1]["ingress"]
    assert named == anybody | {"from": [json.loads(peer)]}
    assert [port["port"] for port in anybody["ports"]] == [8080, 8888, 8889]
    # They fetch their backgrounds.
    assert ([port["port"] for port in workers["ports"]], workers["from"]) == ([8080], [worker])


# Backgrounds


def test_volume_for_backgrounds_is_made_on_request_and_outlives_the_chart() -> None:
    assert of_kind(rendered(), "PersistentVolumeClaim") == []
    [volume] = of_kind(rendered("backgrounds.persistence.enabled=true"), "PersistentVolumeClaim")
    assert volume["metadata"]["annotations"] == {KEEP: "keep"}
    assert volume["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}


# helm test


@pytest.mark.parametrize(("watched", "namespace"), [("[]", NAMESPACE), (f'["gun", "{NAMESPACE}"]', NAMESPACE), ('["gun", "linac"]', "gun")])
def test_helm_test_reads_its_own_pipeline_where_the_operator_looks(watched: str, namespace: str) -> None:
    objects = rendered(f"watchNamespaces={watched}")
    [camera], [pipeline], [pod] = (of_kind(objects, kind) for kind in ("Camera", "Pipeline", "Pod"))
    assert parse_object(pipeline).metadata.namespace == parse_object(camera).metadata.namespace == namespace
    assert pipeline["spec"]["input"]["camera"]["name"] == camera["metadata"]["name"]
    [container] = pod["spec"]["containers"]
    stream = next(entry["value"] for entry in container["env"] if entry["name"] == "STREAM")
    key = Key("Pipeline", namespace, pipeline["metadata"]["name"])
    assert stream == f"tcp://{child_name(key)}.{namespace}.svc:{STREAM_PORT}"
    # Where `helm test --logs` looks.
    assert pod["metadata"]["namespace"] == NAMESPACE


def test_helm_test_makes_the_camera_before_its_reader_and_leaves_only_the_log_of_that() -> None:
    hooks = [thing["metadata"]["annotations"] for kind in ("Camera", "Pipeline", "Pod") for thing in of_kind(rendered(), kind)]
    assert {hook["helm.sh/hook"] for hook in hooks} == {"test"}
    away = "before-hook-creation,hook-succeeded"
    assert [hook["helm.sh/hook-delete-policy"] for hook in hooks] == [away, away, "before-hook-creation"]
    weights = [int(hook.get("helm.sh/hook-weight", "0")) for hook in hooks]
    assert weights == sorted(set(weights))


def test_helm_test_reads_frames(tmp_path: Path) -> None:
    objects = rendered("test.frames=3")
    [camera], [pipeline], [pod] = (of_kind(objects, kind) for kind in ("Camera", "Pipeline", "Pod"))
    write(tmp_path / "test.yaml", camera, pipeline)
    [container] = pod["spec"]["containers"]
    with local_run(tmp_path, str(tmp_path / "test.yaml")) as run:
        streams = wait_for(
            "the pipeline has a stream", lambda: [v.address for s in running(run.state) for v in s.objects if v.kind == "Pipeline"]
        )
        # The same script and variables, but for the address of the stream.
        variables = {entry["name"]: entry["value"] for entry in container["env"]} | {"STREAM": str(streams[0])}
        path = os.pathsep.join([str(Path(CAMSTREAM).parent), os.environ["PATH"]])
        command = [*container["command"], *container["args"]]
        done = subprocess.run(command, env=os.environ | variables | {"PATH": path}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pulse ") == 3
    assert "x_fit_mean" in done.stdout
