"""``kubectl camstream`` on a real API server, started by kubectl as its plugin.

There are no kubelets: the worker is a process of this machine, and what a kubelet does (port-forward, logs) is tried on kind.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_server import binary
from operators import SIMULATION, Cluster
from workers import WorkerProcess, camera, simulation, worker

from camstream.names import HTTP_PORT, KIND_LABEL, MANAGED_BY, NAME_LABEL, OPERATOR

PLUGIN = Path(sys.executable).with_name("kubectl-camstream")
NAMESPACE = "beam"
SECRET = "hunter2-very-secret"
AT = "2026-11-21T12:00:00Z"


def own_address() -> str:
    """Of this machine, with room at the port of workers: the API server passes nothing on to loopback addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: it only asks which address would be used.
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((address, HTTP_PORT))
    return address


def status(name: str, prefix: str, phase: str = "Running", ready: str = "True", **more: Any) -> dict[str, Any]:
    """As the operator writes it."""
    conditions = [
        {"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": AT, "observedGeneration": 1}
        for kind, value, reason, message in (
            ("Active", "True", "Running", ""),
            ("ConfigApplied", "True", "Applied", ""),
            ("Ready", ready, "Streaming" if ready == "True" else "SourceTimeout", "" if ready == "True" else "the source is silent"),
        )
    ]
    stream = {"address": f"tcp://{prefix}-{name}.{NAMESPACE}.svc:9999", "mode": "Pub"}
    return {"observedGeneration": 1, "phase": phase, "conditions": conditions, "stream": stream, "clients": 1} | more


def labels(kind: str, name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "camstream-worker", MANAGED_BY: OPERATOR, KIND_LABEL: kind, NAME_LABEL: name}


@dataclass
class Plugin:
    """The plugin, as a user starts it."""

    environment: dict[str, str]
    folder: Path

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [binary("kubectl"), "camstream", *arguments]
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def says(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refuses(self, *arguments: str) -> str:
        """What it says when it does not do that."""
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout + done.stderr
        assert done.stderr.startswith("kubectl camstream: ")
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """The worker of `gun`."""
    config = camera(simulation(rate=20), name="gun") | {"httpHost": own_address(), "httpPort": HTTP_PORT}
    with worker(tmp_path_factory.mktemp("worker"), config) as process:
        yield process


@pytest.fixture(scope="module")
def objects(cluster: Cluster, running: WorkerProcess) -> Cluster:
    """A camera whose worker runs, and others without one. Nobody changes them."""
    cluster.make_namespace(NAMESPACE)
    cluster.make_namespace("empty")
    cluster.create("Camera", NAMESPACE, "gun", SIMULATION | {"externalName": "SARES20-CAMS142-M5"})
    cluster.create("Camera", NAMESPACE, "off", SIMULATION | {"lifecycle": {"mode": "Stopped"}})
    cluster.create("Camera", NAMESPACE, "pushed", SIMULATION | {"output": {"mode": "Push"}})
    cluster.create("Pipeline", NAMESPACE, "screen", {"input": {"camera": {"name": "gun"}}})
    cluster.create("Pipeline", NAMESPACE, "off", {"input": {"camera": {"name": "gun"}}})
    for kind, name, found in (
        ("Camera", "gun", status("gun", "cam")),
        ("Camera", "pushed", status("pushed", "cam", stream={"address": f"tcp://cam-pushed.{NAMESPACE}.svc:9999", "mode": "Push"})),
        ("Pipeline", "screen", status("screen", "cpl", phase="Waiting", ready="False")),
    ):
        cluster.edit(kind, NAMESPACE, name, {"status": found}, subresource="status")
    address = running.config["httpHost"]
    container = {
        "name": "worker",
        "image": "x",
        "env": [{"name": "EPICS_CA_ADDR_LIST", "value": "172.16.0.255"}, {"name": "ARCHIVE_LOGIN", "value": SECRET}],
    }
    cluster.create(
        "Pod", NAMESPACE, "cam-gun-1", {"nodeName": "node-1", "containers": [container]}, metadata={"labels": labels("Camera", "gun")}
    )
    cluster.set_pod(NAMESPACE, "cam-gun-1", {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]})
    return cluster


@pytest.fixture(scope="module")
def installation(objects: Cluster) -> str:
    """The namespace of an operator and a gateway, as far as an API server knows them."""
    namespace = objects.make_namespace("installed")
    for part in ("operator", "gateway"):
        marks = {"app.kubernetes.io/part-of": "camstream", "app.kubernetes.io/component": part}
        container = {"name": part, "image": "x", "args": ["--token", SECRET], "env": [{"name": "CAMSTREAM_TOKEN", "value": SECRET}]}
        template = {"metadata": {"labels": marks}, "spec": {"containers": [container]}}
        objects.create(
            "Deployment", namespace, part, {"selector": {"matchLabels": marks}, "template": template}, metadata={"labels": marks}
        )
        objects.create("Pod", namespace, f"{part}-1", {"nodeName": "node-1", "containers": [container]}, metadata={"labels": marks})
    return namespace


@pytest.fixture
def plugin(objects: Cluster, tmp_path: Path) -> Plugin:
    assert PLUGIN.exists(), f"{PLUGIN} is missing: install the package again (`make test` does)"
    path = os.pathsep.join([str(PLUGIN.parent), str(Path(binary("kubectl")).parent), os.environ["PATH"]])
    return Plugin(os.environ | {"PATH": path, "KUBECONFIG": str(objects.server.kubeconfig)}, tmp_path)


def test_status_shows_everything_of_a_namespace_and_what_is_wrong(plugin: Plugin) -> None:
    shown = plugin.says("status", "-n", NAMESPACE)
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if " Camera " in line or " Pipeline " in line}
    assert rows["gun"][1:3] == ["Camera", "Running"]
    assert rows["screen"][1:3] == ["Pipeline", "Waiting"]
    assert "the source is silent" in shown
    assert plugin.says("status", "-n", "empty") == "there are no cameras and pipelines in this namespace\n"
    assert f"namespace {NAMESPACE}" in plugin.says("status", "-A")


@pytest.mark.parametrize("name", ["gun", "camera/gun", "cam/gun", "SARES20-CAMS142-M5"])
def test_status_of_one_object_tells_what_its_worker_says(plugin: Plugin, running: WorkerProcess, name: str) -> None:
    running.wait_for_status("a rate", lambda found: found["sendRate"] > 5)
    [found] = json.loads(plugin.says("status", name, "--namespace", NAMESPACE, "--output", "json"))
    assert (found["name"], found["externalName"], found["phase"]) == ("gun", "SARES20-CAMS142-M5", "Running")
    assert found["rate"] > 5
    assert "Ready" in plugin.says("status", name, "-n", NAMESPACE)


def test_object_that_is_not_there_or_not_the_only_one_is_told(plugin: Plugin) -> None:
    assert "there is no 'none' in this namespace (there is camera/gun, camera/off," in plugin.refuses("status", "none", "-n", NAMESPACE)
    assert "'off' is the name of camera/off and pipeline/off; write one of these" in plugin.refuses("logs", "off", "-n", NAMESPACE)
    assert "'background' is no kind that has a stream" in plugin.refuses("status", "background/x", "-n", NAMESPACE)


def test_words_of_kubectl_are_passed_on(plugin: Plugin) -> None:
    assert "context was not found for specified context: elsewhere" in plugin.refuses("status", "--context", "elsewhere")


def test_snapshot_saves_the_newest_image(plugin: Plugin, running: WorkerProcess) -> None:
    running.wait_for_status("an image", lambda found: found["lastFrame"])
    assert plugin.says("snapshot", "gun", "-n", NAMESPACE) == "gun.png\n"
    data = (plugin.folder / "gun.png").read_bytes()
    # Width and height stand at the same place in every PNG.
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (64, 48)
    assert "pipeline/screen has no worker now (Waiting)" in plugin.refuses("snapshot", "screen", "-n", NAMESPACE)
    assert "cannot write /no/such/folder.png" in plugin.refuses("snapshot", "gun", "-n", NAMESPACE, "-o", "/no/such/folder.png")


def forwarding(plugin: Plugin, first: str) -> None:
    """Without kubelets no port can be forwarded: a script stands for kubectl where it forwards the port of `gun`.

    :param first: what it does, as a shell says it, before it waits
    """
    script = plugin.folder / "kubectl"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in\n*port-forward*service/cam-gun*:9999*) {first}; exec sleep 600;;\n'
        f'*) exec {binary("kubectl")} "$@";;\nesac\n'
    )
    script.chmod(0o755)
    plugin.environment["KUBECTL"] = str(script)


def test_tail_shows_the_messages_at_the_forwarded_port(plugin: Plugin, running: WorkerProcess) -> None:
    port = running.address.rpartition(":")[2]
    forwarding(plugin, f"echo 'Forwarding from 127.0.0.1:{port} -> 9999'")
    lines = plugin.says("tail", "gun", "-n", NAMESPACE, "--count", "3", "--output", "json").splitlines()
    pulses = [json.loads(line)["pulseId"] for line in lines]
    assert pulses == list(range(pulses[0], pulses[0] + 3))


def test_tail_says_why_there_is_nothing_to_show(plugin: Plugin) -> None:
    assert "pushes each message to one reader" in plugin.refuses("tail", "pushed", "-n", NAMESPACE)
    assert "camera/off has no stream in the cluster that could be forwarded (Pending)" in plugin.refuses(
        "tail", "camera/off", "-n", NAMESPACE
    )
    assert "cannot reach port 9999 of service/cpl-screen" in plugin.refuses("tail", "screen", "-n", NAMESPACE)


def test_tail_gives_up_where_no_port_is_forwarded(plugin: Plugin) -> None:
    # Nor does it end when it is told to.
    forwarding(plugin, "trap '' TERM")
    words = plugin.refuses("tail", "gun", "-n", NAMESPACE)
    assert "cannot reach port 9999 of service/cam-gun in beam: `kubectl port-forward` did not say within 20 s that it does" in words


@contextmanager
def stopped(process: WorkerProcess) -> Iterator[None]:
    """As a worker that hangs: its port takes connections, and nobody answers."""
    process.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.process.send_signal(signal.SIGCONT)


def test_worker_that_hangs_holds_up_nothing(plugin: Plugin, running: WorkerProcess) -> None:
    hangs = "the worker of camera/gun, pod cam-gun-1, did not answer within 10 s"
    forwarding(plugin, f"echo 'Forwarding from 127.0.0.1:{running.address.rpartition(':')[2]} -> 9999'")
    verbs = ("status gun", "snapshot gun", "tail gun --timeout 3", "report -o report.tar.gz")
    with stopped(running), ThreadPoolExecutor(len(verbs)) as pool:
        status_, snapshot, tail, report = pool.map(lambda verb: plugin.run(*shlex.split(verb), "-n", NAMESPACE), verbs)
    # What the operator has said is shown, and what is missing is told.
    assert (status_.returncode, "SARES20-CAMS142-M5" in status_.stdout, hangs in status_.stderr) == (0, True, True)
    assert (snapshot.returncode, hangs in snapshot.stderr) == (1, True)
    assert "`kubectl camstream reload camera/gun --restart` replaces it" in snapshot.stderr
    assert "no message within 3 s" in tail.stderr
    assert report.returncode == 0
    problems = in_report(plugin)["problems.txt"]
    assert f"workers/{NAMESPACE}/cam-gun-1/status.json: " in problems
    assert "did not end within 10 s" in problems


def test_reload_makes_the_operator_and_the_kubelet_look_and_waits_for_the_worker(plugin: Plugin, objects: Cluster) -> None:
    said = plugin.says("reload", "gun", "-n", NAMESPACE)
    assert said == f"camera/gun Running tcp://cam-gun.{NAMESPACE}.svc:9999\n"
    assert "camstream.dev/looked-at" in objects.get("Camera", NAMESPACE, "gun")["metadata"]["annotations"]
    assert "camstream.dev/config" in objects.get("Pod", NAMESPACE, "cam-gun-1")["metadata"]["annotations"]
    # Its status says nothing yet about a configuration.
    assert "timed out waiting for the condition" in plugin.refuses("reload", "camera/off", "-n", NAMESPACE, "--timeout", "1")


def test_reload_with_restart_rolls_the_deployment(plugin: Plugin, objects: Cluster) -> None:
    template = {"metadata": {"labels": labels("Camera", "gun")}, "spec": {"containers": [{"name": "worker", "image": "x"}]}}
    objects.create("Deployment", NAMESPACE, "cam-gun", {"selector": {"matchLabels": labels("Camera", "gun")}, "template": template})
    # Nobody makes its pods here.
    assert "rollout status" in plugin.refuses("reload", "gun", "-n", NAMESPACE, "--restart", "--timeout", "1")
    rolled = objects.get("Deployment", NAMESPACE, "cam-gun")["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in rolled


def test_wake_asks_for_an_object_and_refuses_one_that_was_stopped(plugin: Plugin, objects: Cluster) -> None:
    assert plugin.says("wake", "gun", "-n", NAMESPACE).startswith("camera/gun Running")
    assert objects.get("Camera", NAMESPACE, "gun")["metadata"]["annotations"]["camstream.dev/wake"] > AT
    words = plugin.refuses("wake", "camera/off", "-n", NAMESPACE)
    assert "camera/off is stopped on request; to run it: kubectl patch cameras.camstream.dev/off" in words
    # What it says to do works.
    command = words.partition("to run it: ")[2].strip()
    subprocess.run(["sh", "-c", command], env=plugin.environment, check=True, capture_output=True, timeout=60)
    assert objects.get("Camera", NAMESPACE, "off")["spec"]["lifecycle"]["mode"] == "Always"
    objects.edit("Camera", NAMESPACE, "off", {"spec": {"lifecycle": {"mode": "Stopped"}}})


def test_logs_are_those_of_kubectl_with_its_exit_code(plugin: Plugin) -> None:
    done = plugin.run("logs", "gun", "-n", NAMESPACE)
    # The node of this pod does not exist.
    assert done.returncode == 1
    assert "node-1" in done.stderr
    assert "say whose log: NAME, or --operator or --gateway" in plugin.refuses("logs", "-n", NAMESPACE)
    for part in ("operator", "gateway"):
        assert f"there is no {part} in the namespace that was given" in plugin.refuses("logs", f"--{part}", "-n", "empty")


def test_logs_of_an_installation_are_found_wherever_it_is(plugin: Plugin, installation: str) -> None:
    for part in ("operator", "gateway"):
        done = plugin.run("logs", f"--{part}")
        # The node of its pod does not exist.
        assert done.returncode == 1
        assert "node-1" in done.stderr, done.stderr


def in_report(plugin: Plugin) -> dict[str, str]:
    """Text of each file of report.tar.gz, which only its owner may read."""
    with tarfile.open(plugin.folder / "report.tar.gz") as archive:
        assert {entry.mode for entry in archive.getmembers()} == {0o600}
        return {name.partition("/")[2]: archive.extractfile(name).read().decode() for name in archive.getnames()}  # type: ignore[union-attr]


def test_report_holds_everything_and_no_secret(plugin: Plugin, objects: Cluster, running: WorkerProcess) -> None:
    data = {"config.json": json.dumps({"parameters": {"password": SECRET}, "name": "gun"}), "notes": f"see https://me:{SECRET}@archive/x"}
    objects.create("ConfigMap", NAMESPACE, "cam-gun", None, data=data, metadata={"labels": labels("Camera", "gun")})
    secret = {"metadata": {"name": "archive", "labels": labels("Camera", "gun")}, "stringData": {"key": SECRET}}
    assert objects.server.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret).status == 201
    said = plugin.says("report", "-n", NAMESPACE, "-o", "report.tar.gz")
    assert said.startswith("report.tar.gz: ")
    files = in_report(plugin)
    assert {"objects.yaml", "children.yaml", "events.txt", "problems.txt", "camstream.txt"} <= files.keys()
    assert f"workers/{NAMESPACE}/cam-gun-1/status.json" in files
    assert "camstream_frames_sent_total" in files[f"workers/{NAMESPACE}/cam-gun-1/metrics.txt"]
    assert "SARES20-CAMS142-M5" in files["objects.yaml"]
    assert "172.16.0.255" in files["children.yaml"]
    # No kubelet has the log.
    assert f"workers/{NAMESPACE}/cam-gun-1/log.txt: " in files["problems.txt"]
    assert "things could not be read" in said
    assert [name for name, text in files.items() if SECRET in text] == []
    assert "kind: Secret" not in "".join(files.values())


def test_report_holds_the_operator_and_the_gateway(plugin: Plugin, installation: str) -> None:
    plugin.says("report", "-n", NAMESPACE, "-o", "report.tar.gz")
    assert not [name for name in in_report(plugin) if name.startswith(("operator/", "gateway/"))]
    # Without a namespace, that of the context counts for the cameras, and the installation is looked for in all.
    plugin.says("report", "-o", "report.tar.gz")
    files = in_report(plugin)
    for part in ("operator", "gateway"):
        at = f"{part}/{installation}"
        assert {f"{at}/objects.yaml", f"{at}/events.txt", f"{at}/{part}-1/pod.yaml"} <= files.keys()
        assert f"name: {part}" in files[f"{at}/objects.yaml"]
        # No kubelet has them.
        for file in ("log.txt", "metrics.txt"):
            assert f"{at}/{part}-1/{file}: " in files["problems.txt"]
    assert [name for name, text in files.items() if SECRET in text] == []


def test_report_of_a_cluster_that_cannot_be_reached_is_not_written(plugin: Plugin) -> None:
    assert "failed: " in plugin.refuses("report", "-n", NAMESPACE, "--kubeconfig", "/nonexistent")
    assert not list(plugin.folder.glob("*.tar.gz"))
