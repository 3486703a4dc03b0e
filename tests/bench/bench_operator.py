"""The operator with many objects on a real kube-apiserver: speed against a bare controller, memory, and restarts.

Half of the objects are cameras, the others are pipelines that read one each. Nothing runs pods here, so that only the operator is
measured. Every run has a namespace of its own; nothing is deleted.

What the limits mean:

- *memory*: the proportional set size of the process, the largest of all rounds, when it has nothing more to do. A neighbour on the machine
  cannot add to it, so that the limit itself is where it fails.
- *writes at a restart with nothing to do*: all requests that change something, but for lease and canary. One is too many.
- *wait of a new object*: what the others cost it. A camera and a pipeline that were created while no operator was there wait from when the
  new process leads until both Deployments are there; the same without others is taken off, because a start costs that in any case. It is a
  time, and so a busy machine may take twice as long.
- *objects to all children*: a ratio to a bare controller in the same run.
"""

import asyncio
import itertools
import json
import os
import re
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from api_server import TOKEN, ApiServer, install_crds, running_api_server
from bare_controller import APPLY, UID, Job
from harness import Measurement
from ports import free_port
from waiting import wait_for

from camstream.decide import decide_status
from camstream.names import API_VERSION
from camstream.resolve import Addresses, resolve
from camstream.spec import KINDS, Camera, Pipeline
from camstream.spec.key import Key
from camstream_operator.build.children import build_children, place_of
from camstream_operator.build.names import child_name, gather_address, stream_address
from camstream_operator.cluster.api import RESOURCES
from camstream_operator.decide.drift import difference
from camstream_operator.decide.seen import see
from camstream_operator.settings import Settings

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

OBJECTS = 1000
MEMORY_MB = 110.0
FIRM = 1.0
"""Bar of a limit that no other process on the machine can be blamed for."""
WAIT_MS = 100.0
IMAGE = "camstream-worker:bench"
STREAMING = ("Camera", "Pipeline")
CHILDREN = ("ConfigMap", "Service", "Deployment")
OLD = "n0000"
"""A camera that is there from the beginning."""
LOADERS = 16
"""Objects that are created at the same time."""

LEADS = "this process leads"
"""The operator's words, in its log."""

QUIET_S = 1.0
"""An operator that has not looked at anything for so long, and has hardly used its processor, has nothing more to do."""
IDLE_SHARE = 0.3
"""To tell its metrics of 1,000 objects once takes it a tenth of a second."""
ASK_S = 0.2
TIME_BAR = 0.4
"""For a goal that is a time and not a ratio: a shared machine may well take twice as long on another day."""

Body = dict[str, Any]


# ------------------------------------------------------------------ objects


def camera(name: str, namespace: str) -> Body:
    spec = {"source": {"simulation": {"width": 640, "height": 480, "frameRate": 10}}}
    return {"apiVersion": API_VERSION, "kind": "Camera", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def pipeline(name: str, namespace: str, camera_: str) -> Body:
    spec = {"input": {"camera": {"name": camera_}}, "processing": {"threshold": 10}}
    return {"apiVersion": API_VERSION, "kind": "Pipeline", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def objects_of(namespace: str, count: int) -> list[Body]:
    """Cameras first, then those that read them."""
    names = [f"n{i:04d}" for i in range(count // 2)]  # OLD is one of them
    return [camera(name, namespace) for name in names] + [pipeline(name, namespace, name) for name in names]


def requests_of(bodies: Sequence[Body], settings: Settings) -> dict[str, list[list[str]]]:
    """What a controller has to send for each object, by the object's path: its children, and the status that the operator would write."""
    things: dict[Key, Camera | Pipeline] = {}
    for body in bodies:
        thing = KINDS[body["kind"]].model_validate(body | {"metadata": body["metadata"] | {"uid": UID, "generation": 1}})
        assert isinstance(thing, (Camera, Pipeline))
        things[Key.of(thing)] = thing
    found = {}
    addresses = Addresses(stream=lambda other: stream_address(things[other]), gather=gather_address)
    for key, thing in things.items():
        config = resolve(thing, things, place_of(thing, settings), addresses, None)
        children = build_children(thing, config, settings, running=True)
        seen = see(thing, config, [], children[2], children[1], lambda _: None, lambda _: False, None, False, False)
        status = decide_status(thing, config, seen, thing.status, datetime.now(UTC))
        told = {
            "apiVersion": API_VERSION,
            "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        path = RESOURCES[key.kind].path(key.namespace, key.name)
        sent = [(RESOURCES[child["kind"]].path(key.namespace, child["metadata"]["name"]), child) for child in children]
        found[path] = [[target, json.dumps(body)] for target, body in [*sent, (f"{path}/status", told)]]
    return found


# ------------------------------------------------------------------ the cluster, as the benchmark sees it


class Cluster:
    """Requests of the benchmark itself."""

    def __init__(self, server: ApiServer, http: aiohttp.ClientSession, folder: Path) -> None:
        self.server, self.http, self.folder = server, http, folder
        self._number = itertools.count()

    async def request(self, method: str, path: str, body: Body | None = None, headers: dict[str, str] | None = None) -> Body:
        data = None if body is None else json.dumps(body)
        headers = headers or {"Content-Type": "application/json"}
        async with self.http.request(method, self.server.url + path, data=data, headers=headers) as answer:
            found: Body = json.loads(await answer.read())
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {found.get('message')}")
            return found

    async def namespace(self) -> str:
        """A new one."""
        name = f"bench-{next(self._number)}"
        await self.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    async def create(self, body: Body) -> Body:
        return await self.request("POST", RESOURCES[body["kind"]].path(body["metadata"]["namespace"]), body)

    async def create_all(self, bodies: Sequence[Body]) -> None:
        left = iter(bodies)

        async def some() -> None:
            for body in left:
                await self.create(body)

        await asyncio.gather(*(some() for _ in range(LOADERS)))

    async def children(self, namespace: str) -> dict[str, int]:
        """How many there are of each kind."""
        counts = {}
        for kind in CHILDREN:
            found = await self.request("GET", RESOURCES[kind].path(namespace) + "?limit=1")
            counts[kind] = len(found["items"]) + found["metadata"].get("remainingItemCount", 0)
        return counts

    @asynccontextmanager
    async def watching(self, kind: str, namespace: str) -> AsyncIterator[AsyncIterator[Body]]:
        """What happens to the objects of a kind from now on."""
        path = RESOURCES[kind].path(namespace)
        version = (await self.request("GET", path + "?limit=1"))["metadata"]["resourceVersion"]
        async with self.http.get(f"{self.server.url}{path}?watch=true&resourceVersion={version}") as answer:

            async def objects() -> AsyncIterator[Body]:
                async for line in answer.content:
                    yield json.loads(line)["object"]

            yield objects()


async def all_deployed(objects: AsyncIterator[Body], count: int) -> None:
    """Wait until the statuses of so many objects say that their children are as they should be."""
    deployed: set[str] = set()
    async for found in objects:
        conditions = (found.get("status") or {}).get("conditions") or []
        if any(one["type"] == "Deployed" and one["status"] == "True" for one in conditions):
            deployed.add(found["metadata"]["name"])
        if len(deployed) == count:
            return


async def shown(objects: AsyncIterator[Body], *names: str) -> float:
    """When a watch has shown all of some objects [s]."""
    missing = set(names)
    async for found in objects:
        missing.discard(found["metadata"]["name"])
        if not missing:
            return time.perf_counter()
    raise RuntimeError(f"the watch ended before {', '.join(missing)} came")


@asynccontextmanager
async def connected(server: ApiServer, folder: Path) -> AsyncIterator[Cluster]:
    context = ssl.create_default_context(cafile=str(server.certificate))
    context.check_hostname = False
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=0),
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=1 << 20,
    ) as http:
        yield Cluster(server, http, folder)


# ------------------------------------------------------------------ controllers as processes


class Process:
    """A controller; what it says is kept, each line with the time when it came."""

    def __init__(self, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
        self.started_at = time.perf_counter()
        self._popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=os.environ | (environment or {})
        )
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self.lines.append((time.perf_counter(), line.decode(errors="replace").rstrip()))

    def said(self, words: str) -> float | None:
        """When it said so [s]."""
        return next((at for at, line in list(self.lines) if words in line), None)

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def pss_mb(self) -> float:
        """Proportional set size [MB]."""
        text = Path(f"/proc/{self._popen.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1000

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def end(self) -> None:
        """:raises RuntimeError: if it had ended before, or complained"""
        ended = self._popen.poll()
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(20)
        finally:
            self._popen.kill()
        self._reader.join()
        text = "\n".join(line for _, line in self.lines)
        if ended is not None or " ERROR " in text or "Traceback" in text:
            raise RuntimeError(f"the controller ended with {ended} or complained:\n{text[-4000:]}")


class Operator(Process):
    """The operator of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        settings = cluster.folder / "settings.yaml"
        settings.write_text(f"workerImage: {IMAGE}\nnamespaces: [{namespace}]\n")
        self._port = free_port()
        command = [sys.executable, "-m", "camstream_operator.app", "--settings", settings, "--http-port", str(self._port)]
        super().__init__(
            [*command, "--kubeconfig", cluster.server.kubeconfig], {"POD_NAME": f"bench-{self._port}", "POD_NAMESPACE": namespace}
        )

    async def figures(self, http: aiohttp.ClientSession) -> dict[str, float]:
        """Its metrics, by name and labels; empty while it does not answer."""
        try:
            async with http.get(f"http://127.0.0.1:{self._port}/metrics") as answer:
                text = await answer.text()
        except aiohttp.ClientConnectionError:
            return {}
        pairs = (line.rpartition(" ") for line in text.splitlines() if line.startswith("camstream_operator_"))
        return {name.removeprefix("camstream_operator_"): float(value) for name, _, value in pairs}

    async def until(
        self, http: aiohttp.ClientSession, what: str, condition: Callable[[dict[str, float]], bool], pause_s: float = ASK_S
    ) -> dict[str, float]:
        """Wait for something to be seen in its metrics."""
        deadline = time.monotonic() + 120
        while True:
            found = await self.figures(http)
            if condition(found):
                return found
            if time.monotonic() > deadline or not self.running:
                raise RuntimeError(f"the operator: {what}: not seen; last lines: {[line for _, line in self.lines[-5:]]}")
            await asyncio.sleep(pause_s)

    async def ready(self, http: aiohttp.ClientSession) -> None:
        """Wait until its watches run: something that it wrote has come back."""
        await self.until(http, "watches run", lambda found: "canary_round_trip_seconds" in found)

    async def quiet(self, http: aiohttp.ClientSession) -> dict[str, float]:
        """Wait until there is nothing more to do."""
        state, since = (-1.0, 0.0), time.monotonic()

        def done(found: dict[str, float]) -> bool:
            nonlocal state, since
            looked, used = looks(found), self.cpu_s
            if looked != state[0] or used - state[1] > IDLE_SHARE * QUIET_S or found["queue_depth"]:
                state, since = (looked, used), time.monotonic()
            return time.monotonic() - since > QUIET_S

        return await self.until(http, "quiet", done, QUIET_S / 2)


def looks(figures: dict[str, float]) -> float:
    """How often it has looked after an object."""
    return sum(value for name, value in figures.items() if name.startswith("reconcile_total"))


def writes(figures: dict[str, float]) -> int:
    """Requests that change something, without those for the lease and the canary."""
    requests = sum(
        value
        for name, value in figures.items()
        if name.startswith("api_requests_total") and 'verb="GET"' not in name and not re.search('resource="(leases|configmaps)"', name)
    )
    # The canary is a ConfigMap, and no child.
    return int(requests + sum(value for name, value in figures.items() if re.match('children_applied_total.*kind="ConfigMap"', name)))


@contextmanager
def ending(process: Process) -> Iterator[Any]:
    try:
        yield process
    finally:
        process.end()


def bare_controller(cluster: Cluster, namespace: str, bodies: Sequence[Body]) -> Process:
    job = Job(
        server=cluster.server.url,
        certificate=str(cluster.server.certificate),
        token=TOKEN,
        collections=[RESOURCES[kind].path(namespace) for kind in STREAMING],
        requests=requests_of(bodies, Settings(worker_image=IMAGE)),
    )
    file = cluster.folder / "job.json"
    file.write_text(json.dumps(asdict(job)))
    return Process([sys.executable, HERE / "bare_controller.py", file])


# ------------------------------------------------------------------ all children of many objects


@dataclass(frozen=True, slots=True)
class Burst:
    """From the first of many objects to the last child and status."""

    seconds: float
    cpu_s: float


async def burst(cluster: Cluster, process: Process, namespace: str, bodies: Sequence[Body]) -> Burst:
    """:raises RuntimeError: if children are missing at the end"""
    each = len(bodies) // len(STREAMING)
    async with cluster.watching("Camera", namespace) as cameras, cluster.watching("Pipeline", namespace) as pipelines:
        before, start = process.cpu_s, time.perf_counter()
        work = asyncio.gather(cluster.create_all(bodies), all_deployed(cameras, each), all_deployed(pipelines, each))
        async with asyncio.timeout(300):
            while not (await asyncio.wait([work], timeout=1))[0]:
                if not process.running:
                    work.cancel()
                    raise RuntimeError("the controller ended too early")  # what it said is told by its end
        work.result()
        seconds = time.perf_counter() - start
    cpu_s = process.cpu_s - before
    counts = await cluster.children(namespace)
    # The canary is a ConfigMap as well.
    if any(count not in (len(bodies), len(bodies) + 1) for count in counts.values()):
        raise RuntimeError(f"{type(process).__name__}: {len(bodies)} objects are deployed, but there are {counts}")
    return Burst(seconds, cpu_s)


async def of_operator(cluster: Cluster, count: int) -> tuple[Burst, str, dict[str, float]]:
    """The burst, its namespace, and the memory of the operator [MB] and its looks for each object, when it is quiet again."""
    namespace = await cluster.namespace()
    with ending(Operator(cluster, namespace)) as operator:
        await operator.ready(cluster.http)
        found = await burst(cluster, operator, namespace, objects_of(namespace, count))
        figures = await operator.quiet(cluster.http)
        more = {"PSS": operator.pss_mb, "looks": looks(figures) / count}
    return found, namespace, more


async def of_bare_controller(cluster: Cluster, count: int) -> Burst:
    namespace = await cluster.namespace()
    bodies = objects_of(namespace, count)
    with ending(bare_controller(cluster, namespace, bodies)) as process:
        await asyncio.to_thread(wait_for, "the bare controller is ready", lambda: process.said("ready"))
        return await burst(cluster, process, namespace, bodies)


async def require_right(cluster: Cluster, namespace: str, bodies: Sequence[Body]) -> None:
    """The operator must have made what the bare controller sends for the same objects; the first of each kind stand for all."""
    chosen = [bodies[0], bodies[len(bodies) // 2]]
    for path, requests in requests_of(chosen, Settings(worker_image=IMAGE)).items():
        for target, body in requests[: len(CHILDREN)]:
            found, expected = await cluster.request("GET", target), json.loads(body)
            for part in ("spec", "data"):
                if (place := difference(expected.get(part), found.get(part), part)) is not None:
                    raise RuntimeError(f"{path}: the operator and the bare controller differ in {target} at {place}")


async def bursts(cluster: Cluster, count: int, rounds: int) -> tuple[list[Measurement], str]:
    """:returns: also a namespace that is full"""
    ours, bare, memory, seen = [], [], [], []
    for _ in range(rounds):
        of_ours, ours_at, more = await of_operator(cluster, count)
        of_bare = await of_bare_controller(cluster, count)
        await require_right(cluster, ours_at, objects_of(ours_at, count))
        ours.append(of_ours)
        bare.append(of_bare)
        memory.append(more["PSS"])
        seen.append(more["looks"])
    seconds = [statistics.median(one.seconds for one in some) for some in (ours, bare)]
    cpu_ms = [statistics.median(one.cpu_s for one in some) / count * 1e3 for some in (ours, bare)]
    raw = {
        "camstream [s]": round(seconds[0], 2),
        "bare [s]": round(seconds[1], 2),
        "camstream CPU per object [ms]": round(cpu_ms[0], 2),
        "bare CPU per object [ms]": round(cpu_ms[1], 2),
        "looks per object": round(statistics.median(seen), 2),
    }
    speed = Measurement(
        "objects to all children and a status, time",
        f"{count} objects",
        seconds[0] / seconds[1],
        goal=1.3,
        higher_is_better=False,
        baseline="bare asyncio controller that sends the same requests",
        raw=raw,
    )
    return [speed, of_memory("operator PSS after they came", count, max(memory))], ours_at


def of_memory(name: str, count: int, pss_mb: float) -> Measurement:
    raw = {"PSS [MB]": round(pss_mb, 1)}
    return Measurement(
        name, f"{count} objects", pss_mb / MEMORY_MB, goal=1.0, higher_is_better=False, baseline=f"{MEMORY_MB:g} MB", raw=raw, bar=FIRM
    )


# ------------------------------------------------------------------ restarts


@dataclass(frozen=True, slots=True)
class Restart:
    """What became of a camera and a pipeline that were created while no operator was there."""

    to_lead_s: float
    """From the start of the process."""
    waited_s: float
    """From when the process leads until the Deployments of both are there."""
    writes: int
    """Without those for the new objects."""
    pss_mb: float


async def restart(cluster: Cluster, namespace: str, name: str) -> Restart:
    new = [camera(name, namespace), pipeline(name, namespace, OLD)]
    for body in new:
        await cluster.create(body)
    async with cluster.watching("Deployment", namespace) as deployments:
        with ending(Operator(cluster, namespace)) as operator:
            async with asyncio.timeout(60):
                there = await shown(deployments, *(child_name(Key(body["kind"], namespace, name)) for body in new))
            await operator.ready(cluster.http)
            figures = await operator.quiet(cluster.http)
            leads = operator.said(LEADS)
            assert leads is not None
            made = len(new) * (len(CHILDREN) + 1)
            return Restart(leads - operator.started_at, there - leads, writes(figures) - made, operator.pss_mb)


async def restarts(cluster: Cluster, namespace: str, count: int, rounds: int) -> list[Measurement]:
    """:param namespace: with ``count`` objects that are as they should be"""
    alone = await cluster.namespace()
    await cluster.create(camera(OLD, alone))
    full, empty = [], []
    for i in range(rounds):
        full.append(await restart(cluster, namespace, f"new{i}"))
        empty.append(await restart(cluster, alone, f"new{i}"))
    waited = [statistics.median(one.waited_s for one in some) * 1e3 for some in (full, empty)]
    raw = {
        "leads to Deployment [ms]": round(waited[0], 1),
        "without others [ms]": round(waited[1], 1),
        "start to lead [ms]": round(statistics.median(one.to_lead_s for one in full) * 1e3),
    }
    size = f"{count} objects"
    written = max(one.writes for one in full)
    return [
        Measurement(
            "restart, a new object's wait for the others",
            size,
            max(waited[0] - waited[1], 1.0) / WAIT_MS,
            goal=1.0,
            higher_is_better=False,
            baseline=f"{WAIT_MS:g} ms more than without others",
            raw=raw,
            bar=TIME_BAR,
        ),
        Measurement(
            "restart, share of unchanged objects that are left alone",
            size,
            1 - written / count,
            goal=1.0,
            baseline="all",
            raw={"writes": written},
            bar=FIRM,
        ),
        of_memory("operator PSS after a restart", count, max(one.pss_mb for one in full)),
    ]


# ------------------------------------------------------------------ one object at a time


async def single(cluster: Cluster, count: int) -> Measurement:
    """From the request for a camera until a watch shows its Deployment."""
    watched, bare = await cluster.namespace(), await cluster.namespace()
    bodies = [camera(f"n{i}", bare) for i in range(count)]
    manifests = requests_of(bodies, Settings(worker_image=IMAGE))
    ours, by_hand = [], []
    with ending(Operator(cluster, watched)) as operator:
        await operator.ready(cluster.http)
        await operator.quiet(cluster.http)
        for i in range(count):
            async with cluster.watching("Deployment", watched) as deployments:
                start = time.perf_counter()
                await cluster.create(camera(f"n{i}", watched))
                ours.append(await shown(deployments, f"cam-n{i}") - start)
            # Its status, too, or it would be written while the others are timed.
            await operator.until(cluster.http, "status", lambda found: found['status_writes_total{kind="Camera"}'] > i)  # noqa: B023
            by_hand.append(await _by_hand(cluster, bodies[i], manifests))
    medians = [statistics.median(times) * 1e3 for times in (ours, by_hand)]
    raw = {"camstream p50 [ms]": round(medians[0], 2), "by hand p50 [ms]": round(medians[1], 2)}
    return Measurement(
        "one camera to its Deployment",
        "1 object",
        medians[0] / medians[1],
        goal=1.5,
        higher_is_better=False,
        baseline="the same requests in the same order, without an operator",
        raw=raw,
    )


async def _by_hand(cluster: Cluster, body: Body, manifests: dict[str, list[list[str]]]) -> float:
    """Create a camera and see it; apply its ConfigMap and Service, then its Deployment, and see that [s]."""
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    *before, deployment = manifests[RESOURCES["Camera"].path(namespace, name)][: len(CHILDREN)]

    async def apply(request: list[str]) -> None:
        # An owner that is not there does no harm: nothing collects garbage here.
        await cluster.request("PATCH", f"{request[0]}?fieldManager=bench&force=true", json.loads(request[1]), APPLY)

    async with cluster.watching("Camera", namespace) as cameras, cluster.watching("Deployment", namespace) as deployments:
        start = time.perf_counter()
        await asyncio.gather(cluster.create(body), shown(cameras, name))
        await asyncio.gather(*(apply(request) for request in before))
        await asyncio.gather(apply(deployment), shown(deployments, child_name(Key("Camera", namespace, name))))
        return time.perf_counter() - start


# ------------------------------------------------------------------ all


async def measure(server: ApiServer, folder: Path, short: bool) -> list[Measurement]:
    async with connected(server, folder) as cluster:
        found, full = await bursts(cluster, OBJECTS, 1 if short else 5)
        found += await restarts(cluster, full, OBJECTS, 3 if short else 7)
        return [*found, await single(cluster, 20 if short else 100)]


def run(short: bool) -> list[Measurement]:
    """:raises RuntimeError: if something is made wrong; in CI also where there is no API server"""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with running_api_server(Path(folder)) as server:
                install_crds(server)
                return asyncio.run(measure(server, Path(folder), short))
        except pytest.skip.Exception as reason:
            print(f"  {reason}: the operator is not measured")
            return []
        except pytest.fail.Exception as reason:
            raise RuntimeError(str(reason)) from reason
        except TimeoutError as error:
            raise RuntimeError("the cluster did not come to where it should be in time") from error


if __name__ == "__main__":
    from main import line

    for measurement in run("--short" in sys.argv):
        print(line(measurement))
