"""A real Prometheus as a process of its own, with the rules of the chart and the scrape configuration of the docs."""

import json
import re
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api_server import binary
from charts import ROOT
from ports import free_port
from prometheus_tools import alert_groups, write_rules
from ruamel.yaml import YAML
from waiting import wait_for

PAGE = ROOT / "docs" / "how-to" / "monitoring.md"
META = "__meta_kubernetes"

Alert = tuple[str, str]
"""Name of the alert and, where it is about an object, that of the object."""


def worker_target(address: str, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
    """What Kubernetes would tell Prometheus about the pod of a worker."""
    labels = {"app.kubernetes.io/name": "camstream-worker", "camstream.dev/kind": kind, "camstream.dev/name": name}
    return target(address, f"worker-{name}", namespace, labels)


def other_target(address: str, component: str, namespace: str = "camstream") -> dict[str, Any]:
    """The same, of another pod of the chart."""
    return target(address, component, namespace, {"app.kubernetes.io/part-of": "camstream", "app.kubernetes.io/name": "camstream"})


def target(address: str, pod: str, namespace: str, labels: Mapping[str, str], path: str = "/metrics") -> dict[str, Any]:
    """What Kubernetes would tell about any pod.

    :param labels: of the pod
    :param path: of its metrics at ``address``
    """
    told = {f"{META}_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', name)}": value for name, value in labels.items()}
    told |= {f"{META}_namespace": namespace, f"{META}_pod_name": pod, f"{META}_pod_container_port_name": "http"}
    return {"targets": [address], "labels": told | {"__metrics_path__": path}}


class Prometheus:
    """Reads metrics and looks at the rules several times in a second, or as often as it is told to."""

    def __init__(self, folder: Path, interval: str = "500ms") -> None:
        self._folder, self._interval = folder, interval
        self._port = free_port()
        self.log = folder / "prometheus.log"
        self._targets = folder / "targets.json"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, targets: Sequence[Mapping[str, Any]], *values: str) -> None:
        """:param values: of the chart"""
        self.scrape(targets)
        write_rules(self._folder / "rules.yaml", alert_groups(*values))
        config = {
            "global": dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), self._interval),
            "rule_files": [str(self._folder / "rules.yaml")],
            "scrape_configs": self._scrape_configs(),
        }
        file = self._folder / "prometheus.yaml"
        with file.open("w") as stream:
            YAML().dump(config, stream)
        command = [
            binary("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for("Prometheus is ready", self._ready, 30)

    def _scrape_configs(self) -> list[dict[str, Any]]:
        """Those of the docs, told by a file what Kubernetes would tell."""
        text = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)[0]
        configs: list[dict[str, Any]] = YAML(typ="safe").load(text)["scrape_configs"]
        for config in configs:
            del config["kubernetes_sd_configs"]
            config["file_sd_configs"] = [{"files": [str(self._targets)], "refresh_interval": "1s"}]
        return configs

    def scrape(self, targets: Sequence[Mapping[str, Any]]) -> None:
        """Take these from now on."""
        fresh = self._targets.with_suffix(".new")
        fresh.write_text(json.dumps(targets))
        fresh.replace(self._targets)

    def use_rules(self, *values: str) -> None:
        """Take the rules that the chart makes with other values."""
        assert self._process is not None
        write_rules(self._folder / "rules.yaml", alert_groups(*values))
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(20)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"Prometheus ended with {self._process.returncode}:\n{self.log.read_text()[-3000:]}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def api(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        found: list[dict[str, Any]] = self.api("query", query=expression)["result"]
        return found

    def targets(self) -> dict[str, tuple[str, str]]:
        """Pods that are read: their health and what went wrong."""
        return {one["labels"]["pod"]: (one["health"], one["lastError"]) for one in self.api("targets")["activeTargets"]}

    def firing(self) -> set[Alert]:
        return {
            (one["labels"]["alertname"], one["labels"].get("name", "")) for one in self.api("alerts")["alerts"] if one["state"] == "firing"
        }

    def wait_until_fired(self, *alerts: Alert, timeout_s: float = 60.0) -> None:
        """Until each of these has fired; they need not do so at the same time."""
        left = set(alerts)

        def look() -> bool:
            left.difference_update(self.firing())
            return not left

        try:
            wait_for("alerts fire", look, timeout_s, 0.2)
        except AssertionError:
            raise AssertionError(f"not within {timeout_s} s: {sorted(left)}; firing: {sorted(self.firing())}") from None

    def wait_until_cleared(self, timeout_s: float = 60.0) -> None:
        try:
            wait_for("alerts clear", lambda: not self.firing(), timeout_s, 0.2)
        except AssertionError:
            raise AssertionError(f"still firing after {timeout_s} s: {sorted(self.firing())}") from None


@contextmanager
def running_prometheus(folder: Path, targets: Sequence[Mapping[str, Any]], *values: str, interval: str = "500ms") -> Iterator[Prometheus]:
    """Stopped at the end.

    :param values: of the chart, for the rules
    """
    found = Prometheus(folder, interval)
    try:
        found.start(targets, *values)
        yield found
    finally:
        found.stop()
