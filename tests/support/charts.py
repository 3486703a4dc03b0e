"""The chart, rendered by helm."""

import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from api_server import binary
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "camstream"
RELEASE, NAMESPACE = "camstream", "beamline"

KUBE_VERSION = ("--kube-version", "1.34")
"""Without a cluster, helm takes the version of Kubernetes that it was built with, or an old one."""


class Name(NamedTuple):
    """How an object is found; without a namespace where it belongs to the whole cluster."""

    kind: str
    namespace: str | None
    name: str


Objects = dict[Name, dict[str, Any]]


def helm(*arguments: str, fails: bool = False) -> str:
    """What helm prints, or its errors where it must fail."""
    done = subprocess.run([binary("helm"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def template(*arguments: str, release: str = RELEASE, fails: bool = False) -> str:
    return helm("template", release, str(CHART), f"--namespace={NAMESPACE}", *KUBE_VERSION, *arguments, fails=fails)


def rendered(*values: str, release: str = RELEASE) -> Objects:
    """All objects of the chart.

    :param values: such as ``crds.keep=false``; what stands behind ``=`` is JSON
    """
    objects = [document for document in YAML(typ="safe").load_all(template(*settings(*values), release=release)) if document]
    named = {Name(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects}
    assert len(named) == len(objects), "two objects have the same name"
    return named


def settings(*values: str) -> list[str]:
    """As arguments of helm."""
    return [f"--set-json={value}" for value in values]
