"""The values of the chart: described, checked and used."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from charts import CHART, rendered, settings, template
from pydantic.alias_generators import to_camel
from ruamel.yaml import YAML

from camstream_operator.settings import WorkerClass

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = YAML(typ="safe").load(CHART / "values.yaml")
README = (CHART / "README.md").read_text()


def leaves(schema: dict[str, Any] = SCHEMA, values: Any = VALUES, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value that can be set: its path, what the schema says about it, and its default."""
    for name, part in schema["properties"].items():
        inner = f"{path}.{name}" if path else name
        if "description" in part:
            yield inner, part["description"], values[name]
        else:
            yield from leaves(part, values[name], inner)


LEAVES = list(leaves())


def table() -> list[str]:
    """The rows that the README must have."""
    return [f"| `{path}` | `{json.dumps(default)}` | {meaning} |" for path, meaning, default in LEAVES]


def test_readme_has_a_row_for_every_value_and_class_field_and_no_other() -> None:
    fields = SCHEMA["properties"]["workerClasses"]["items"]["properties"]
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    assert rows == table() + [f"| `{name}` | {part['description']} |" for name, part in fields.items()]


def test_comments_in_the_values_say_what_the_schema_says() -> None:
    comments = [line.strip().removeprefix("# -- ") for line in (CHART / "values.yaml").read_text().splitlines() if "# -- " in line]
    assert comments == [meaning for _, meaning, _ in LEAVES]


def test_schema_knows_every_value_that_has_a_default() -> None:
    def paths(values: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
        for name, value in values.items():
            part = schema["properties"][name]
            inner = f"{path}.{name}" if path else name
            yield from [inner] if "description" in part else paths(value, part, inner)

    assert list(paths(VALUES, SCHEMA, "")) == [path for path, _, _ in LEAVES]


def test_fields_of_a_worker_class_are_those_that_the_operator_reads() -> None:
    fields = SCHEMA["properties"]["workerClasses"]["items"]["properties"]
    assert list(fields) == [to_camel(name) for name in WorkerClass.model_fields]


DIGEST = f"sha256:{'0' * 64}"
TOLERATION = '[{"key": "camera", "operator": "Exists"}]'
PEERS = '[{"podSelector": {"matchLabels": {"app": "viewer"}}}]'
NETWORK = "networkPolicy.enabled=true"
GATEWAY = "gateway.enabled=true"
PODS, ALERTS, DASHBOARDS = (f"monitoring.{part}.enabled=true" for part in ("podMonitor", "alerts", "dashboards"))

# One value each, and the values without which it means nothing.
USED: dict[str, tuple[str, ...]] = {
    "nameOverride": ('"other"',),
    "fullnameOverride": ('"other"',),
    "crds.install": ("false",),
    "crds.keep": ("false",),
    "watchNamespaces": ('["one"]',),
    "imagePullSecrets": ('["registry"]',),
    "operator.replicas": ("3",),
    "operator.logLevel": ('"debug"',),
    "operator.image.repository": ('"registry.example/operator"',),
    "operator.image.tag": ('"2"',),
    "operator.image.digest": (f'"{DIGEST}"',),
    "operator.image.pullPolicy": ('"Always"',),
    "operator.serviceAccount.create": ("false",),
    "operator.serviceAccount.name": ('"other"',),
    "operator.serviceAccount.annotations": ('{"a": "b"}',),
    "operator.service.annotations": ('{"a": "b"}',),
    "operator.podDisruptionBudget.enabled": ("false",),
    "operator.podDisruptionBudget.maxUnavailable": ('"50%"',),
    "operator.resources": ('{"limits": {"memory": "1Gi"}}',),
    "operator.nodeSelector": ('{"a": "b"}',),
    "operator.tolerations": (TOLERATION,),
    "operator.affinity": ('{"nodeAffinity": {}}',),
    "operator.topologySpreadConstraints": ('[{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]',),
    "operator.priorityClassName": ('"high"',),
    "operator.extraEnv": ('[{"name": "A", "value": "b"}]',),
    "operator.podLabels": ('{"a": "b"}',),
    "operator.podAnnotations": ('{"a": "b"}',),
    "worker.image.repository": ('"registry.example/worker"',),
    "worker.image.tag": ('"2"',),
    "worker.image.digest": (f'"{DIGEST}"',),
    "worker.image.pullPolicy": ('"Always"',),
    "workerClasses": ('[{"name": "default"}, {"name": "large"}]',),
    "gateway.enabled": ("true",),
    "gateway.rest.enabled": ("false", GATEWAY),
    "gateway.namespace": ('"beamline-2"', GATEWAY),
    "gateway.auth": ('"TokenReview"', GATEWAY),
    "gateway.tokensSecret": ('"tokens"', GATEWAY),
    "gateway.allowPickle": ("true", GATEWAY),
    "gateway.service.type": ('"LoadBalancer"', GATEWAY),
    "gateway.service.annotations": ('{"a": "b"}', GATEWAY),
    "gateway.resources": ('{"limits": {"memory": "1Gi"}}', GATEWAY),
    "gateway.nodeSelector": ('{"a": "b"}', GATEWAY),
    "gateway.tolerations": (TOLERATION, GATEWAY),
    "rbac.create": ("false",),
    "rbac.aggregate": ("false",),
    "networkPolicy.enabled": ("true",),
    "networkPolicy.operator.httpFrom": (PEERS, NETWORK),
    "networkPolicy.operator.apiServerPorts": ("[16443]", NETWORK),
    "networkPolicy.operator.egress": ('[{"ports": [{"port": 8081}]}]', NETWORK),
    "networkPolicy.gateway.httpFrom": (PEERS, NETWORK, GATEWAY),
    "networkPolicy.gateway.egress": ('[{"ports": [{"port": 8081}]}]', NETWORK, GATEWAY),
    "networkPolicy.workers.enabled": ("false", NETWORK),
    "networkPolicy.workers.streamFrom": (PEERS, NETWORK),
    "networkPolicy.workers.httpFrom": (PEERS, NETWORK),
    "networkPolicy.workers.restrictEgress": ("true", NETWORK),
    "networkPolicy.workers.egress": ('[{"ports": [{"port": 5064}]}]', NETWORK, "networkPolicy.workers.restrictEgress=true"),
    "backgrounds.persistence.enabled": ("true",),
    "backgrounds.persistence.existingClaim": ('"mine"', "backgrounds.persistence.enabled=true"),
    "backgrounds.persistence.size": ('"1Ti"', "backgrounds.persistence.enabled=true"),
    "backgrounds.persistence.storageClass": ('"fast"', "backgrounds.persistence.enabled=true"),
    "backgrounds.persistence.accessMode": ('"ReadWriteMany"', "backgrounds.persistence.enabled=true"),
    "backgrounds.persistence.keep": ("false", "backgrounds.persistence.enabled=true"),
    "monitoring.podMonitor.enabled": ("true",),
    "monitoring.podMonitor.labels": ('{"a": "b"}', PODS),
    "monitoring.podMonitor.interval": ('"1m"', PODS),
    "monitoring.alerts.enabled": ("true",),
    "monitoring.alerts.labels": ('{"a": "b"}', ALERTS),
    "monitoring.alerts.for": ('"1h"', ALERTS),
    "monitoring.alerts.window": ('"1h"', ALERTS),
    "monitoring.alerts.lateSeconds": ("0.5", ALERTS),
    "monitoring.alerts.dropPercent": ("0", ALERTS),
    "monitoring.alerts.storeFreePercent": ("25", ALERTS),
    "monitoring.alerts.runbook": ('"https://wiki.example/alerts"', ALERTS),
    "monitoring.dashboards.enabled": ("true",),
    "monitoring.dashboards.labels": ('{"a": "b"}', DASHBOARDS),
    "monitoring.dashboards.annotations": ('{"a": "b"}', DASHBOARDS),
    "test.frames": ("3",),
    "test.timeoutSeconds": ("60",),
}


def test_every_value_is_in_the_table_of_those_that_are_used() -> None:
    assert list(USED) == [path for path, _, _ in LEAVES if path != "global"]


@pytest.mark.parametrize("path", USED)
def test_value_changes_what_is_installed(path: str) -> None:
    value, *needed = USED[path]
    if not path.startswith("crds."):
        # Half of the time is theirs.
        needed.append("crds.install=false")
    assert rendered(*needed, f"{path}={value}") != rendered(*needed)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("crds.instal=true", "at '/crds': additional properties 'instal' not allowed"),
        ("crd.install=true", "additional properties 'crd' not allowed"),
        ("crds.keep=1", "at '/crds/keep': got number, want boolean"),
        ('operator.image.registry="here"', "at '/operator/image': additional properties 'registry' not allowed"),
        ('operator.image.digest="latest"', "at '/operator/image/digest': 'latest' does not match pattern '^(sha256:"),
        ('operator.logLevel="verbose"', "at '/operator/logLevel': value must be one of 'debug', 'info', 'warning', 'error'"),
        ("operator.replicas=-1", "at '/operator/replicas': minimum: got -1, want 0"),
        ('operator.podDisruptionBudget.maxUnavailable="all"', "at '/operator/podDisruptionBudget/maxUnavailable': 'all' does not match"),
        ('operator.extraEnv=[{"name": "POD_NAME", "value": "a"}]', "at '/operator/extraEnv/0/name': 'not' failed"),
        ('watchNamespaces="beamline"', "at '/watchNamespaces': got string, want array"),
        ('watchNamespaces=["Beam Line"]', "at '/watchNamespaces/0': 'Beam Line' does not match pattern"),
        ('watchNamespaces=["a", "a"]', "at '/watchNamespaces': items at 0 and 1 are equal"),
        ('imagePullSecrets=[{"name": "a"}]', "at '/imagePullSecrets/0': got object, want string"),
        ("workerClasses=[]", "at '/workerClasses': minItems: got 0, want 1"),
        ('workerClasses=[{"image": "a"}]', "at '/workerClasses/0': missing property 'name'"),
        ('workerClasses=[{"name": "default", "gpu": 1}]', "at '/workerClasses/0': additional properties 'gpu' not allowed"),
        (
            'workerClasses=[{"name": "default", "resources": {"requests": {"cpu": 1}}}]',
            "at '/workerClasses/0/resources/requests/cpu': got number, want string",
        ),
        (
            'workerClasses=[{"name": "a"}, {"name": "b"}]',
            'workerClasses: one of them must be named "default", for objects that name none; found: a, b',
        ),
        ('workerClasses=[{"name": "default"}, {"name": "default"}]', "workerClasses: each name may be given once; found: default, default"),
        ('backgrounds.persistence.accessMode="ReadOnlyMany"', "value must be one of 'ReadWriteOnce', 'ReadWriteMany', 'ReadWriteOncePod'"),
        ('gateway.auth="Basic"', "at '/gateway/auth': value must be one of '', 'None', 'Tokens', 'TokenReview'"),
        ("networkPolicy.operator.apiServerPorts=[]", "at '/networkPolicy/operator/apiServerPorts': minItems: got 0, want 1"),
        ('monitoring.alerts.window="ten minutes"', "at '/monitoring/alerts/window': 'ten minutes' does not match pattern"),
        ("monitoring.alerts.dropPercent=101", "at '/monitoring/alerts/dropPercent': maximum: got 101, want 100"),
        ("test.frames=0", "at '/test/frames': minimum: got 0, want 1"),
    ],
)
def test_wrong_value_is_refused_with_words(value: str, words: str) -> None:
    assert words in template(*settings(value), fails=True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (('gateway.auth="Tokens"',), "gateway.auth: Tokens needs the name of a Secret in gateway.tokensSecret"),
        (('gateway.auth="None"', 'gateway.tokensSecret="a"'), "gateway.auth: None does not use the Secret in gateway.tokensSecret (a)"),
        (('gateway.auth="TokenReview"', 'gateway.tokensSecret="a"'), "gateway.auth: TokenReview does not use the Secret"),
    ],
)
def test_ways_to_authenticate_that_contradict_each_other_are_refused(values: tuple[str, ...], words: str) -> None:
    assert words in template(*settings(GATEWAY, *values), fails=True)
