"""A Kubernetes cluster for tests, the images on its nodes, kubectl and helm, and pods that read streams.

The first of these that there is:

1. the cluster of ``KUBECONFIG``. One that is not of kind must be named in ``CAMSTREAM_E2E_CONTEXT`` as well, because tests install
   CustomResourceDefinitions and drain nodes; its nodes must be able to pull the images;
2. the one that ``cluster/up`` makes, in ``CAMSTREAM_SHARED`` or ``../shared``;
3. ``kind create cluster`` with the node image ``KIND_NODE_IMAGE``, or that of kind. It stays, and is found again.

Images have the names that ``make images`` gives: ``OPERATOR_IMAGE``, ``WORKER_IMAGE`` and ``IMAGE_TAG``.
"""

import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from api_server import binary
from waiting import wait_for

from camstream import __version__

ROOT = Path(__file__).parents[2]
NAME = "camera"
"""Of the cluster that is found or made; the one that ``cluster/up`` makes by default."""
TWO_NODES = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}, {role: worker}]\n"
USER = 65532
PAUSE_S = 0.25
"""Between two questions to the API server [s]."""
BUILD_S, CREATE_S, LOAD_S = 1800.0, 2400.0, 600.0


class CommandError(AssertionError):
    """A command failed."""


@dataclass(frozen=True)
class Image:
    repository: str
    tag: str

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def full_name(self) -> str:
        """As containerd calls it."""
        first, slash, _ = self.repository.partition("/")
        if not slash:
            return f"docker.io/library/{self.name}"
        return self.name if "." in first or ":" in first or first == "localhost" else f"docker.io/{self.name}"


@dataclass(frozen=True)
class Images:
    operator: Image
    worker: Image


@dataclass(frozen=True)
class Reading:
    """One message of a stream, as a reader in the cluster saw it."""

    pulse_id: int
    sent_s: float
    received_s: float
    channels: Mapping[str, Any]


def missing_pulses(readings: Sequence[Reading]) -> list[int]:
    """Pulse ids between the first and the last that did not come."""
    seen = {reading.pulse_id for reading in readings}
    return sorted(set(range(min(seen), max(seen))) - seen) if seen else []


def longest_gap_s(readings: Sequence[Reading]) -> float:
    """Longest time without a message [s]."""
    return max((after.received_s - before.received_s for before, after in pairwise(readings)), default=0.0)


def image_names(environment: Mapping[str, str] = os.environ) -> Images:
    tag = environment.get("IMAGE_TAG", __version__)
    return Images(
        Image(environment.get("OPERATOR_IMAGE", "camstream-operator"), tag), Image(environment.get("WORKER_IMAGE", "camstream-worker"), tag)
    )


def build_images() -> Images:
    """``make images``; what did not change comes from docker's cache."""
    docker()
    images = image_names()
    variables = [
        f"OPERATOR_IMAGE={images.operator.repository}",
        f"WORKER_IMAGE={images.worker.repository}",
        f"IMAGE_TAG={images.worker.tag}",
    ]
    _run(["make", "--no-print-directory", "images", *variables], timeout_s=BUILD_S)
    return images


def docker() -> str:
    """Path of a docker client whose engine answers. Without it the test is skipped, and in CI it fails."""
    found = binary("docker")
    if subprocess.run([found, "info"], capture_output=True, check=False, timeout=60).returncode:
        _does_not_run("docker's engine does not answer (see `docker info`)")
    return found


class Cluster:
    """A running cluster."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self._kubectl = binary("kubectl")
        self._environment = {"KUBECONFIG": kubeconfig}

    @property
    def kind_name(self) -> str | None:
        """What kind calls it; None where it is not of kind."""
        return self.context.removeprefix("kind-") if self.context.startswith("kind-") else None

    def try_kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run kubectl; a failure is an answer like any other."""
        return _try([self._kubectl, "--context", self.context, *arguments], self._environment, stdin, timeout_s)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        """What kubectl writes.

        :raises CommandError: if it fails
        """
        return _run([self._kubectl, "--context", self.context, *arguments], self._environment, stdin, timeout_s)

    def get(self, *arguments: str) -> Any:
        """``kubectl get`` as JSON."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def apply(self, namespace: str, *manifests: Mapping[str, Any]) -> None:
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        self.kubectl("--namespace", namespace, "apply", "--filename", "-", stdin=items)

    def helm(self, *arguments: str, timeout_s: float = 300) -> str:
        """What helm writes.

        :raises CommandError: if it fails
        """
        return _run([binary("helm"), "--kube-context", self.context, *arguments], self._environment, timeout_s=timeout_s)

    def wait(self, namespace: str, resource: str, condition: str, timeout_s: float = 120) -> None:
        """``kubectl wait``; the resource may come later.

        :param condition: such as ``condition=Ready`` or ``jsonpath={.status.phase}=Running``
        :raises CommandError: if it does not become true
        """
        for what in ("create", condition):
            self.kubectl("--namespace", namespace, "wait", resource, f"--for={what}", f"--timeout={timeout_s:g}s", timeout_s=timeout_s + 10)

    def nodes(self) -> list[str]:
        """Nodes of the cluster: those that run the control plane first."""
        label = "node-role.kubernetes.io/control-plane"
        metadata = [node["metadata"] for node in self.get("nodes")["items"]]
        return [node["name"] for node in sorted(metadata, key=lambda node: (label not in node["labels"], node["name"]))]

    def let_every_node_run_pods(self) -> None:
        """So that a drained node leaves a place to go."""
        # kubectl calls it an error when there is nothing to take away.
        self.try_kubectl("taint", "nodes", "--all", "node-role.kubernetes.io/control-plane:NoSchedule-")

    def load(self, images: Images) -> None:
        """Bring images to the nodes that do not have exactly these."""
        name = self.kind_name
        if name is None:
            return
        for image in {images.operator, images.worker}:
            identity = _run([docker(), "image", "inspect", "--format", "{{.Id}}", image.name]).strip()
            without = [node for node in self.nodes() if not self._has(node, image, identity)]
            if without:
                command = [binary("kind"), "load", "docker-image", image.name, "--name", name, "--nodes", ",".join(without)]
                _run(command, timeout_s=LOAD_S)

    @contextmanager
    def also_tagged(self, image: Image, tag: str) -> Iterator[Image]:
        """The same image under another tag, on every node."""
        found = Image(image.repository, tag)
        _run([docker(), "tag", image.name, found.name])
        try:
            self.load(Images(found, found))
            yield found
        finally:
            _run([docker(), "image", "rm", found.name])

    def _has(self, node: str, image: Image, identity: str) -> bool:
        # containerd lists an image under its name and under its id, both with the digest of its manifest.
        lines = _run([docker(), "exec", node, "ctr", "--namespace", "k8s.io", "images", "ls"]).splitlines()
        digests = {columns[0]: columns[2] for columns in map(str.split, lines) if len(columns) > 2}
        there = digests.get(image.full_name)
        return there is not None and there in (identity, digests.get(identity))

    @contextmanager
    def kept_logs(self) -> Iterator["KeptLogs | None"]:
        """The logs of all containers from now on, those of pods that are gone as well; None where the cluster is not of kind."""
        if self.kind_name is None:
            yield None
            return
        kept = KeptLogs(self.nodes())
        try:
            yield kept
        finally:
            kept.end()

    @contextmanager
    def namespace(self, prefix: str = "test", level: str = "restricted") -> Iterator[str]:
        """A namespace that is gone at the end, with everything in it.

        :param level: Pod Security level that it enforces
        """
        name = f"{prefix}-{secrets.token_hex(3)}"
        self.kubectl("create", "namespace", name)
        try:
            self.kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={level}")
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--timeout=120s", timeout_s=130)

    def logs(self, namespace: str, *arguments: str) -> str:
        """What pods wrote, or the reason why that is not known.

        :param arguments: such as ``pod/x``, ``deployment/x``, ``--selector=...``, ``--previous``
        """
        done = self.try_kubectl("--namespace", namespace, "logs", "--tail=-1", *arguments)
        return done.stdout if done.returncode == 0 else done.stderr

    def describe(self, namespace: str) -> str:
        """Everything that helps to understand a failure: objects, events, and the last lines of every pod."""
        parts = [
            self.try_kubectl("--namespace", namespace, "get", "all", "--output", "wide").stdout,
            self.try_kubectl("--namespace", namespace, "get", "cameras,pipelines,backgrounds", "--output", "yaml").stdout,
            self.try_kubectl("--namespace", namespace, "events").stdout,
        ]
        for pod in self.get("pods", "--namespace", namespace)["items"]:
            name = pod["metadata"]["name"]
            text = self.try_kubectl("--namespace", namespace, "logs", name, "--all-containers", "--tail=30")
            parts.append(f"--- {name}\n{text.stdout}{text.stderr}")
        return "\n".join(parts)

    def read_frames(
        self, namespace: str, address: str, count: int = 1, channels: Sequence[str] = (), image: Image | None = None, timeout_s: float = 60
    ) -> list[Reading]:
        """Messages of a stream, read by another pod.

        :param address: such as ``tcp://cam-x.namespace.svc:9999``
        :param channels: only these
        :raises AssertionError: if they do not come
        """
        options = ["--count", str(count), "--timeout", f"{timeout_s:g}", *_channels(channels)]
        with self.reader(namespace, address, options, image) as reader:
            return reader.result(timeout_s + 30)

    @contextmanager
    def reader(
        self, namespace: str, address: str, options: Sequence[str] | None = None, image: Image | None = None, node: str | None = None
    ) -> Iterator["Reader"]:
        """A pod that reads a stream until the end, however long that is silent.

        :param options: of ``camstream receive``; without any, it tells no channels and gives up after an hour of silence
        :param node: where it runs, even when that takes no new pods
        """
        name = f"reader-{secrets.token_hex(3)}"
        given = ["--timeout", "3600", *_channels(["width"])] if options is None else options
        pod = small_pod(name, (image or image_names().worker).name, ["camstream", "receive", address, "--output", "json", *given])
        if node is not None:
            pod["spec"]["nodeName"] = node
        self.apply(namespace, pod)
        try:
            yield Reader(self, namespace, name)
        finally:
            self.kubectl("--namespace", namespace, "delete", "pod", name, "--wait=false")


class KeptLogs:
    """Logs on the nodes of kind, kept when the kubelet deletes those of a pod that is gone: a second name holds a file."""

    _FOLDER = f"/var/log/kept-{secrets.token_hex(3)}"
    _LONGEST_S = 4 * 3600
    _KEEP = f"""
        cd /var/log/pods
        while [ -d {_FOLDER} ] && [ $SECONDS -lt {_LONGEST_S} ]; do
            for file in */*/*.log; do
                kept={_FOLDER}/${{file//\\//+}}
                [ -e "$file" ] && [ ! -e "$kept" ] && ln "$file" "$kept"
            done
            sleep 1
        done"""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = nodes
        for node in nodes:
            _run([docker(), "exec", node, "mkdir", "-p", self._FOLDER])
            # It ends with its folder.
            _run([docker(), "exec", "--detach", node, "bash", "-c", self._KEEP])

    def lines(self, namespace: str, pattern: str) -> list[str]:
        """Lines of all containers of a namespace that match, each with the time at which it was written.

        :param pattern: an extended regular expression
        """
        command = f"cd {self._FOLDER} && cat {namespace}_* 2>/dev/null | grep -E {shlex.quote(pattern)} || true"
        texts = [_run([docker(), "exec", node, "bash", "-c", command]) for node in self._nodes]
        return [line for text in texts for line in text.splitlines()]

    def end(self) -> None:
        for node in self._nodes:
            _run([docker(), "exec", node, "rm", "-rf", self._FOLDER])


@dataclass(frozen=True)
class Reader:
    """A pod that reads a stream."""

    cluster: Cluster
    namespace: str
    name: str

    def readings(self) -> list[Reading]:
        """Everything that came so far."""
        lines = self.cluster.logs(self.namespace, f"pod/{self.name}").splitlines(keepends=True)
        return [_reading(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def wait_for(self, what: str, condition: Callable[[list[Reading]], bool], timeout_s: float = 60) -> list[Reading]:
        """Everything that came, once it is as wanted."""

        def answer() -> list[Reading]:
            found = self.readings()
            return found if condition(found) else []

        return wait_for(what, answer, timeout_s, PAUSE_S)

    def wait_for_next(self, count: int = 1, timeout_s: float = 60) -> list[Reading]:
        """Everything that came, once there are so many more than now."""
        before = len(self.readings())
        return self.wait_for(f"{count} more messages", lambda found: len(found) >= before + count, timeout_s)

    def result(self, timeout_s: float) -> list[Reading]:
        """Everything that came, when the reader is done.

        :raises AssertionError: if it failed, or does not end
        """
        try:
            phase = wait_for(f"end of {self.name}", self._ended, timeout_s, PAUSE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.cluster.describe(self.namespace)}") from error
        assert phase == "Succeeded", self.cluster.logs(self.namespace, f"pod/{self.name}")
        return self.readings()

    def _ended(self) -> str:
        phase = self.cluster.kubectl("--namespace", self.namespace, "get", "pod", self.name, "--output", "jsonpath={.status.phase}")
        return phase if phase in ("Succeeded", "Failed") else ""


def find_cluster(folder: Path) -> Cluster:
    """The cluster to test on; one is made where there is none.

    :param folder: for a kubeconfig
    """
    if given := os.environ.get("KUBECONFIG"):
        cluster = Cluster(given, _run([binary("kubectl"), "config", "current-context"]).strip())
        allowed = os.environ.get("CAMSTREAM_E2E_CONTEXT")
        if cluster.kind_name is None and cluster.context != allowed:
            _does_not_run(
                f"KUBECONFIG means {cluster.context!r}, which is not of kind; to test there, set CAMSTREAM_E2E_CONTEXT to this name"
            )
        return cluster
    docker()
    shared = Path(os.environ.get("CAMSTREAM_SHARED", ROOT.parent / "shared")) / "cluster" / "up"
    if shared.exists():
        exported = dict(word.split("=", 1) for word in shlex.split(_run([str(shared), NAME, "1"], timeout_s=CREATE_S)) if "=" in word)
        return Cluster(exported["KUBECONFIG"], f"kind-{NAME}")
    kind, kubeconfig = binary("kind"), str(folder / "kubeconfig")
    if NAME in _run([kind, "get", "clusters"]).split():
        _run([kind, "export", "kubeconfig", "--name", NAME, "--kubeconfig", kubeconfig])
    else:
        node = os.environ.get("KIND_NODE_IMAGE")
        options = ["--name", NAME, "--kubeconfig", kubeconfig, "--config", "-", "--wait", "180s", *(["--image", node] if node else [])]
        _run([kind, "create", "cluster", *options], stdin=TWO_NODES, timeout_s=CREATE_S)
    return Cluster(kubeconfig, f"kind-{NAME}")


def _does_not_run(reason: str) -> None:
    reason = f"{reason}: THIS TIER OF TESTS DOES NOT RUN"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _channels(names: Sequence[str]) -> list[str]:
    return ["--channels", ",".join(names)] if names else []


def _reading(line: str) -> Reading:
    document = json.loads(line)
    sent = document["timestamp"]["sec"] + document["timestamp"]["ns"] * 1e-9
    return Reading(document["pulseId"], sent, sent + document["ageSeconds"], document["channels"])


def small_pod(name: str, image: str, command: Sequence[str]) -> dict[str, Any]:
    """A pod that any namespace lets run, and that ends with its command."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "reader",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(command),
                    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def _try(
    command: Sequence[str], environment: Mapping[str, str] | None = None, stdin: str | None = None, timeout_s: float = 60
) -> "subprocess.CompletedProcess[str]":
    cache = Path(os.environ.get("CLUSTER_CACHE", "/var/cache/kind-offline")) / "bin"
    # kind and make start docker by its name: let it be the client that was found.
    path = os.pathsep.join([str(cache), os.environ.get("PATH", "")])
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PATH": path} | dict(environment or {}),
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None, stdin: str | None = None, timeout_s: float = 60) -> str:
    done = _try(command, environment, stdin, timeout_s)
    if done.returncode:
        raise CommandError(f"`{shlex.join(command)}` ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout
