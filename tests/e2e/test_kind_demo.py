"""The demo on a cluster: applied, read through its Service by another pod, and what kubectl and helm say about it."""

import time

from cluster_runs import NAMESPACE, Workspace, figure
from kind import ROOT, USER

DEMO = ROOT / "configs" / "demo"


def table(workspace: Workspace, resource: str) -> dict[str, str]:
    """The columns of the only row."""
    head, row = workspace.kubectl("get", resource, "--output=wide").splitlines()
    starts = [head.index(name) for name in head.split()]
    return {name: row[start:end].strip() for name, start, end in zip(head.split(), starts, [*starts[1:], None], strict=True)}


def test_the_demo_becomes_ready_and_another_pod_reads_it_through_its_service(workspace: Workspace) -> None:
    started = time.monotonic()
    workspace.apply_files(DEMO)
    workspace.kubectl("wait", "--for=condition=Ready", "cpl", "--all", "--timeout=120s", timeout_s=130)
    figure("demo, from apply to Ready", time.monotonic() - started)
    address = f"tcp://cpl-demo-pipeline.{workspace.namespace}.svc:9999"
    assert workspace.address("pipeline/demo-pipeline") == address
    with workspace.reader("pipeline/demo-pipeline", ["width", "x_fit_mean", "slice_amount"]) as reader:
        readings = reader.wait_for("twenty frames", lambda found: len(found) >= 20)
        for resource, source in (
            ("camera/demo-camera", "simulation 1280x960"),
            ("pipeline/demo-pipeline", f"tcp://cam-demo-camera.{workspace.namespace}.svc:9999"),
        ):
            workspace.wait_for("one client", resource, lambda status: status["clients"] == 1)
            shown = table(workspace, resource)
            assert (shown["PHASE"], shown["READY"], shown["SIZE"], shown["CLIENTS"]) == ("Running", "True", "1280x960", "1")
            assert shown.get("SOURCE", shown.get("INPUT")) == source
            assert shown["ADDRESS"] == workspace.address(resource)
            assert shown["NODE"] == workspace.pod(resource)["spec"]["nodeName"]
            assert shown["MESSAGE"] == ""
    assert readings[-1].channels["width"] == 1280
    assert readings[-1].channels["slice_amount"] == 5
    # The beam goes round the middle, in a field of 10 mm.
    assert abs(readings[-1].channels["x_fit_mean"]) < 2000
    workspace.wait_for("no client", "pipeline/demo-pipeline", lambda status: status["clients"] == 0)


def test_a_worker_has_no_rights_and_nothing_to_write_to(workspace: Workspace) -> None:
    workspace.apply_files(DEMO)
    workspace.wait_until_ready("pipeline/demo-pipeline")
    name = workspace.pod("pipeline/demo-pipeline")["metadata"]["name"]

    def shell(script: str) -> str:
        return workspace.kubectl("exec", name, "--", "sh", "-c", script).strip()

    assert shell("id -u; id -g").split() == [str(USER), str(USER)]
    assert shell("ls /var/run/secrets 2>/dev/null || echo none") == "none"
    assert shell("touch /x /etc/camstream/x /opt/camstream/x 2>/dev/null || echo refused") == "refused"
    assert shell("touch /tmp/x && echo written") == "written"
    assert shell("grep -h ^CapEff /proc/1/status").split() == ["CapEff:", "0" * 16]
    # Of the API server only: other Services are found by DNS.
    assert shell("env | grep _SERVICE_HOST=").splitlines() == [shell("env | grep ^KUBERNETES_SERVICE_HOST=")]


def test_helm_test_reads_frames(workspace: Workspace) -> None:
    installation = workspace.installation
    said = installation.cluster.helm("test", "camstream", "--namespace", NAMESPACE, "--logs", "--timeout=180s")
    assert "Phase:          Succeeded" in said
    assert "20 messages in" in said
    installation.kubectl("delete", "pod", "--selector=app.kubernetes.io/component=test", "--wait=false")


def test_the_operator_runs_twice_on_different_nodes_and_one_of_them_leads(workspace: Workspace) -> None:
    installation = workspace.installation
    pods = installation.operators()
    assert len(pods) == 2
    assert len({pod["spec"]["nodeName"] for pod in pods}) == min(2, len(installation.cluster.nodes()))
    assert installation.who_says_to_lead() == [installation.leader()]
