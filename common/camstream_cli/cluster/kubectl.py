"""The only way to the cluster: kubectl, with the rights, contexts and proxies that its user has set up."""

import json
import os
import re
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from camstream.errors import CamstreamError
from camstream.names import GROUP, HTTP_PORT, KIND_LABEL, NAME_LABEL

PLURALS: Final = {"Camera": f"cameras.{GROUP}", "Pipeline": f"pipelines.{GROUP}"}
KINDS: Final = {
    "camera": "Camera",
    "cameras": "Camera",
    "cam": "Camera",
    "pipeline": "Pipeline",
    "pipelines": "Pipeline",
    "cpl": "Pipeline",
}
PREFIX: Final = {"Camera": "cam", "Pipeline": "cpl"}
"""Of the names of their children."""

FORWARDED: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")

ANSWER_S: Final = 60.0
"""Longest wait for an answer of the cluster, unless the caller says otherwise. Lists of a large one take seconds."""
WORKER_S: Final = 10.0
"""Longest wait for an answer of a worker, through the API server; one that has stopped never sends any."""
FORWARD_S: Final = 20.0
"""Longest wait until a port is forwarded."""
GRACE_S: Final = 15.0
"""For kubectl to end by itself where it has a limit of its own: its words are better than ours."""
END_S: Final = 3.0
"""For a kubectl that was told to end."""

Body = dict[str, Any]


class KubectlError(CamstreamError):
    """kubectl said no."""


class NoAnswer(KubectlError):  # noqa: N818
    """kubectl said nothing in time."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A Camera or Pipeline on the cluster."""

    body: Body

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"]["namespace"])

    @property
    def external_name(self) -> str:
        return str(self.body["spec"].get("externalName") or self.name)

    @property
    def status(self) -> Body:
        found: Body = self.body.get("status") or {}
        return found

    @property
    def resource(self) -> str:
        """As kubectl names it."""
        return f"{PLURALS[self.kind]}/{self.name}"

    @property
    def words(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    @property
    def child(self) -> str:
        """Name of its Deployment, Service and ConfigMap."""
        return f"{PREFIX[self.kind]}-{self.name}"

    @property
    def selector(self) -> str:
        """Of its pods."""
        return f"--selector={KIND_LABEL}={self.kind},{NAME_LABEL}={self.name}"


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the options that its user gave."""

    options: tuple[str, ...] = ()
    """Context, kubeconfig, and the namespace."""
    namespaced: bool = field(default=False, kw_only=True)
    """A namespace is among the options."""

    def command(self, *arguments: str) -> list[str]:
        """:raises CamstreamError: if there is no kubectl"""
        # As a plugin this is started by a kubectl; by hand there may be none.
        program = shutil.which(os.environ.get("KUBECTL", "kubectl"))
        if program is None:
            raise CamstreamError("kubectl is not on the PATH: install it, or name it in the variable KUBECTL")
        return [program, *self.options, *arguments]

    def ask(self, *arguments: str, timeout_s: float = ANSWER_S) -> bytes:
        """What kubectl writes.

        :raises KubectlError: with its own words, if it fails
        :raises NoAnswer: if it does not end in time
        """
        command = self.command(*arguments)
        try:
            done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=timeout_s)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise NoAnswer(f"`kubectl {' '.join(arguments)}` did not end within {timeout_s:g} s") from None
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise KubectlError(f"`kubectl {' '.join(arguments)}` failed: {words}")
        return done.stdout

    def text(self, *arguments: str, timeout_s: float = ANSWER_S) -> str:
        return self.ask(*arguments, timeout_s=timeout_s).decode(errors="replace")

    def get(self, *arguments: str) -> Any:
        """``kubectl get`` as JSON."""
        return json.loads(self.ask("get", *arguments, "--output=json"))

    def show(self, *arguments: str, timeout_s: float | None = ANSWER_S) -> int:
        """Let kubectl write to the terminal; its exit code.

        :param timeout_s: None: as long as the user looks at it
        :raises NoAnswer: if it does not end in time
        """
        try:
            return subprocess.run(self.command(*arguments), check=False, timeout=timeout_s).returncode  # noqa: S603
        except subprocess.TimeoutExpired:
            raise NoAnswer(f"`kubectl {' '.join(arguments)}` did not end within {timeout_s:g} s") from None

    def things(self, everywhere: bool = False) -> list[Thing]:
        """Cameras and pipelines of the namespace, or of all of them."""
        where = ("--all-namespaces",) if everywhere else ()
        return [Thing(body) for body in self.get(",".join(PLURALS.values()), *where)["items"]]

    def find(self, name: str) -> Thing:
        """By ``NAME``, ``camera/NAME``, ``cpl/NAME`` and so on, or by the external name.

        :raises CamstreamError: if there is none, or more than one
        """
        kind, slash, rest = name.partition("/")
        if slash and kind.lower() not in KINDS:
            raise CamstreamError(f"{kind!r} is no kind that has a stream; write NAME, camera/NAME or pipeline/NAME")
        wanted = KINDS.get(kind.lower()) if slash else None
        all_ = self.things()
        called = rest if slash else name
        found = [one for one in all_ if called in (one.name, one.external_name) and wanted in (None, one.kind)]
        if not found:
            known = ", ".join(sorted(one.words for one in all_)) or "nothing"
            raise CamstreamError(f"there is no {name!r} in this namespace (there is {known}); another one is chosen with --namespace")
        if len(found) > 1:
            raise CamstreamError(f"{name!r} is the name of {' and '.join(one.words for one in found)}; write one of these")
        return found[0]

    def pods(self, thing: Thing) -> list[Body]:
        """Pods of a worker, those first that are not about to end and run for the shortest time."""
        pods: list[Body] = self.get("pods", f"--namespace={thing.namespace}", thing.selector)["items"]
        pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
        return sorted(pods, key=lambda pod: "deletionTimestamp" in pod["metadata"])

    def worker(self, thing: Thing, path: str) -> bytes:
        """What the worker answers to ``path``, through the API server.

        :raises CamstreamError: if there is no worker, or it cannot be asked
        :raises NoAnswer: if it does not answer in time
        """
        pods = self.pods(thing)
        if not pods:
            raise CamstreamError(f"{thing.words} has no worker now ({thing.status.get('phase', 'Pending')})")
        name = pods[0]["metadata"]["name"]
        try:
            return self.ask("get", "--raw", pod_path(thing.namespace, name, path), timeout_s=WORKER_S)
        except NoAnswer:
            raise NoAnswer(
                f"the worker of {thing.words}, pod {name}, did not answer within {WORKER_S:g} s: it hangs, or its node is away; "
                f"`kubectl camstream reload {thing.words} --restart` replaces it"
            ) from None

    @contextmanager
    def forward(self, namespace: str, resource: str, port: int) -> Iterator[int]:
        """A port of this machine that leads to ``port`` of a resource, as long as this lasts.

        :raises KubectlError: if kubectl cannot, or does not say in time that it does
        """
        command = self.command("port-forward", f"--namespace={namespace}", "--address=127.0.0.1", resource, f":{port}")
        pipe = subprocess.PIPE
        # Without buffers of ours: a line that was read ahead would not be seen by select.
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, bufsize=0) as process:  # noqa: S603
            try:
                assert process.stdout is not None  # noqa: S101 - it was asked for
                ready, _, _ = select.select([process.stdout], [], [], FORWARD_S)
                line = process.stdout.readline() if ready else b""
                if (found := FORWARDED.search(line.decode(errors="replace"))) is None:
                    said = f"{line.decode(errors='replace')}{_ended(process)}".strip()
                    why = said if ready else f"`kubectl port-forward` did not say within {FORWARD_S:g} s that it does {said}".strip()
                    raise KubectlError(f"cannot reach port {port} of {resource} in {namespace}: {why}")
                yield int(found[1])
            finally:
                _ended(process)


def _ended(process: "subprocess.Popen[bytes]") -> str:
    """End it, whether it wants to or not; what it has said last."""
    process.terminate()
    try:
        out, err = process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        # Who else holds the pipes is not waited for.
        return ""
    return (out + err).decode(errors="replace").strip()


def pod_path(namespace: str, pod: str, path: str) -> str:
    """Where the API server passes a request on to a pod."""
    return f"/api/v1/namespaces/{namespace}/pods/{pod}:{HTTP_PORT}/proxy{path}"
