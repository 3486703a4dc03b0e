"""The only way to the cluster: kubectl, with the rights, contexts and proxies that its user has set up."""

import json
import os
import re
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

Body = dict[str, Any]


class KubectlError(CamstreamError):
    """kubectl said no."""


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

    def ask(self, *arguments: str) -> bytes:
        """What kubectl writes.

        :raises KubectlError: with its own words, if it fails
        """
        done = subprocess.run(self.command(*arguments), capture_output=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise KubectlError(f"`kubectl {' '.join(arguments)}` failed: {words}")
        return done.stdout

    def text(self, *arguments: str) -> str:
        return self.ask(*arguments).decode(errors="replace")

    def get(self, *arguments: str) -> Any:
        """``kubectl get`` as JSON."""
        return json.loads(self.ask("get", *arguments, "--output=json"))

    def follow(self, *arguments: str) -> int:
        """Let kubectl write to the terminal; its exit code."""
        return subprocess.run(self.command(*arguments), check=False).returncode  # noqa: S603

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
        """
        pods = self.pods(thing)
        if not pods:
            raise CamstreamError(f"{thing.words} has no worker now ({thing.status.get('phase', 'Pending')})")
        return self.ask("get", "--raw", pod_path(thing.namespace, pods[0]["metadata"]["name"], path))

    @contextmanager
    def forward(self, namespace: str, resource: str, port: int) -> Iterator[int]:
        """A port of this machine that leads to ``port`` of a resource, as long as this lasts.

        :raises KubectlError: if kubectl cannot
        """
        command = self.command("port-forward", f"--namespace={namespace}", "--address=127.0.0.1", resource, f":{port}")
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True) as process:  # noqa: S603
            try:
                assert process.stdout is not None  # noqa: S101 - it was asked for
                assert process.stderr is not None  # noqa: S101
                line = process.stdout.readline()
                if (found := FORWARDED.search(line)) is None:
                    process.terminate()
                    raise KubectlError(f"cannot reach port {port} of {resource} in {namespace}: {(line + process.stderr.read()).strip()}")
                yield int(found[1])
            finally:
                process.terminate()


def pod_path(namespace: str, pod: str, path: str) -> str:
    """Where the API server passes a request on to a pod."""
    return f"/api/v1/namespaces/{namespace}/pods/{pod}:{HTTP_PORT}/proxy{path}"
