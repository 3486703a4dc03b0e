"""The alerts: that Prometheus takes them, when each fires and when it does not, and what it says then."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from api_server import binary
from charts import ROOT, rendered
from metric_families import PROCESSES, families
from prometheus_tools import METRIC, alert_groups, alerts, promtool, write_rules
from ruamel.yaml import YAML

ALL = alerts()
CAMERA = {"namespace": "gun", "kind": "Camera", "name": "cam"}
STEP_S = 15
MINUTES = 15
"""Of every series; long enough for each window."""


def worker(metric: str, values: str, **labels: str) -> dict[str, str]:
    """A series of the worker of a camera."""
    return series(metric, values, **CAMERA, pod="cam-cam-1", **labels)


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    """:param values: as promtool writes them: ``0+5x60`` is 0, 5, 10 and so on"""
    inside = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
    return {"series": f"{metric}{{{inside}}}", "values": values}


def dropped(values: str, hop: str, reason: str) -> dict[str, str]:
    return worker("camstream_frames_dropped_total", values, hop=hop, reason=reason)


def of_operator(metric: str, values: str, **labels: str) -> dict[str, str]:
    return series(f"camstream_operator_{metric}", values, pod="operator-1", namespace="camstream", **labels)


def age(le: str, values: str) -> dict[str, str]:
    return worker("camstream_frame_age_seconds_bucket", values, le=le)


ONE, ZERO, GROWS, STANDS = "1x80", "0x80", "0+150x80", "500x80"
RECEIVED = worker("camstream_frames_received_total", GROWS)
PHASE = "camstream_operator_object_phase"


@dataclass(frozen=True)
class Case:
    """What is so, and what is told."""

    alert: str
    series: tuple[dict[str, str], ...]
    labels: Mapping[str, str] | None = None
    """Of the alert; None: it does not fire."""
    summary: str = ""
    what: str = "fires"
    description: str | None = field(default=None)


CASES = (
    Case(
        "CamstreamSourceDown",
        (worker("camstream_input_connected", ZERO), worker("camstream_completed", ZERO)),
        CAMERA,
        "Camera gun/cam gets no frames",
    ),
    Case("CamstreamSourceDown", (worker("camstream_input_connected", ONE), worker("camstream_completed", ZERO)), what="connected"),
    Case("CamstreamSourceDown", (worker("camstream_input_connected", ZERO), worker("camstream_completed", ONE)), what="completed"),
    Case(
        "CamstreamSourceDown",
        (worker("camstream_input_connected", f"{'1 ' * 56}0x2 1x4"), worker("camstream_completed", ZERO)),
        what="for a moment",
    ),
    Case(
        "CamstreamStreamStalled",
        (worker("camstream_input_connected", ONE), worker("camstream_frames_sent_total", STANDS), dropped(STANDS, "selection", "paused")),
        CAMERA,
        "Camera gun/cam sends nothing, although its source is there",
    ),
    Case("CamstreamStreamStalled", (worker("camstream_input_connected", ONE), worker("camstream_frames_sent_total", GROWS)), what="sends"),
    Case(
        "CamstreamStreamStalled",
        (worker("camstream_input_connected", ONE), worker("camstream_frames_sent_total", STANDS), dropped(GROWS, "selection", "paused")),
        what="paused",
    ),
    Case(
        "CamstreamStreamStalled",
        (worker("camstream_input_connected", ZERO), worker("camstream_frames_sent_total", STANDS)),
        what="has no source",
    ),
    Case(
        "CamstreamFramesLost",
        (RECEIVED, dropped("0+3x80", "input", "queue_full"), dropped(ZERO, "source", "late")),
        CAMERA,
        "Camera gun/cam loses 0.2 frames per second before they are processed",
    ),
    Case("CamstreamFramesLost", (RECEIVED, dropped("0+1x80", "input", "queue_full")), what="loses few"),
    Case("CamstreamFramesLost", (RECEIVED, dropped(GROWS, "selection", "downsampling")), what="drops on request"),
    Case(
        "CamstreamFramesFailed",
        (RECEIVED, worker("camstream_frames_failed_total", "0+15x80")),
        CAMERA,
        "Camera gun/cam cannot process 1 frames per second",
    ),
    Case("CamstreamFramesFailed", (RECEIVED, worker("camstream_frames_failed_total", "0+1x80")), what="fails seldom"),
    Case(
        "CamstreamMessagesLost",
        (dropped("0x45 1x20", "output", "slow_client"), dropped(ZERO, "output", "no_room")),
        CAMERA | {"reason": "slow_client"},
        "A reader of Camera gun/cam misses messages (slow_client)",
    ),
    Case("CamstreamMessagesLost", (dropped("0x5 1x75", "output", "slow_client"),), what="long ago"),
    Case("CamstreamMessagesLost", (dropped(GROWS, "output", "stopped"),), what="stopped"),
    Case(
        "CamstreamStreamLate",
        (age("1", ZERO), age("2", GROWS), age("+Inf", GROWS)),
        CAMERA,
        "Messages of Camera gun/cam leave 1.95s after their frame",
    ),
    Case("CamstreamStreamLate", (age("0.1", GROWS), age("1", GROWS), age("+Inf", GROWS)), what="in time"),
    Case(
        "CamstreamConfigRejected",
        (worker("camstream_config_rejected", ONE),),
        CAMERA,
        "Camera gun/cam refuses its newest configuration",
    ),
    Case("CamstreamConfigRejected", (worker("camstream_config_rejected", ZERO),), what="applied"),
    Case(
        "CamstreamWorkerRestarting",
        (worker("camstream_process_start_time_seconds", "100x40 200x8 300x20"),),
        CAMERA,
        "The worker of Camera gun/cam was started again 2 times in 10m",
    ),
    Case(
        "CamstreamWorkerRestarting",
        (series("camstream_operator_object_restarts_total", "0x30 1x8 2x10 3x30", **CAMERA),),
        CAMERA,
        "The worker of Camera gun/cam was started again 3 times in 10m",
        what="fires before it is ever seen",
    ),
    Case("CamstreamWorkerRestarting", (worker("camstream_process_start_time_seconds", "100x40 200x30"),), what="once"),
    Case(
        "CamstreamObjectNotRunning",
        (series(PHASE, ONE, **CAMERA, phase="Failed", pod="operator-1"),),
        CAMERA | {"phase": "Failed"},
        "Camera gun/cam does not run: Failed",
    ),
    Case("CamstreamObjectNotRunning", (series(PHASE, ONE, **CAMERA, phase="Running"),), what="runs"),
    Case("CamstreamObjectNotRunning", (series(PHASE, ONE, **CAMERA, phase="Stopped"),), what="stopped on request"),
    Case("CamstreamOperatorAway", (of_operator("leader", ZERO),), {}, "No operator reconciles"),
    Case("CamstreamOperatorAway", (), {}, "No operator reconciles", what="is not there"),
    Case("CamstreamOperatorAway", (of_operator("leader", ZERO), of_operator("leader", ONE, replica="2")), what="one of two leads"),
    Case(
        "CamstreamOperatorBehind",
        (of_operator("queue_oldest_age_seconds", "90x80"),),
        {"namespace": "camstream", "pod": "operator-1"},
        "The operator operator-1 does not keep up",
        description="An object has been waiting for 1m 30s to be looked after.",
    ),
    Case("CamstreamOperatorBehind", (of_operator("queue_oldest_age_seconds", "5x80"),), what="keeps up"),
    Case(
        "CamstreamOperatorErrors",
        (of_operator("reconcile_total", "0x40 1x40", kind="Camera", result="error"),),
        {"kind": "Camera"},
        "The operator fails to look after some Camera",
    ),
    Case("CamstreamOperatorErrors", (of_operator("reconcile_total", GROWS, kind="Camera", result="retry"),), what="tries again"),
    Case(
        "CamstreamOperatorOverruled",
        (of_operator("children_applied_total", "0+1x80", kind="Service", cause="drift"),),
        {"kind": "Service"},
        "Somebody changes a Service of the operator again and again",
        description="The operator has repaired it 40 times in 10m. Find out who writes to it: `kubectl get --show-managed-fields`.",
    ),
    Case("CamstreamOperatorOverruled", (of_operator("children_applied_total", GROWS, kind="Service", cause="changed"),), what="edits"),
    Case(
        "CamstreamStoreFilling",
        (series("camstream_gateway_store_free_bytes", "1048576x80"), series("camstream_gateway_store_size_bytes", "104857600x80")),
        {},
        "The store of backgrounds has 1MiB left",
    ),
    Case(
        "CamstreamStoreFilling",
        (series("camstream_gateway_store_free_bytes", "1048576x80"), series("camstream_gateway_store_size_bytes", "4194304x80")),
        what="has room",
    ),
    Case("CamstreamStoreAway", (series("camstream_gateway_store_answers", ZERO),), {}, "The store of backgrounds does not answer"),
    Case("CamstreamStoreAway", (series("camstream_gateway_store_answers", ONE),), what="answers"),
)


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    text = promtool("check", "rules", "--lint=all", str(write_rules(tmp_path / "rules.yaml", alert_groups())))
    assert f"{len(ALL)} rules found" in text


def test_every_metric_that_is_watched_exists(tmp_path: Path) -> None:
    exist = {one for process in PROCESSES for family in families(process, tmp_path) for one in family.series}
    assert {metric for rule in ALL.values() for metric in METRIC.findall(rule["expr"])} - exist == set()


def test_every_alert_is_tried_when_it_fires_and_when_it_does_not() -> None:
    assert list(ALL) == list(dict.fromkeys(case.alert for case in CASES if case.labels is not None))
    assert set(ALL) == {case.alert for case in CASES if case.labels is None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert} {case.what}".replace(" ", "-"))
def test_alert(case: Case, tmp_path: Path) -> None:
    rule = ALL[case.alert]
    expected = []
    if case.labels is not None:
        annotations = {name: filled(text, case.labels) for name, text in rule["annotations"].items()}
        annotations["summary"] = case.summary
        if case.description is not None:
            annotations["description"] = case.description
        expected = [{"exp_labels": dict(case.labels) | rule["labels"], "exp_annotations": annotations}]
    content = {
        "rule_files": [str(write_rules(tmp_path / "rules.yaml", alert_groups()))],
        "evaluation_interval": f"{STEP_S}s",
        "tests": [
            {
                "interval": f"{STEP_S}s",
                "input_series": list(case.series),
                "alert_rule_test": [{"eval_time": f"{MINUTES}m", "alertname": case.alert, "exp_alerts": expected}],
            }
        ],
    }
    file = tmp_path / "test.yaml"
    with file.open("w") as stream:
        YAML().dump(content, stream)
    assert "SUCCESS" in promtool("test", "rules", str(file))


def filled(text: str, labels: Mapping[str, str]) -> str:
    """Labels in the place of their names."""
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)


def test_values_of_the_chart_are_in_the_rules() -> None:
    found = json.dumps(
        alerts(
            'monitoring.alerts.for="7m"',
            'monitoring.alerts.window="33m"',
            "monitoring.alerts.lateSeconds=0.25",
            "monitoring.alerts.dropPercent=3",
            "monitoring.alerts.storeFreePercent=21",
            'monitoring.alerts.runbook="https://wiki.example/alerts"',
        )
    )
    for words in ('"for": "7m"', "[7m]", "[33m]", "> 0.25", "3 / 100", "21 / 100", "https://wiki.example/alerts#camstreamsourcedown"):
        assert words in found
    assert not re.search(r"<\w+>", found), "a place that no value fills"


def test_every_alert_says_how_bad_it_is_and_where_to_read_what_to_do() -> None:
    page = (ROOT / "docs/how-to/alerts.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", page, re.M) == list(ALL), "the page has a section for each, in the order of the rules"
    for name, rule in ALL.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["runbook_url"] == f"docs/how-to/alerts.md#{name.lower()}"


def pod_monitors(*values: str) -> dict[str, dict[str, Any]]:
    objects = rendered("monitoring.podMonitor.enabled=true", *values)
    return {name.name: thing["spec"] for name, thing in objects.items() if name.kind == "PodMonitor"}


def test_nothing_of_prometheus_operator_is_made_without_being_asked_for() -> None:
    assert not [name for name in rendered() if name.kind in {"PodMonitor", "PrometheusRule"}]


def test_workers_are_scraped_where_the_operator_looks_and_get_the_name_of_their_object() -> None:
    assert pod_monitors()["camstream-workers"]["namespaceSelector"] == {"any": True}
    spec = pod_monitors('watchNamespaces=["gun", "linac"]')["camstream-workers"]
    assert spec["namespaceSelector"] == {"matchNames": ["gun", "linac"]}
    [endpoint] = spec["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("http", "/metrics", "15s")
    targets = {rule["targetLabel"]: rule.get("sourceLabels") for rule in endpoint["relabelings"]}
    assert targets["kind"] == ["__meta_kubernetes_pod_label_camstream_dev_kind"]
    assert targets["name"] == ["__meta_kubernetes_pod_label_camstream_dev_name"]


def test_operator_keeps_the_namespace_of_an_object_that_it_tells_about() -> None:
    [endpoint] = pod_monitors()["camstream-operator"]["podMetricsEndpoints"]
    assert endpoint["honorLabels"] is True


def test_gateway_is_scraped_where_there_is_one_and_its_pod_is_the_one_that_is_selected() -> None:
    assert "camstream-gateway" not in pod_monitors()
    spec = pod_monitors("gateway.enabled=true")["camstream-gateway"]
    [deployment] = [
        thing for name, thing in rendered("gateway.enabled=true").items() if (name.kind, name.name) == ("Deployment", "camstream-gateway")
    ]
    pod = deployment["spec"]["template"]
    assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    [endpoint] = spec["podMetricsEndpoints"]
    ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
    assert (ports[endpoint["port"]], endpoint["path"]) == (8080, "/metrics")


# What the page on monitoring tells those who have no Prometheus Operator

PAGE = (ROOT / "docs/how-to/monitoring.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S), ids=["cluster", "machine"])
def test_prometheus_takes_the_configuration_of_the_page(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yaml"
    # Debian's Prometheus is built without Kubernetes. What the rules do with what Kubernetes tells is tried in tests/prometheus.
    file.write_text(text.replace("kubernetes_sd_configs: [{role: pod}]", 'static_configs: [{targets: ["127.0.0.1:1"]}]'))
    promtool("check", "config", "--syntax-only", str(file))


def test_commands_of_the_page_make_rules_that_prometheus_takes(tmp_path: Path) -> None:
    [command] = [text for text in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) if "promtool" in text]
    path = os.pathsep.join([*(str(Path(binary(name)).parent) for name in ("helm", "promtool")), os.environ["PATH"]])
    script = command.replace("camstream-alerts.yaml", str(tmp_path / "rules.yaml"))
    done = subprocess.run(["bash", "-ec", script], cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
    assert f"SUCCESS: {len(ALL)} rules found" in done.stdout, done.stdout + done.stderr
