"""Operators on a real API server: as a process, and taken apart inside of the test."""

import asyncio
import copy
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from api_proxy import Proxy, running_proxy
from api_server import ApiServer
from ports import free_port
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML
from waiting import wait_for

from camstream.names import MANAGED_BY, OPERATOR
from camstream.spec.key import Key
from camstream_operator.audit import Audit
from camstream_operator.cluster.api import RESOURCES, Api
from camstream_operator.cluster.canary import CANARY
from camstream_operator.cluster.recorder import Recorder
from camstream_operator.cluster.reports import Reports
from camstream_operator.metrics import Metrics
from camstream_operator.reconcile import Reconciler
from camstream_operator.settings import Settings
from camstream_operator.store import Store

CHILDREN = ("Deployment", "Service", "ConfigMap")
SETTINGS = {"workerImage": "camstream-worker:test"}

SIMULATION: dict[str, Any] = {"source": {"simulation": {}}}

START_S = 60.0
"""[s] Longest time for an operator to begin: on a busy machine the import of its libraries alone takes many seconds."""

Body = dict[str, Any]
T = TypeVar("T")


def reads(camera: str | None = None, pipeline: str | None = None, **spec: Any) -> Body:
    """Spec of a pipeline."""
    return {"input": {"camera": {"name": camera}} if camera else {"pipeline": {"name": pipeline}}} | spec


@dataclass(frozen=True)
class Cluster:
    """What users do, and what the parts of Kubernetes do that are not there."""

    server: ApiServer

    def make_namespace(self, name: str) -> str:
        answer = self.server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert answer.status == 201, answer.message
        return name

    def create(self, kind: str, namespace: str, name: str, spec: Body | None = None, **more: Any) -> Body:
        """:param more: of the object; ``metadata`` is added to its name"""
        body = {"apiVersion": RESOURCES[kind].api_version, "kind": kind} | ({"spec": spec} if spec is not None else {}) | more
        body["metadata"] = {"name": name} | more.get("metadata", {})
        answer = self.server.request("POST", RESOURCES[kind].path(namespace), body)
        assert answer.status == 201, answer.message
        return answer.body

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        answer = self.server.request("GET", RESOURCES[kind].path(namespace, name))
        return answer.body if answer.status == 200 else None

    def get(self, kind: str, namespace: str, name: str) -> Body:
        found = self.find(kind, namespace, name)
        assert found is not None, f"{kind} {name}"
        return found

    def list(self, kind: str, namespace: str) -> list[Body]:
        found: list[Body] = self.server.request("GET", RESOURCES[kind].path(namespace)).body["items"]
        return found

    def edit(self, kind: str, namespace: str, name: str, change: Body, *, subresource: str | None = None, strategic: bool = False) -> Body:
        """As somebody by hand."""
        form = "strategic-merge-patch" if strategic else "merge-patch"
        path = RESOURCES[kind].path(namespace, name, subresource) + "?fieldManager=somebody"
        answer = self.server.request("PATCH", path, change, f"application/{form}+json")
        assert answer.status == 200, answer.message
        return answer.body

    def delete(self, kind: str, namespace: str, name: str) -> None:
        answer = self.server.request("DELETE", RESOURCES[kind].path(namespace, name), {"propagationPolicy": "Background"})
        assert answer.status in (200, 202), answer.message

    def collect_garbage(self, namespace: str) -> None:
        """Delete children whose owner is gone, as the garbage collector of Kubernetes does."""
        living = {owner["metadata"]["uid"] for kind in ("Camera", "Pipeline") for owner in self.list(kind, namespace)}
        for kind in CHILDREN:
            for child in self.list(kind, namespace):
                owners = child["metadata"].get("ownerReferences") or []
                if owners and not {owner["uid"] for owner in owners} & living:
                    self.delete(kind, namespace, child["metadata"]["name"])

    def condition(self, kind: str, namespace: str, name: str, type_: str) -> Body:
        """A condition that speaks of the newest spec, or an empty one."""
        found = self.find(kind, namespace, name) or {}
        status = found.get("status") or {}
        if not found or status.get("observedGeneration") != found["metadata"]["generation"]:
            return {}
        return next((one for one in status.get("conditions") or [] if one["type"] == type_), {})

    def wait_for_reason(self, kind: str, namespace: str, name: str, type_: str, reason: str, timeout_s: float = 20.0) -> Body:
        """Wait until a condition has a reason; the condition."""
        found: list[Body] = []

        def there() -> bool:
            found[:] = [self.condition(kind, namespace, name, type_)]
            return found[0].get("reason") == reason

        try:
            wait_for(f"{kind} {namespace}/{name} has {type_} {reason}", there, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; found {found}") from None
        return found[0]

    def wait_until_deployed(self, kind: str, namespace: str, name: str, timeout_s: float = 20.0) -> None:
        self.wait_for_reason(kind, namespace, name, "Deployed", "Applied", timeout_s)

    def make_pod(self, namespace: str, deployment: str, name: str, status: Body) -> Body:
        """A pod, as the Deployment says, in a state."""
        template = self.get("Deployment", namespace, deployment)["spec"]["template"]
        self.create("Pod", namespace, name, template["spec"] | {"nodeName": "node-1"}, metadata=template["metadata"])
        return self.set_pod(namespace, name, status)

    def set_pod(self, namespace: str, name: str, status: Body) -> Body:
        """As the kubelet tells it."""
        return self.edit("Pod", namespace, name, {"status": status}, subresource="status")


class Operator:
    """One operator process."""

    def __init__(self, folder: Path, kubeconfig: Path, identity: str = "operator-1", home: str = "default", **settings: Any) -> None:
        """
        :param home: the namespace of its own
        :param settings: in camelCase, more than the image
        """
        self._kubeconfig, self.identity, self._home = kubeconfig, identity, home
        self._settings = folder / f"{identity}.yaml"
        with self._settings.open("w") as file:
            YAML(typ="safe").dump(SETTINGS | settings, file)
        self._log = folder / f"{identity}.log"
        self._log.touch()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self) -> None:
        assert self._process is None
        # The same in every life, so that whoever asks it finds it again.
        self._port = self._port or free_port()
        command: list[str | Path] = [sys.executable, "-m", "camstream_operator.app", "--settings", self._settings]
        command += ["--http-port", str(self._port), "--kubeconfig", self._kubeconfig]
        environment = os.environ | {"POD_NAME": self.identity, "POD_NAMESPACE": self._home}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def wait_until_ready(self) -> None:
        wait_for(f"{self.identity} is ready", lambda: self.leads() and self.get("/readyz") == (200, "ok\n"), START_S, 0.05)

    @property
    def log(self) -> str:
        """Of all its lives."""
        return self._log.read_text()

    @property
    def port(self) -> int:
        """Of health and metrics."""
        return self._port

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        return self.signal(signal.SIGTERM).wait_until_ended()

    def kill(self) -> None:
        self.signal(signal.SIGKILL).wait_until_ended()

    def signal(self, number: signal.Signals) -> "Operator":
        assert self._process is not None
        self._process.send_signal(number)
        return self

    def wait_until_ended(self, timeout_s: float = 30) -> int:
        assert self._process is not None
        code = self._process.wait(timeout_s)
        self._process = None
        return code

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """End it however it is."""
        if self._process is not None:
            self._process.kill()
            self.wait_until_ended()

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of ``/readyz``, for example; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """Sum of all series of a metric that have these labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        samples = [sample for family in families for sample in family.samples if sample.name == f"camstream_operator_{name}"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def leads(self) -> bool:
        return self.metric("leader") == 1

    def writes(self) -> float:
        """Requests so far that were to change something, apart from the lease and the canary."""
        found = sum(self.metric("api_requests_total", verb=verb) for verb in ("POST", "PUT", "PATCH"))
        return (
            found
            - self.metric("api_requests_total", resource="leases", verb="PUT")
            - self.metric("api_requests_total", resource="leases", verb="POST")
        )

    def assert_no_errors(self) -> None:
        bad = [line for line in self.log.splitlines() if re.search(r" (ERROR|CRITICAL) |^Traceback|never (retrieved|awaited)", line)]
        # Where kopf tries again, it tells so as an error.
        bad = [line for line in bad if not re.search(r"kopf\S*: Request attempt #\d+/\d+ failed", line)]
        assert not bad, "\n".join(bad)


@contextmanager
def running_operator(folder: Path, kubeconfig: Path, identity: str = "operator-1", **settings: Any) -> Iterator[Operator]:
    """One that leads when this begins, and is stopped at the end without an error in its log."""
    operator = Operator(folder, kubeconfig, identity, **settings)
    operator.start()
    try:
        operator.wait_until_ready()
        yield operator
        assert operator.stop() == 0, operator.log
        operator.assert_no_errors()
    finally:
        operator.end()


@contextmanager
def proxied_operator(server: ApiServer, folder: Path, **settings: Any) -> Iterator[tuple[Operator, Proxy]]:
    """The same, with a proxy before the API server."""
    with running_proxy(server) as proxy, running_operator(folder, proxy.kubeconfig(folder / "kubeconfig"), **settings) as operator:
        yield operator, proxy


# ------------------------------------------------------------------ inside of the test


class Killed(BaseException):
    """The process is gone: nothing can catch this."""


@dataclass
class Faults:
    """What happens to requests.

    :ivar before: told the number of each request (from 1), its method and path, and may raise
    :ivar after: the same, once the API server has answered
    """

    before: Callable[[int, str, str], None] = lambda *_: None
    after: Callable[[int, str, str], None] = lambda *_: None
    asked: list[tuple[str, str]] = field(default_factory=list)


class FaultyApi(Api):
    """Lists as it should; everything else goes through `Faults`."""

    faults = Faults()

    async def get(self, path: str) -> Body:
        return await self._ask("GET", path, super().get(path))

    async def merge(self, path: str, body: Body) -> Body:
        return await self._ask("PATCH", path, super().merge(path, body))

    async def apply(self, path: str, body: Body) -> Body:
        return await self._ask("PATCH", path, super().apply(path, body))

    async def delete(self, path: str, uid: str, version: int) -> None:
        await self._ask("DELETE", path, super().delete(path, uid, version))

    async def _ask(self, method: str, path: str, request: Coroutine[Any, Any, T]) -> T:
        self.faults.asked.append((method, path))
        number = len(self.faults.asked)
        try:
            self.faults.before(number, method, path)
        except BaseException:
            request.close()
            raise
        try:
            return await request
        finally:
            # A refusal is an answer, too.
            self.faults.after(number, method, path)


class Bench:
    """The operator without watches, queue and lease: does one thing at a time, when it is told to."""

    def __init__(self, api: FaultyApi, namespace: str, clock: Callable[[], float] = time.monotonic, **settings: Any) -> None:
        """:param clock: by which workers are late with their answers [s]"""
        self.api, self.store = api, Store()
        self.api.faults = Faults()
        self.metrics = Metrics(CollectorRegistry())
        self.concerned: set[Key] = set()
        self.audit = Audit(self.store, api, [namespace], self._concern, self.metrics, patience_s=0)
        self.recorder = Recorder(api, "bench")
        self.reports = Reports(lambda _: None, clock)
        found = Settings.model_validate(SETTINGS | settings)
        self.reconciler = Reconciler(
            self.store, api, found, self.reports, self.recorder, self.metrics, lambda: datetime.now(UTC), self._concern
        )

    def _concern(self, keys: set[Key]) -> None:
        self.concerned |= {key for key in keys if key.kind in ("Camera", "Pipeline")}

    async def start(self) -> None:
        """Look at the cluster, and then at each object once."""
        await self.audit.fill()
        self.concerned = set(self.store.streaming())
        await self.work()

    async def work(self) -> None:
        """Until there is nothing more to look at."""
        for _ in range(100):
            while self.concerned:
                await self.reconciler.reconcile(self.concerned.pop())
            await self.audit.look()
            if not self.concerned:
                return
        raise AssertionError("it never comes to an end")


@asynccontextmanager
async def bench(server: ApiServer, namespace: str, **settings: Any) -> AsyncIterator[Bench]:
    api = await FaultyApi.connect(lambda *_: None, str(server.kubeconfig))
    try:
        yield Bench(api, namespace, **settings)
    finally:
        await api.close()


def converge(server: ApiServer, namespace: str, **settings: Any) -> list[tuple[str, str]]:
    """Let a new operator look after a namespace once.

    :returns: what it asked for, lists apart: nothing, where all is as it should be
    """

    async def run() -> list[tuple[str, str]]:
        async with bench(server, namespace, **settings) as found:
            await found.start()
            return found.api.faults.asked

    return asyncio.run(run())


# ------------------------------------------------------------------ what always holds


def assert_in_order(cluster: Cluster, namespace: str, **settings: Any) -> None:
    """Every child has a living owner, every status is about the newest spec, and whoever looks anew finds nothing to do."""
    owners = {body["metadata"]["uid"]: body for kind in ("Camera", "Pipeline") for body in cluster.list(kind, namespace)}
    for body in owners.values():
        name = body["metadata"]["name"]
        assert body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"], f"{namespace}/{name}"
        assert not body["metadata"].get("finalizers")
    for kind in CHILDREN:
        for child in cluster.list(kind, namespace):
            if (child["metadata"].get("labels") or {}).get(MANAGED_BY) == OPERATOR and child["metadata"]["name"] != CANARY:
                [owner] = [one for one in child["metadata"].get("ownerReferences") or [] if one.get("controller")]
                assert owner["uid"] in owners, f"{kind} {child['metadata']['name']} has no living owner"
    assert converge(cluster.server, namespace, **settings) == []


def snapshot(cluster: Cluster, namespace: str) -> dict[str, Body]:
    """All objects, without what differs between two runs of the same."""
    uids = {body["metadata"]["uid"]: f"uid of {body['metadata']['name']}" for kind in RESOURCES for body in cluster.list(kind, namespace)}
    found = {}
    for kind in ("Camera", "Pipeline", *CHILDREN):
        for body in cluster.list(kind, namespace):
            body = copy.deepcopy(body)
            metadata = body["metadata"]
            if metadata["name"] == CANARY:
                continue
            for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace", "generation", "selfLink"):
                metadata.pop(name, None)
            # It holds the uid of the owner.
            (metadata.get("annotations") or {}).pop("camstream.dev/hash", None)
            (metadata.get("annotations") or {}).pop("deployment.kubernetes.io/revision", None)
            for owner in metadata.get("ownerReferences") or []:
                owner["uid"] = uids[owner["uid"]]
            for name in ("clusterIP", "clusterIPs"):
                body.get("spec", {}).pop(name, None)
            for condition in body.get("status", {}).get("conditions") or []:
                condition.pop("lastTransitionTime", None)
            found[f"{kind}/{metadata['name']}"] = _without_namespace(body, namespace)
    return found


def _without_namespace(value: Any, namespace: str) -> Any:
    """Digests hold the name of the namespace, too."""
    if isinstance(value, dict):
        digests = ("desiredHash", "camstream.dev/identity")
        return {k: "digest" if k in digests else _without_namespace(v, namespace) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_namespace(item, namespace) for item in value]
    return value.replace(namespace, "NAMESPACE") if isinstance(value, str) else value
