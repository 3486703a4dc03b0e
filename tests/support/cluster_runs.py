"""The chart on a cluster, objects in a namespace of their own, and what must be true after everything that a test did with them."""

import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from api_server import binary
from kind import PAUSE_S, ROOT, Cluster, CommandError, Image, Images, KeptLogs, Reading, docker, missing_pulses
from waiting import wait_for

from camstream_operator.build.names import PREFIX

CHART: Final = ROOT / "charts" / "camstream"
RELEASE, NAMESPACE = "camstream", "camstream-e2e"
OPERATOR: Final = "camstream-operator"
GATEWAY: Final = "camstream-gateway"
OURS: Final = "camstream.dev/test=e2e"
"""Label of namespaces that tests make."""
MISSING: Final = "missing"
"""A worker class with an image that does not exist."""

SMALL: Final = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
"""Of workers: many of them fit on two nodes."""

FILES: Final = {
    "volumes": [{"name": "files", "emptyDir": {}}],
    "volumeMounts": [{"name": "files", "mountPath": "/files"}],
    "filesFolder": "/files",
}
"""Where workers may write files."""

QUIET_S: Final = 6.0
"""[s] Without a change for so long, it is quiet: the operator asks every worker twice meanwhile."""
FROM_APPLY_TO_READY_S: Final = 120.0
LIVE_S: Final = 30.0
"""[s] For a change that a worker takes over while it runs. It takes less than two on a machine that has nothing else to do."""

USUAL: Final = re.compile(
    r"(Startup|Readiness) probe (failed|errored)|Liveness probe failed: Get .*context deadline exceeded|no frame yet$|"
    r'MountVolume.SetUp failed for volume "[^"]+" : (failed to sync configmap cache|configmap "[^"]+" not found|'
    r'object "[^"]+"/"[^"]+" not registered$)|'
    r"Cluster IP \[IPv4\]: \S+ is not allocated; repairing$|"
    r"Failed to update endpoint .*Precondition failed: UID in precondition|"
    r".*is being deleted, cannot be assigned to a host$"
)
"""What Kubernetes warns of where nothing is wrong: whenever a container starts or ends, when a node knows a pod before it has heard of its
ConfigMap, when a pod goes before its ConfigMap is mounted, when the API server looks at an address that it is just giving away, when a
Service goes whose endpoints are just being written, when a pod goes that is just being given a node; and what a worker says on a machine
that is slow."""
LOGGED_ERROR: Final = re.compile(r"^\S+ \S+ (ERROR|CRITICAL) (?!kopf\S*: Request attempt #\d+/\d+ failed)|^Traceback ", re.MULTILINE)
"""Where kopf tries again, it tells so as an error."""
ENDED: Final = re.compile(r"^\S+ \S+ ERROR camstream_worker: ")
"""The last words of a worker."""
FIGHT: Final = "DriftRepaired"
"""Reason of an Event that is no Warning, and still must not come of itself: two who write the same field never come to an end."""

HUNG: Final = "failed liveness probe, will be restarted"
"""In the Event, which is no Warning either, of a worker that has not answered several times: once is usual on a machine that is slow."""

Body = dict[str, Any]


def manifest(kind: str, name: str, **spec: Any) -> Body:
    return {"apiVersion": "camstream.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def camera(name: str = "cam", width: int = 64, height: int = 48, rate_hz: float = 10, **spec: Any) -> Body:
    """A simulated one; ``spec`` in camelCase."""
    source = {"simulation": {"width": width, "height": height, "frameRate": rate_hz}}
    return manifest("Camera", name, source=source, **spec)


def pipeline(name: str = "pipe", camera: str = "cam", **spec: Any) -> Body:
    """Processes every frame of a camera; ``spec`` in camelCase."""
    return manifest("Pipeline", name, input={"camera": {"name": camera}, "backlog": "All"}, **spec)


NEWER_FIELD: Final = "newer"


def newer_chart(folder: Path) -> Path:
    """A chart of the next version: in its definitions, specs have one field more, with a default, so that all stored objects get it."""
    made = shutil.copytree(CHART, folder / "camstream")
    spec = re.compile(r"^ {12}properties:\n(?= {14}externalName:)", re.MULTILINE)
    field = f"              {NEWER_FIELD}:\n                type: boolean\n                default: true\n"
    for name in ("cameras", "pipelines"):
        file = made / "templates" / "crds" / f"{name}.yaml"
        text, count = spec.subn(lambda found: found[0] + field, file.read_text())
        assert count == 1, file
        file.write_text(text)
    return made


def figure(what: str, value: float, unit: str = "s") -> None:
    """Tell a measured number in the output of the tests (``pytest -rP`` shows it)."""
    print(f"FIGURE {what}: {value:.2f} {unit}")


class Installation:
    """The one installation of the chart that all tests share. A test that changes it brings it back.

    What a test leaves is looked at beside the next one, since most of that is waiting: what changes the installation waits for it first.
    """

    def __init__(self, cluster: Cluster, images: Images, logs: KeptLogs | None = None) -> None:
        """:param logs: where they are kept; None: only those of pods that are there can be read"""
        self.cluster = cluster
        self._images = images
        self._logs = logs
        self._told: set[str] = set()
        self._looking = ThreadPoolExecutor(1, "invariants")
        # Its thread is there from the beginning: none may be left by a test.
        self._looks: list[Future[None]] = [self._looking.submit(lambda: None)]
        self._values: dict[str, Any] = {
            "operator.image": {"repository": images.operator.repository, "tag": images.operator.tag},
            "worker.image": {"repository": images.worker.repository, "tag": images.worker.tag},
        }

    @property
    def worker_image(self) -> Image:
        return self._images.worker

    @property
    def operator_image(self) -> Image:
        return self._images.operator

    def look_later(self, look: Callable[[], None]) -> None:
        """Look at what a test has left, beside the next one; :meth:`tell` says what was found."""
        self._looks.append(self._looking.submit(look))

    def settle(self) -> None:
        """Wait until what earlier tests left has been looked at. Before every change of what all share."""
        wait(self._looks)

    def tell(self) -> None:
        """What was found in what earlier tests left.

        :raises AssertionError: if an invariant did not hold
        """
        self.settle()
        looks, self._looks = self._looks, []
        for look in looks:
            look.result()

    def install(self, missing_image: str | None = None, chart: Path = CHART, **values: Any) -> None:
        """Install it, or make it so; it works when this returns.

        :param missing_image: the image of the worker class with none that exists
        :param chart: another version of it
        :param values: of the chart, as in ``operator__replicas=3``
        """
        self.settle()
        classes = [
            {"name": "default", "resources": SMALL, **FILES},
            {"name": MISSING, "image": missing_image or f"{self._images.worker.repository}:does-not-exist", "resources": SMALL},
        ]
        given = self._values | {"workerClasses": classes} | {name.replace("__", "."): value for name, value in values.items()}
        settings = [f"--set-json={name}={json.dumps(value)}" for name, value in given.items()]
        # The definitions may have been kept by an installation before.
        self.helm("upgrade", RELEASE, str(chart), "--install", "--take-ownership", "--wait", "--timeout=180s", *settings)

    def uninstall(self) -> None:
        self.settle()
        self.helm("uninstall", RELEASE, "--wait")

    def helm(self, *arguments: str) -> str:
        return self.cluster.helm("--namespace", NAMESPACE, *arguments)

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("--namespace", NAMESPACE, *arguments)

    def scale(self, replicas: int) -> None:
        """Change the number of operators, and wait until there are so many."""
        self.settle()
        self.kubectl("scale", f"deployment/{OPERATOR}", f"--replicas={replicas}")
        wait_for(f"{replicas} operators", lambda: len(self.operators()) == replicas, 60, PAUSE_S)
        if replicas:
            self.wait_until_rolled_out()

    def wait_until_rolled_out(self) -> None:
        """Until the operators are what their Deployment says."""
        self.cluster.kubectl("--namespace", NAMESPACE, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=60s", timeout_s=70)

    def operators(self) -> list[Body]:
        """Pods, those that are about to end as well."""
        found: list[Body] = self.cluster.get(
            "pods", "--namespace", NAMESPACE, "--selector=app.kubernetes.io/component=operator,app.kubernetes.io/name=camstream"
        )["items"]
        return found

    def leader(self) -> str:
        """Name of the pod that leads; empty while there is none."""
        lease = self.cluster.get("lease", OPERATOR, "--namespace", NAMESPACE)
        holder: str = lease["spec"].get("holderIdentity") or ""
        return holder

    def wait_for_leader(self, other_than: str = "") -> str:
        def answer() -> str:
            found = self.leader()
            return found if found != other_than and found in {pod["metadata"]["name"] for pod in self.operators()} else ""

        return wait_for("a leader", answer, 60, PAUSE_S)

    def who_says_to_lead(self) -> list[str]:
        """The operators whose metrics say that they lead."""
        names = [pod["metadata"]["name"] for pod in self.operators()]
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{{}}:8080/proxy/metrics"
        said = {name: self.cluster.try_kubectl("get", "--raw", path.format(name)).stdout for name in names}
        return [name for name, text in said.items() if "camstream_operator_leader 1.0" in text]

    def kill_leader(self) -> None:
        """End the operator that leads with SIGKILL, which it cannot notice. Where there is none, wait for the next one."""
        if self.cluster.kind_name is None:
            pytest.skip("only on a cluster of kind can a process of a node be killed")
        self.settle()
        wait_for("a leader to kill", self._kill_leader, 120, PAUSE_S)

    def _kill_leader(self) -> bool:
        leader = self.leader()
        for pod in self.operators():
            for container in pod["status"].get("containerStatuses", []):
                if pod["metadata"]["name"] == leader and "running" in container["state"]:
                    identity = container["containerID"].removeprefix("containerd://")
                    return kill_on_node(pod["spec"]["nodeName"], identity)
        return False

    def log(self) -> str:
        """Of all operators that there are, of the runs before as well."""
        texts = []
        for pod in self.operators():
            name = pod["metadata"]["name"]
            for previous in ("--previous=false", "--previous"):
                done = self.cluster.try_kubectl("--namespace", NAMESPACE, "logs", name, "--tail=-1", previous)
                texts.append(done.stdout)
        return "\n".join(texts)

    def new_errors(self, namespace: str = NAMESPACE) -> list[str]:
        """Errors in the log of anything that runs or ran in a namespace, that were not told before."""
        if self._logs is None:
            lines = self.log().splitlines() if namespace == NAMESPACE else []
        else:
            # What the kubelet writes before each line: time, stream, and whether it is whole.
            lines = self._logs.lines(namespace, " (ERROR|CRITICAL) | Traceback ")
        new = [line for line in lines if line not in self._told]
        self._told |= set(new)
        texts = new if self._logs is None else [line.split(" ", 3)[-1] for line in new]
        return [text for text in texts if LOGGED_ERROR.match(text)]


def kill_on_node(node: str, container: str) -> bool:
    """Whether there was such a container to kill."""
    command = [docker(), "exec", node, "ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", container]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@contextmanager
def installation(cluster: Cluster, images: Images) -> Iterator[Installation]:
    """In a namespace that enforces Pod Security `restricted`; gone at the end."""
    others = [
        f"{found['name']} in {found['namespace']}"
        for found in json.loads(cluster.helm("list", "--all-namespaces", "--output", "json"))
        if found["chart"].startswith("camstream-") and found["namespace"] != NAMESPACE
    ]
    assert not others, f"the cluster has an operator already, and both would look after the same objects; uninstall {', '.join(others)}"
    if cluster.try_kubectl("create", "namespace", NAMESPACE).returncode == 0:
        cluster.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    # What a run before left behind when it was killed.
    cluster.kubectl("delete", "namespaces", f"--selector={OURS}", "--timeout=300s", timeout_s=310)
    with cluster.kept_logs() as logs:
        made = Installation(cluster, images, logs)
        made.install()
        try:
            yield made
        finally:
            made.settle()
            cluster.kubectl("delete", "namespaces", f"--selector={OURS}", "--timeout=300s", timeout_s=310)
            made.uninstall()
            cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", timeout_s=130)
        made.tell()


class Workspace:
    """Objects in a namespace, and what can be seen of them. ``thing`` is such as ``camera/x``."""

    def __init__(self, installation: Installation, namespace: str) -> None:
        self.installation, self.cluster, self.namespace = installation, installation.cluster, namespace
        self.expected: set[str] = set()
        """Reasons of Events that belong to what the test does. Without any, no worker may end with an error either."""

    # ------------------------------------------------------------------ do

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, stdin=stdin, timeout_s=timeout_s)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        self.cluster.apply(self.namespace, *manifests)

    def apply_files(self, *paths: Path) -> str:
        """What kubectl says, its warnings as well: there must be none."""
        done = self.cluster.try_kubectl("--namespace", self.namespace, "apply", *(f"--filename={path}" for path in paths))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def edit(self, thing: str, **spec: Any) -> int:
        """Change fields of a spec; null takes one away.

        :returns: the new generation
        """
        self.kubectl("patch", thing, "--type=merge", f"--patch={json.dumps({'spec': spec})}")
        generation: int = self.get(thing)["metadata"]["generation"]
        return generation

    # ------------------------------------------------------------------ see

    def get(self, thing: str) -> Body:
        found: Body = self.cluster.get(thing, "--namespace", self.namespace)
        return found

    def status(self, thing: str) -> Body:
        return self.get(thing).get("status") or {}

    def address(self, thing: str) -> str:
        """Of the stream."""
        address: str = self.status(thing)["stream"]["address"]
        return address

    def pods(self, thing: str) -> list[Body]:
        """Those that are not about to end."""
        kind, _, name = thing.partition("/")
        selector = f"camstream.dev/kind={kind.capitalize()},camstream.dev/name={name}"
        found = self.cluster.get("pods", "--namespace", self.namespace, f"--selector={selector}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pod(self, thing: str) -> Body:
        (found,) = self.pods(thing)
        return found

    def lost(self, readings: Sequence[Reading], skipped_before: int, camera: str = "camera/cam") -> int:
        """How many pulses between the first and the last did not come, of those that the camera made.

        :param skipped_before: :meth:`skipped` of the camera, before the first
        """
        # What the camera did not make in time after the last reading is counted, too.
        return max(len(missing_pulses(readings)) - (self.skipped(camera) - skipped_before), 0)

    def skipped(self, camera: str) -> int:
        """Pulses that a simulated camera did not make in time, because the machine was busy."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.pod(camera)['metadata']['name']}:8080/proxy/status"
        report = json.loads(self.cluster.kubectl("get", "--raw", path))
        count: int = report["frames"]["dropped"].get("source/late", 0)
        return count

    def life(self, thing: str) -> tuple[str, int]:
        """Which pod it is, and how often its worker was started again: the same as long as nothing interrupts the stream."""
        pod = self.pod(thing)
        return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]

    def child(self, resource: str, thing: str) -> Body:
        kind, _, name = thing.partition("/")
        return self.get(f"{resource}/{PREFIX[kind.capitalize()]}-{name}")

    def reader(self, thing: str, channels: Sequence[str] = ("width",), mode: str = "sub") -> Any:
        """A pod that reads the stream until the end."""
        options = ["--timeout", "3600", "--mode", mode, "--channels", ",".join(channels)]
        return self.cluster.reader(self.namespace, self.address(thing), options, self.installation.worker_image)

    # ------------------------------------------------------------------ wait

    def wait_for(self, what: str, thing: str, condition: Callable[[Body], Any], timeout_s: float = FROM_APPLY_TO_READY_S) -> Body:
        """The object, once its status is about its newest generation and as wanted."""
        found: Body = {}

        def answer() -> bool:
            nonlocal found
            found = self.get(thing)
            status = found.get("status") or {}
            return status.get("observedGeneration") == found["metadata"]["generation"] and bool(condition(status))

        try:
            wait_for(f"{thing}: {what}", answer, timeout_s, PAUSE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(found.get('status'), indent=1)}") from None
        return found

    def wait_for_phase(self, thing: str, phase: str, timeout_s: float = FROM_APPLY_TO_READY_S) -> Body:
        return self.wait_for(phase, thing, lambda status: status.get("phase") == phase, timeout_s)

    def wait_for_condition(
        self, thing: str, kind: str, status: str, reason: str, words: str = "", timeout_s: float = FROM_APPLY_TO_READY_S
    ) -> Body:
        """The condition, once it is so."""

        def holds(found: Body) -> bool:
            one = condition(found, kind)
            return (one.get("status"), one.get("reason")) == (status, reason) and words in one["message"]

        found = self.wait_for(f"{kind} {status} {reason} {words}", thing, holds, timeout_s)
        return condition(found["status"], kind)

    def wait_until_ready(self, *things: str, timeout_s: float = FROM_APPLY_TO_READY_S) -> float:
        """:returns: how long it took [s]"""
        return self._kubectl_wait("condition=Ready", things, timeout_s)

    def wait_until_applied(self, thing: str) -> float:
        """Wait until a worker runs with the newest configuration.

        :returns: how long it took [s]
        """
        return self._kubectl_wait("condition=ConfigApplied", [thing], LIVE_S)

    def wait_until_gone(self, *things: str) -> None:
        def left() -> list[str]:
            return [thing for thing in things if self.cluster.try_kubectl("--namespace", self.namespace, "get", thing).returncode == 0]

        wait_for(f"end of {', '.join(things)}", lambda: not left(), 60, PAUSE_S)

    def wait_for_quota(self, name: str) -> None:
        """Until Kubernetes counts, it enforces nothing."""
        wait_for("quota counted", lambda: "used" in self.get(f"resourcequota/{name}").get("status", {}), 30, PAUSE_S)

    def _kubectl_wait(self, condition: str, things: Sequence[str], timeout_s: float) -> float:
        # kubectl only accepts a condition that is about the newest generation.
        started = time.monotonic()
        try:
            self.kubectl("wait", f"--for={condition}", f"--timeout={timeout_s:g}s", *things, timeout_s=timeout_s * len(things) + 10)
        except CommandError as error:
            raise AssertionError(f"{error}\n{[self.status(thing).get('conditions') for thing in things]}") from None
        return time.monotonic() - started

    # ------------------------------------------------------------------ what must always be true

    def check(self, quiet_s: float = QUIET_S) -> None:
        """The invariants; after everything that the test did has come to its end.

        :param quiet_s: how long nobody must have written anything [s]
        :raises AssertionError: if one does not hold
        """
        self._wait_until_quiet(quiet_s)
        things = self.cluster.get("cameras,pipelines", "--namespace", self.namespace)["items"]
        behind = [
            thing["metadata"]["name"]
            for thing in things
            if (thing.get("status") or {}).get("observedGeneration") != thing["metadata"]["generation"]
        ]
        assert not behind, f"the status of {behind} is not about the newest spec"
        living = {thing["metadata"]["uid"] for thing in things}
        orphans: list[str] = []

        def gone() -> bool:
            orphans[:] = self._orphans(living)
            return not orphans

        try:
            wait_for("children without a living owner go", gone, 30, PAUSE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {orphans}, beside {[thing['metadata']['name'] for thing in things]}") from None
        events = self._unexpected_events()
        assert not events, f"Events that nobody expected: {events}"
        workers = [line for line in self.installation.new_errors(self.namespace) if not (self.expected and ENDED.match(line))]
        errors = self.installation.new_errors() + workers
        assert not errors, f"logged as errors: {errors}"

    def _orphans(self, living: set[str]) -> list[str]:
        selector = "--selector=app.kubernetes.io/managed-by=camstream-operator"
        children = self.cluster.get("deployments,services,configmaps", "--namespace", self.namespace, selector)["items"]
        return [
            f"{child['kind']} {child['metadata']['name']}"
            for child in children
            if not {owner["uid"] for owner in child["metadata"].get("ownerReferences", [])} & living
        ]

    def _unexpected_events(self) -> list[str]:
        """Warnings, and what is told of a fight or of a worker that hung, that the test does not expect."""
        events = self.cluster.get("events", "--namespace", self.namespace)["items"]
        return [
            f"{event['reason']} of {event['involvedObject']['kind']} {event['involvedObject']['name']}: {event['message']}"
            for event in events
            if event["type"] == "Warning" or event["reason"] == FIGHT or HUNG in event.get("message", "")
            if event["reason"] not in self.expected and not USUAL.match(event["message"])
        ]

    def _wait_until_quiet(self, quiet_s: float) -> None:
        """Wait until nobody has written to anything of ours for a while."""
        versions, since = self._versions(), time.monotonic()
        changed: set[str] = set()

        def quiet() -> bool:
            nonlocal versions, since, changed
            now = self._versions()
            if now != versions:
                changed = {name for name in now.keys() | versions.keys() if now.get(name) != versions.get(name)}
                versions, since = now, time.monotonic()
            return time.monotonic() - since >= quiet_s

        try:
            wait_for(f"{quiet_s:g} s without a write", quiet, 60 + quiet_s, 4 * PAUSE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\nlast written: {', '.join(sorted(changed))}") from None

    def _versions(self) -> dict[str, str]:
        kinds = "cameras,pipelines,backgrounds,deployments,services,configmaps,pods,events"
        found = self.cluster.get(kinds, "--namespace", self.namespace)["items"]
        # What Kubernetes says of pods is its own, and so are those that read streams.
        ours = [
            thing
            for thing in found
            if not (thing["kind"] == "Event" and thing.get("reportingComponent") != OPERATOR)
            and not (thing["kind"] == "Pod" and "camstream.dev/kind" not in thing["metadata"].get("labels", {}))
        ]
        return {f"{thing['kind']}/{thing['metadata']['name']}": thing["metadata"]["resourceVersion"] for thing in ours}


@contextmanager
def gateway_doors(installation: Installation) -> Iterator[dict[int, str]]:
    """Where the ports of the gateway's Service are on this machine."""
    cluster = installation.cluster
    command = [binary("kubectl"), f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}", f"--namespace={NAMESPACE}"]
    command += ["port-forward", f"service/{GATEWAY}", ":8080", ":8888", ":8889"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found: dict[int, str] = {}
            while len(found) < 3:
                line = process.stdout.readline()
                assert line, "kubectl port-forward ended"
                if told := re.match(r"Forwarding from (127\.0\.0\.1:\d+) -> (\d+)", line):
                    found[int(told[2])] = f"http://{told[1]}"
            yield found
        finally:
            process.terminate()


@contextmanager
def served_gateway(made: "Workspace", **values: Any) -> Iterator[dict[int, str]]:
    """The gateway, for a workspace's namespace: where its ports are on this machine.

    :param values: of the chart, besides
    """
    installation = made.installation
    given = {
        "gateway__enabled": True,
        "gateway__allowPickle": True,
        "gateway__namespace": made.namespace,
        "backgrounds__persistence__enabled": True,
        "backgrounds__persistence__size": "64Mi",
        "backgrounds__persistence__keep": False,
    }
    installation.install(**given | values)
    try:
        with gateway_doors(installation) as found:
            yield found
    finally:
        installation.install()


@contextmanager
def workspace(installation: Installation, test: str, failed: Callable[[], bool]) -> Iterator[Workspace]:
    """In a namespace that enforces Pod Security `restricted`. After it the invariants must hold; a test that failed tells everything.

    :param test: its name
    :raises AssertionError: at the end, if they did not hold after an earlier one
    """
    name = f"e2e-{secrets.token_hex(3)}"
    cluster = installation.cluster
    cluster.kubectl("create", "namespace", name)
    made = Workspace(installation, name)

    def look() -> None:
        try:
            made.check()
        except AssertionError as error:
            raise AssertionError(f"after {test}: {error}") from None
        finally:
            cluster.kubectl("delete", "namespace", name, "--wait=false")

    try:
        cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted", OURS)
        yield made
    finally:
        if failed():
            # What readers print is long.
            print(*(line[:400] for line in cluster.describe(name).splitlines()), installation.log()[-6000:], sep="\n")
            # They are of this test, and not of the next one.
            installation.new_errors()
            cluster.kubectl("delete", "namespace", name, "--wait=false")
        else:
            try:
                installation.tell()
            finally:
                installation.look_later(look)


def condition(status: Body, kind: str) -> Body:
    return next((found for found in status.get("conditions", []) if found["type"] == kind), {})
