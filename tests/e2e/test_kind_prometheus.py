"""A real Prometheus reads a real installation: dashboards have data, alerts fire for their cause and clear after it.

It runs beside the tests and reaches pods through the API server, as `kubectl proxy` offers it; Kubernetes' own words about the pods are
told to it by a file.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from api_server import binary
from cluster_runs import NAMESPACE, Workspace, camera, manifest, pipeline
from kind import ROOT, Cluster
from prometheus_server import Prometheus, running_prometheus, target
from prometheus_tools import dashboards, expressions
from waiting import wait_for

from camstream.names import HTTP_PORT
from camstream_cli.cluster.kubectl import Kubectl, pod_path

SOON = ('monitoring.alerts.for="10s"', 'monitoring.alerts.window="90s"')
"""A worker that died twice is started again within this time, also by a kubelet that waits longer each time."""
INTERVAL = "2s"
WAIT_S = 240.0
CRDS = ROOT / "tests" / "chart" / "prometheus_operator_crds.yaml"
OF_THE_STORE = "store"
"""The dashboard of what the chart does not install yet."""

pytestmark = pytest.mark.timeout(900, func_only=True)


@contextmanager
def kubectl_proxy(cluster: Cluster) -> Iterator[str]:
    """Address at which the API server answers without asking who it is."""
    command = [binary("kubectl"), f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
            assert found, "kubectl proxy does not say where it listens"
            yield found[0]
        finally:
            process.terminate()


def targets(workspace: Workspace, proxy: str) -> list[dict[str, Any]]:
    """Every pod of the workspace and of the operator, as Kubernetes knows it now."""
    found = []
    for namespace, selector in (
        (workspace.namespace, "app.kubernetes.io/managed-by=camstream-operator"),
        (NAMESPACE, "app.kubernetes.io/part-of=camstream,app.kubernetes.io/component=operator"),
    ):
        for pod in workspace.cluster.get("pods", "--namespace", namespace, f"--selector={selector}")["items"]:
            if pod["status"].get("phase") == "Running":
                name = pod["metadata"]["name"]
                found.append(target(proxy, name, namespace, pod["metadata"]["labels"], pod_path(namespace, name, "/metrics")))
    return found


@pytest.fixture
def prometheus(workspace: Workspace, tmp_path: Path) -> Iterator[tuple[Prometheus, str]]:
    """Once it has read everything that runs."""
    # One camera reads another one, which comes later or goes.
    workspace.expected |= {"NoFrames", "Waiting", "SourceTimeout"}
    workspace.apply(
        camera("source", rate_hz=10),
        manifest(
            "Camera",
            "cam",
            source={
                "bsread": {
                    "address": f"tcp://cam-source.{workspace.namespace}.svc:9999",
                    "channel": "image",
                    "mode": "Sub",
                    "requireIncreasingPulseId": False,
                },
                "timeoutSeconds": 2,
            },
        ),
        pipeline("pipe"),
        camera("large", width=1280, height=960, rate_hz=10, output={"queueSize": 2}),
    )
    workspace.wait_until_ready("camera/source", "camera/cam", "camera/large", "pipeline/pipe")
    with (
        kubectl_proxy(workspace.cluster) as proxy,
        running_prometheus(tmp_path, targets(workspace, proxy), *SOON, interval=INTERVAL) as made,
    ):
        wait_for("all pods are read", lambda: {health for health, _ in made.targets().values()} == {"up"}, WAIT_S, 1)
        yield made, proxy


def test_dashboards_have_data(prometheus: tuple[Prometheus, str], workspace: Workspace) -> None:
    made, _ = prometheus
    wanted = {
        (name, place): text
        for name, dashboard in dashboards().items()
        if name != OF_THE_STORE
        for place, text in expressions(dashboard).items()
        # Nothing here uses a background.
        if "camstream_background_info" not in text
    }

    def all_have_data() -> bool:
        for place, text in list(wanted.items()):
            if made.query(text):
                del wanted[place]
        return not wanted

    try:
        wait_for("every expression has data", all_have_data, WAIT_S, 1)
    except AssertionError:
        raise AssertionError(f"without data: {wanted}") from None
    [one] = made.query(f'camstream_operator_object_phase{{namespace="{workspace.namespace}", name="pipe"}}')
    assert one["metric"]["phase"] == "Running"


def test_source_that_is_stopped_is_told_until_it_is_back(prometheus: tuple[Prometheus, str], workspace: Workspace) -> None:
    made, proxy = prometheus
    workspace.edit("camera/source", lifecycle={"mode": "Stopped"})
    made.wait_until_fired(("CamstreamSourceDown", "cam"), ("CamstreamSourceDown", "pipe"), timeout_s=WAIT_S)
    workspace.edit("camera/source", lifecycle={"mode": "Always"})
    workspace.wait_until_ready("camera/source", "camera/cam", "pipeline/pipe")
    made.scrape(targets(workspace, proxy))
    made.wait_until_cleared(WAIT_S)


def test_client_that_stands_still_is_told(prometheus: tuple[Prometheus, str], workspace: Workspace) -> None:
    made, _ = prometheus
    kubectl = Kubectl((f"--kubeconfig={workspace.cluster.kubeconfig}", f"--context={workspace.cluster.context}"))
    with (
        kubectl.forward(workspace.namespace, "service/cam-large", 9999) as port,
        zmq.Context() as context,
        context.socket(zmq.SUB) as socket,
    ):
        socket.linger, socket.rcvhwm = 0, 1
        socket.subscribe(b"")
        # It never reads.
        socket.connect(f"tcp://127.0.0.1:{port}")
        made.wait_until_fired(("CamstreamMessagesLost", "large"), timeout_s=WAIT_S)
    made.wait_until_cleared(WAIT_S)


def test_operator_that_is_away_is_told(prometheus: tuple[Prometheus, str], workspace: Workspace) -> None:
    made, proxy = prometheus
    workspace.installation.scale(0)
    try:
        made.scrape(targets(workspace, proxy))
        made.wait_until_fired(("CamstreamOperatorAway", ""), timeout_s=WAIT_S)
    finally:
        workspace.installation.scale(2)
    workspace.installation.wait_for_leader()
    made.scrape(targets(workspace, proxy))
    made.wait_until_cleared(WAIT_S)


def test_worker_that_dies_again_and_again_is_told(prometheus: tuple[Prometheus, str], workspace: Workspace) -> None:
    made, proxy = prometheus
    workspace.expected |= {"BackOff", "CrashLoopBackOff", "NoAnswer"}
    for deaths in (1, 2):
        # Python as the first process of its container does not end by SIGKILL from inside: it is asked to end, and begins again.
        workspace.kubectl("exec", workspace.pod("camera/cam")["metadata"]["name"], "--", "python", "-c", "import os; os.kill(1, 15)")
        wait_for("it is started again", lambda deaths=deaths: workspace.life("camera/cam")[1] >= deaths, WAIT_S, 1)
        workspace.wait_until_ready("camera/cam")
    made.wait_until_fired(("CamstreamWorkerRestarting", "cam"), timeout_s=WAIT_S)
    made.scrape(targets(workspace, proxy))
    made.wait_until_cleared(WAIT_S)


def test_objects_of_prometheus_operator_are_installed_and_removed_with_the_chart(workspace: Workspace) -> None:
    installation, cluster = workspace.installation, workspace.cluster
    cluster.kubectl("apply", "--server-side", "--filename", str(CRDS))
    try:
        wait_for("its kinds are served", lambda: cluster.try_kubectl("get", "podmonitors,prometheusrules").returncode == 0, 60, 1)
        parts = ("podMonitor", "alerts", "dashboards")
        installation.install(**{f"monitoring__{part}__enabled": True for part in parts})
        kinds = "podmonitors,prometheusrules,configmaps"
        made = cluster.get(kinds, "--namespace", NAMESPACE, "--selector=app.kubernetes.io/component=monitoring")["items"]
        assert {thing["kind"] for thing in made} == {"PodMonitor", "PrometheusRule", "ConfigMap"}
        [monitor] = [thing for thing in made if thing["metadata"]["name"] == "camstream-workers"]
        # What it selects is there, with the port that it names.
        workspace.apply(camera())
        workspace.wait_until_ready("camera/cam")
        pod = workspace.pod("camera/cam")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
        assert ports[monitor["spec"]["podMetricsEndpoints"][0]["port"]] == HTTP_PORT
    finally:
        installation.install()
        cluster.kubectl("delete", "--filename", str(CRDS), "--timeout=60s", timeout_s=70)
