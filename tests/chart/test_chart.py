"""The chart, rendered by helm."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from api_server import binary, running_api_server
from ruamel.yaml import YAML

from camstream import __version__

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "camstream"
KEEP = "helm.sh/resource-policy"
# Without a cluster, helm takes the version of Kubernetes that it was built with, or an old one.
VERSION = ("--kube-version", "1.34")


def helm(*arguments: str, fails: bool = False) -> str:
    done = subprocess.run([binary("helm"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def rendered(*arguments: str) -> dict[str, Any]:
    """The objects of the chart, by name."""
    text = helm("template", "sample", str(CHART), *VERSION, *arguments)
    return {document["metadata"]["name"]: document for document in YAML(typ="safe").load_all(text) if document}


def plain_crds() -> dict[str, Any]:
    documents = [YAML(typ="safe").load(file) for file in (ROOT / "crds").glob("*.yaml")]
    return {document["metadata"]["name"]: document for document in documents}


def test_chart_has_nothing_to_complain_about() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_chart_installs_exactly_the_crds_of_the_repository_and_keeps_them() -> None:
    found = rendered()
    for crd in found.values():
        assert crd["metadata"].pop("annotations") == {KEEP: "keep"}
    assert found == plain_crds()
    assert len(found) == 3


def test_crds_go_with_the_chart_where_that_is_wanted() -> None:
    assert rendered("--set", "crds.keep=false") == plain_crds()


def test_crds_can_be_left_out() -> None:
    assert rendered("--set", "crds.install=false") == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("crds.instal=true", "additional properties 'instal' not allowed"),
        ("crd.install=true", "additional properties 'crd' not allowed"),
        ("crds.keep=1", "got number, want boolean"),
    ],
)
def test_wrong_value_is_refused(value: str, words: str) -> None:
    assert words in helm("template", "sample", str(CHART), *VERSION, "--set", value, fails=True)


def test_cluster_that_is_too_old_is_refused() -> None:
    assert "incompatible with Kubernetes v1.31" in helm("template", "sample", str(CHART), "--kube-version", "1.31", fails=True)


def test_version_of_the_chart_is_that_of_the_distribution() -> None:
    chart = YAML(typ="safe").load(CHART / "Chart.yaml")
    assert chart["version"] == chart["appVersion"] == __version__


def test_readme_and_schema_name_every_value() -> None:
    values = YAML(typ="safe").load(CHART / "values.yaml")
    schema = YAML(typ="safe").load(CHART / "values.schema.json")["properties"]
    readme = (CHART / "README.md").read_text()
    for group, members in values.items():
        for name in members:
            assert name in schema[group]["properties"]
            assert f"| `{group}.{name}` |" in readme


def test_crds_stay_when_the_release_is_removed_and_a_new_one_takes_them_over(tmp_path: Path) -> None:
    with running_api_server(tmp_path) as server:
        config = f"--kubeconfig={server.kubeconfig}"
        notes = helm("install", "sample", str(CHART), config)
        assert "kubectl get camstream" in notes
        helm("upgrade", "sample", str(CHART), config)
        helm("uninstall", "sample", config)
        crds = server.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions").body["items"]
        assert sorted(crd["metadata"]["name"] for crd in crds) == sorted(plain_crds())
        helm("install", "sample", str(CHART), config)
