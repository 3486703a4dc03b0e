"""``kubectl camstream`` on a cluster with nodes: what needs a kubelet, and the whole way of each verb."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from api_server import binary
from cluster_runs import NAMESPACE, Workspace, camera, pipeline


def plugin(workspace: Workspace, *arguments: str, folder: Path | None = None) -> str:
    """What the plugin says, started by kubectl."""
    path = os.pathsep.join([str(Path(sys.executable).parent), str(Path(binary("kubectl")).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "KUBECONFIG": workspace.cluster.kubeconfig}
    options = ["--context", workspace.cluster.context]
    if "-A" not in arguments and "--operator" not in arguments:
        options += ["--namespace", workspace.namespace]
    command = [binary("kubectl"), "camstream", *arguments, *options]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_day_of_somebody_with_a_camera(workspace: Workspace, tmp_path: Path) -> None:
    workspace.apply(camera(), pipeline())
    workspace.wait_until_ready("camera/cam", "pipeline/pipe")
    assert "Running" in plugin(workspace, "status")
    [found] = json.loads(plugin(workspace, "status", "cam", "--output", "json"))
    assert found["rate"] is not None
    assert found["drops"] is not None
    lines = plugin(workspace, "tail", "pipe", "--count", "5", "--output", "json").splitlines()
    assert len({json.loads(line)["pulseId"] for line in lines}) == 5
    assert plugin(workspace, "snapshot", "cam", folder=tmp_path) == "cam.png\n"
    assert (tmp_path / "cam.png").read_bytes().startswith(b"\x89PNG")
    assert "stream tcp://" in plugin(workspace, "logs", "cam")
    assert "INFO" in plugin(workspace, "logs", "--operator")
    assert plugin(workspace, "wake", "cam").startswith("camera/cam Running")


def test_reload_goes_on_and_restart_replaces_the_worker(workspace: Workspace) -> None:
    workspace.apply(camera())
    workspace.wait_until_ready("camera/cam")
    before = workspace.life("camera/cam")
    assert plugin(workspace, "reload", "cam").startswith("camera/cam Running")
    assert workspace.life("camera/cam") == before
    plugin(workspace, "reload", "cam", "--restart", "--timeout", "100")
    assert workspace.life("camera/cam")[0] != before[0]


def test_report_has_logs_status_and_the_operator(workspace: Workspace, tmp_path: Path) -> None:
    workspace.apply(camera())
    workspace.wait_until_ready("camera/cam")
    plugin(workspace, "report", "-A", "-o", "report.tar.gz", folder=tmp_path)
    with tarfile.open(tmp_path / "report.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    pod = workspace.pod("camera/cam")["metadata"]["name"]
    assert {f"workers/{workspace.namespace}/{pod}/{file}" for file in ("log.txt", "status.json", "metrics.txt", "pod.yaml")} <= names
    assert {f"operator/{NAMESPACE}/{file}" for file in ("objects.yaml", "leases.yaml", "events.txt")} <= names
    assert any(name.startswith(f"operator/{NAMESPACE}/") and name.endswith("/metrics.txt") for name in names)
