"""promtool, and what the chart gives to Prometheus and Grafana."""

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from api_server import binary
from charts import CHART, rendered
from ruamel.yaml import YAML

METRIC = re.compile(r"\bcamstream_\w+")
VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*", "$name": ".*"}
"""What Grafana puts in the place of its variables."""


def promtool(*arguments: str, fails: bool = False) -> str:
    done = subprocess.run([binary("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def alert_groups(*values: str) -> list[dict[str, Any]]:
    """The groups of rules, as the chart makes them.

    :param values: of the chart, such as ``monitoring.alerts.for="1s"``
    """
    objects = rendered("monitoring.alerts.enabled=true", "crds.install=false", *values)
    [rule] = [thing for name, thing in objects.items() if name.kind == "PrometheusRule"]
    groups: list[dict[str, Any]] = rule["spec"]["groups"]
    return groups


def alerts(*values: str) -> dict[str, dict[str, Any]]:
    """Every alert, by its name."""
    return {rule["alert"]: rule for group in alert_groups(*values) for rule in group["rules"]}


def write_rules(file: Path, groups: Iterable[dict[str, Any]]) -> Path:
    with file.open("w") as stream:
        YAML().dump({"groups": list(groups)}, stream)
    return file


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard, by the name of its file."""
    return {file.stem: json.loads(file.read_text()) for file in sorted((CHART / "files" / "dashboards").glob("*.json"))}


def expressions(dashboard: dict[str, Any]) -> dict[str, str]:
    """Every expression of a dashboard without variables, by where it is."""
    found = {}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = without_variables(target["expr"])
    return found


def without_variables(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression
