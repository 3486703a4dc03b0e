"""A real Prometheus reads a real installation: dashboards have data, alerts fire for their cause and clear after it.

It runs beside the tests and reaches pods through the API server, as `kubectl proxy` offers it; Kubernetes' own words about the pods are
told to it by a file.
"""

import itertools
import json
import math
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from api_server import binary
from cam_server_client import PipelineClient
from cluster_runs import FIGHT, NAMESPACE, Workspace, camera, gateway_doors, manifest, pipeline
from kind import ROOT, Cluster, docker, small_pod
from prometheus_server import Prometheus, running_prometheus, target
from prometheus_tools import dashboards, expressions
from waiting import wait_for

from camstream.names import API_VERSION, HTTP_PORT
from camstream_cli.cluster.kubectl import Kubectl, pod_path

SOON = ('monitoring.alerts.for="5s"', 'monitoring.alerts.window="30s"')
"""Minutes are long in a test."""
LATER = ('monitoring.alerts.for="5s"', 'monitoring.alerts.window="90s"')
"""A worker that died twice is started again within this time, also by a kubelet that waits longer each time."""
INTERVAL = "2s"
HOOK_PORT, HOOK_S = 8443, 10
"""The API server waits no longer for what does not shake hands."""
STORE_MIB = 17
"""Room for eight backgrounds of one megapixel; what is left then is less than the tenth of which the alert tells."""
WAIT_S = 240.0
CRDS = ROOT / "tests" / "chart" / "prometheus_operator_crds.yaml"

NOT_ZERO = re.compile(
    r"camstream_(frames_(received|processed|sent)_total|bytes_(received|sent)_total|frame_age_seconds|processing_seconds|input_connected"
    r"|process_|last_sent|background_info|build_info|operator_(leader|objects|object_phase|canary|reconcile_total|reconcile_duration"
    r"|api_request|status_writes|children_applied|process_)|gateway_(store_(free|size|used)_bytes|store_files|store_answers"
    r"|store_writes|requests_total|request_seconds|held_most|process_))"
)
"""Of these some series must be above zero where streams run, are edited, and a background has been stored."""


def has_data(found: list[dict[str, Any]], expression: str) -> bool:
    """Whether series say something: 0 / 0 does not, and a zero only of what may be zero."""
    numbers = [number for one in found if not math.isnan(number := float(one["value"][1]))]
    return any(numbers) if NOT_ZERO.search(expression) else bool(numbers)


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
    """Every pod of the workspace, the operator and the gateway, as Kubernetes knows it now."""
    found = []
    for namespace, selector in (
        (workspace.namespace, "app.kubernetes.io/managed-by=camstream-operator"),
        (NAMESPACE, "app.kubernetes.io/part-of=camstream,app.kubernetes.io/component in (operator, gateway)"),
    ):
        for pod in workspace.cluster.get("pods", "--namespace", namespace, f"--selector={selector}")["items"]:
            if pod["status"].get("phase") == "Running":
                name = pod["metadata"]["name"]
                found.append(target(proxy, name, namespace, pod["metadata"]["labels"], pod_path(namespace, name, "/metrics")))
    return found


@contextmanager
def watching(workspace: Workspace, folder: Path, proxy: str) -> Iterator[Prometheus]:
    """A Prometheus, once it has read everything that runs."""
    with running_prometheus(folder, targets(workspace, proxy), *SOON, interval=INTERVAL) as made:
        wait_for("all pods are read", lambda: {health for health, _ in made.targets().values()} == {"up"}, WAIT_S, 1)
        yield made


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
    with kubectl_proxy(workspace.cluster) as proxy, watching(workspace, tmp_path, proxy) as made:
        yield made, proxy


@pytest.fixture
def gateway_url(workspace: Workspace) -> Iterator[str]:
    """Where cam_server's clients find the pipelines of this workspace."""
    workspace.installation.install(gateway__enabled=True, gateway__namespace=workspace.namespace)
    try:
        with gateway_doors(workspace.installation) as doors:
            yield doors[8889]
    finally:
        workspace.installation.install()


def test_dashboards_have_data(prometheus: tuple[Prometheus, str], workspace: Workspace, gateway_url: str) -> None:
    made, proxy = prometheus
    made.scrape(targets(workspace, proxy))
    # Before anything is stored: what was stored before the first look is no increase.
    wait_for("the gateway is read", lambda: made.query("camstream_gateway_build_info"), WAIT_S, 1)
    background = {"name": PipelineClient(gateway_url).collect_background("cam", 1)}
    workspace.apply(camera("corrected", background=background), pipeline("subtracting", processing={"background": background}))
    workspace.wait_until_ready("camera/corrected", "pipeline/subtracting")
    made.scrape(targets(workspace, proxy))
    wanted = {(name, place): text for name, dashboard in dashboards().items() for place, text in expressions(dashboard).items()}
    edits = itertools.count(1)

    def all_have_data() -> bool:
        # Something for the operator to do, so that it has times to tell.
        workspace.edit("camera/cam", geometry={"mirror": {"leftRight": bool(next(edits) % 2)}})
        for place, text in list(wanted.items()):
            if has_data(made.query(text), text):
                del wanted[place]
        return not wanted

    try:
        wait_for("every expression has data", all_have_data, WAIT_S, 1)
    except AssertionError:
        raise AssertionError(f"without data: {wanted}") from None
    assert [one["value"][1] for one in made.query("camstream_gateway_store_files")] == ["1"]
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
    workspace.expected |= {"BackOff", "CrashLoopBackOff", "NoAnswer", "NoFrames", "Waiting", "SourceTimeout", "Unhealthy"}
    made.use_rules(*LATER)

    def lives(after: int) -> bool:
        # One that has not answered yet may be too young to hear that it is to end.
        (worker,) = workspace.pod("camera/cam")["status"]["containerStatuses"]
        return worker["restartCount"] >= after and bool(worker["started"])

    for deaths in (1, 2):
        # Python as the first process of its container does not end by SIGKILL from inside: it is asked to end, and begins again.
        workspace.kubectl("exec", workspace.pod("camera/cam")["metadata"]["name"], "--", "python", "-c", "import os; os.kill(1, 15)")
        wait_for("it is started again", lambda deaths=deaths: lives(deaths), WAIT_S, 1)
        workspace.wait_until_ready("camera/cam")
    made.wait_until_fired(("CamstreamWorkerRestarting", "cam"), timeout_s=WAIT_S)
    made.scrape(targets(workspace, proxy))
    made.wait_until_cleared(WAIT_S)


def test_pipelines_that_are_slow_or_fail_or_refuse_or_wait_are_told(prometheus: tuple[Prometheus, str], workspace: Workspace) -> None:
    made, proxy = prometheus
    # One reads a camera that does not exist, one's script fails with every frame, and one cannot load its newest.
    workspace.expected |= {"CameraNotFound", "ScriptError", "Rejected"}
    good, bad = (f"def process_image(image, *_):\n    {line}\n" for line in ("return {}", "raise ValueError('no beam')"))
    slow = f"import time\n{good.replace('return', 'time.sleep(1.5); return')}"
    workspace.apply(
        # Frames that come meanwhile wait, and are dropped where there is no room.
        manifest("Pipeline", "slow", input={"camera": {"name": "cam"}}, script={"source": slow}),
        pipeline("failing", script={"source": bad}),
        pipeline("refusing", script={"source": good}),
        pipeline("waiting", camera="none"),
    )
    workspace.wait_until_ready("pipeline/refusing", "pipeline/slow")
    workspace.wait_for_phase("pipeline/failing", "Waiting")
    workspace.edit("pipeline/refusing", script={"source": "def process_image(image:"})
    made.scrape(targets(workspace, proxy))
    made.wait_until_fired(
        ("CamstreamFramesLost", "slow"),
        ("CamstreamStreamLate", "slow"),
        ("CamstreamFramesFailed", "failing"),
        ("CamstreamStreamStalled", "failing"),
        ("CamstreamConfigRejected", "refusing"),
        ("CamstreamObjectNotRunning", "waiting"),
        timeout_s=WAIT_S,
    )
    workspace.kubectl("delete", *(f"pipeline/{name}" for name in ("slow", "failing", "refusing", "waiting")))
    made.scrape(targets(workspace, proxy))
    made.wait_until_cleared(WAIT_S)


def test_somebody_who_changes_what_is_the_operators_is_told(prometheus: tuple[Prometheus, str], workspace: Workspace) -> None:
    workspace.expected |= {FIGHT}
    made, _ = prometheus
    edits = itertools.count(3)

    def fired() -> bool:
        change = json.dumps({"spec": {"revisionHistoryLimit": next(edits)}})
        workspace.kubectl("patch", "deployment/cam-large", f"--patch={change}")
        return ("CamstreamOperatorOverruled", "") in made.firing()

    wait_for("CamstreamOperatorOverruled fires", fired, WAIT_S, 1)
    made.wait_until_cleared(WAIT_S)


@pytest.fixture
def slow_writes(workspace: Workspace) -> Iterator[Callable[[], None]]:
    """An admission webhook that never answers: whoever writes in this namespace waits until the API server goes on without it. What is
    given takes it away."""
    cluster, name = workspace.cluster, f"silent-{workspace.namespace}"
    listens = f"import socket, time\nwith socket.create_server(('', {HOOK_PORT}), backlog=1000):\n    time.sleep(3600)\n"
    pod = small_pod("silent", workspace.installation.worker_image.name, ["python", "-c", listens])
    pod["metadata"]["labels"] = {"app": "silent"}
    service = {"selector": {"app": "silent"}, "ports": [{"port": 443, "targetPort": HOOK_PORT}]}
    workspace.apply(pod, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "silent"}, "spec": service})
    cluster.wait(workspace.namespace, "pod/silent", "condition=Ready")
    hook = {
        "name": "silent.example.org",
        "clientConfig": {"service": {"namespace": workspace.namespace, "name": "silent"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": workspace.namespace}},
        "failurePolicy": "Ignore",
        "timeoutSeconds": HOOK_S,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = "ValidatingWebhookConfiguration"
    made = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "webhooks": [hook]}

    def take_away() -> None:
        cluster.kubectl("delete", kind, name, "--ignore-not-found")

    try:
        cluster.kubectl("apply", "--filename=-", stdin=json.dumps(made))
        # Until every node knows where it listens, it is refused, and nobody waits.
        ask = ["--namespace", workspace.namespace, "create", "configmap", "held-up", "--dry-run=server", "--request-timeout=5s"]
        wait_for("writes are held up", lambda: cluster.try_kubectl(*ask).returncode, 60, 1)
        yield take_away
    finally:
        take_away()
        workspace.kubectl("delete", "pod", "silent", "--wait")


def test_operator_that_an_admission_webhook_holds_up_is_behind(
    workspace: Workspace, slow_writes: Callable[[], None], tmp_path: Path
) -> None:
    with kubectl_proxy(workspace.cluster) as proxy, watching(workspace, tmp_path, proxy) as made:
        # More than it works on within a minute.
        names = [f"cam-{number:03}" for number in range(160)]
        workspace.apply(*(camera(name, lifecycle={"mode": "Stopped"}) for name in names))
        made.wait_until_fired(("CamstreamOperatorBehind", ""), timeout_s=WAIT_S)
        slow_writes()

        def all_done() -> bool:
            found = workspace.get("cameras")["items"]
            return [one["metadata"]["name"] for one in found if one.get("status", {}).get("phase") == "Stopped"] == names

        wait_for("all are looked after", all_done, WAIT_S, 1)
        made.wait_until_cleared(WAIT_S)


FAULT = """
from camstream_operator.reconcile import Reconciler

reconcile = Reconciler.reconcile


async def faulty(self, key):
    if key.name == "unlucky":
        raise RuntimeError("what nobody expects")
    return await reconcile(self, key)


Reconciler.reconcile = faulty
"""
"""An operator of another version that has a fault."""


def test_operator_that_has_a_fault_is_told_and_looks_after_everything_else(workspace: Workspace, tmp_path: Path) -> None:
    installation = workspace.installation
    installation.settle()
    fault = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fault"}, "data": {"sitecustomize.py": FAULT}}
    workspace.cluster.apply(NAMESPACE, fault)
    container = {
        "name": "operator",
        "env": [{"name": "PYTHONPATH", "value": "/fault"}],
        "volumeMounts": [{"name": "fault", "mountPath": "/fault", "readOnly": True}],
    }
    pods = {"containers": [container], "volumes": [{"name": "fault", "configMap": {"name": "fault"}}]}
    try:
        installation.kubectl("patch", "deployment/camstream-operator", f"--patch={json.dumps({'spec': {'template': {'spec': pods}}})}")
        installation.wait_until_rolled_out()
        with kubectl_proxy(workspace.cluster) as proxy, watching(workspace, tmp_path, proxy) as made:
            workspace.apply(*(camera(name, lifecycle={"mode": "Stopped"}) for name in ("unlucky", "lucky")))
            made.wait_until_fired(("CamstreamOperatorErrors", ""), timeout_s=WAIT_S)
            workspace.wait_for_phase("camera/lucky", "Stopped")
            assert "status" not in workspace.get("camera/unlucky")
            installation.kubectl("rollout", "undo", "deployment/camstream-operator")
            installation.wait_until_rolled_out()
            workspace.wait_for_phase("camera/unlucky", "Stopped")
            made.scrape(targets(workspace, proxy))
            made.wait_until_cleared(WAIT_S)
    finally:
        if "/fault" in installation.kubectl("get", "deployment/camstream-operator", "--output=json"):
            installation.kubectl("rollout", "undo", "deployment/camstream-operator")
            installation.wait_until_rolled_out()
        installation.kubectl("delete", "configmap/fault")
    told = [line for line in installation.new_errors() if not line.startswith("Traceback")]
    assert told
    assert all("camera/unlucky: unexpected error" in line for line in told)


@pytest.fixture
def small_store(workspace: Workspace) -> Iterator[Callable[..., None]]:
    """A gateway whose store is in the memory of a node, and small; what is given runs a command in it."""
    cluster, name = workspace.cluster, f"store-{workspace.namespace}"
    node = next(found for found in cluster.nodes() if "control-plane" not in found)
    folder = f"/mnt/{name}"

    def on_node(*command: str) -> None:
        subprocess.run([docker(), "exec", node, *command], check=True, capture_output=True)

    on_node("mkdir", "-p", folder)
    on_node("mount", "-t", "tmpfs", "-o", f"size={STORE_MIB}m", "tmpfs", folder)
    size = {"storage": f"{STORE_MIB}Mi"}
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    place = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    volume = common | {"capacity": size, "local": {"path": folder}, "nodeAffinity": {"required": {"nodeSelectorTerms": place}}}
    claim = common | {"resources": {"requests": size}, "volumeName": name}
    try:
        for kind, spec in (("PersistentVolume", volume), ("PersistentVolumeClaim", claim)):
            cluster.apply(NAMESPACE, {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        persistence = {"enabled": True, "existingClaim": name}
        workspace.installation.install(gateway__enabled=True, gateway__namespace=workspace.namespace, backgrounds__persistence=persistence)
        yield lambda *command: on_node("sh", "-c", f"cd {folder} && {' '.join(command)}")
    finally:
        workspace.installation.install()
        cluster.kubectl("delete", "--namespace", NAMESPACE, "--timeout=60s", f"pvc/{name}", timeout_s=70)
        cluster.kubectl("delete", "--timeout=60s", f"pv/{name}", timeout_s=70)
        on_node("umount", folder)


def test_store_that_is_full_is_told_and_harms_nothing(workspace: Workspace, small_store: Callable[..., None], tmp_path: Path) -> None:
    workspace.apply(camera("cam", width=1024, height=1024, rate_hz=5))
    workspace.wait_until_ready("camera/cam")
    with (
        gateway_doors(workspace.installation) as doors,
        kubectl_proxy(workspace.cluster) as proxy,
        running_prometheus(tmp_path, targets(workspace, proxy), *SOON, interval=INTERVAL) as made,
    ):
        pipelines = PipelineClient(doors[8889])
        kept: list[str] = []

        def fill() -> None:
            while len(kept) < STORE_MIB:
                kept.append(pipelines.collect_background("cam", 1))

        with pytest.raises(ValueError, match="cannot be written: No space left on device; nothing was kept"):
            fill()
        assert kept
        spec = {"camera": {"name": "cam"}, "frames": 1}
        workspace.apply({"apiVersion": API_VERSION, "kind": "Background", "metadata": {"name": "late"}, "spec": spec})
        workspace.wait_for_condition("background/late", "Ready", "False", "StorageFull")
        assert pipelines.get_backgrounds("cam") == kept
        made.wait_until_fired(("CamstreamStoreFilling", ""), timeout_s=WAIT_S)
        # Somebody moves old ones away, as the guide says.
        small_store("rm", *(f"backgrounds/{workspace.namespace}/{name}.npy" for name in kept[:-1]))
        made.wait_until_cleared(WAIT_S)
        assert pipelines.collect_background("cam", 1) > kept[-1]
        # Somebody takes it away, as a server of files does that forgets who may read.
        small_store("chmod", "0", "backgrounds")
        made.wait_until_fired(("CamstreamStoreAway", ""), timeout_s=WAIT_S)
        with pytest.raises(ValueError, match="Permission denied; look at the store"):
            pipelines.collect_background("cam", 1)
        assert workspace.status("camera/cam")["phase"] == "Running"
        small_store("chmod", "2775", "backgrounds")
        made.wait_until_cleared(WAIT_S)
        assert pipelines.get_latest_background("cam") > kept[-1]


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
