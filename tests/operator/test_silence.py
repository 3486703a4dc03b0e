"""How long a worker may keep silent before that is told."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from aiohttp import web
from operators import SIMULATION, Cluster, bench
from pod_workers import report_of, running_pod, running_worker

from camstream.spec.key import Key
from camstream.spec.report import WorkerReport
from camstream_operator.cluster.reports import SILENT_S

FIRST, SECOND = "127.0.80.1", "127.0.80.2"
GUN = "cam-gun-2"
"""Of two workers of a second, the status tells of the one with the last name."""


class Silence(dict[str, WorkerReport]):
    """No report for those who ask."""

    asked = 0

    def __missing__(self, key: str) -> WorkerReport:
        self.asked += 1
        raise web.HTTPServiceUnavailable


@pytest.fixture
def silence() -> Iterator[Silence]:
    found = Silence()
    with running_worker(SECOND, found):
        yield found


@pytest.mark.parametrize("started", [False, True])
def test_a_worker_beside_others_has_the_time_to_start_that_its_pod_has(cluster: Cluster, silence: Silence, started: bool) -> None:
    """Only one that has answered its kubelet is expected to answer at once."""
    namespace = cluster.make_namespace(f"silence-{started}".lower())
    cluster.create("Camera", namespace, "gun", SIMULATION)
    later_s = 0.0

    async def test() -> None:
        nonlocal later_s
        async with bench(cluster.server, namespace, clock=lambda: time.monotonic() + later_s) as operator:
            await operator.start()
            report = {"now": report_of(cluster.get("Camera", namespace, "gun"))}
            cluster.make_pod(namespace, "cam-gun", "cam-gun-1", running_pod(FIRST))
            uid = cluster.make_pod(namespace, "cam-gun", GUN, {"phase": "Pending"})["metadata"]["uid"]
            with running_worker(FIRST, report):
                asking = asyncio.create_task(operator.reports.run())
                try:
                    await operator.audit.look()
                    while cluster.get("Camera", namespace, "gun")["status"]["phase"] != "Running":
                        operator.concerned = {Key("Camera", namespace, "gun")}
                        await operator.work()
                    assert cluster.get("Camera", namespace, "gun")["status"]["worker"]["podName"] == GUN
                    cluster.set_pod(namespace, GUN, running_pod(SECOND, started))
                    await operator.work()
                    later_s = SILENT_S + 1
                    silence.asked = 0
                    # When it is asked for the third time, what came of the first time has been seen.
                    while silence.asked < 3:
                        await asyncio.sleep(0.02)
                    assert operator.reports.silent(uid) is started
                finally:
                    asking.cancel()
                    await asyncio.wait([asking])

    asyncio.run(asyncio.wait_for(test(), 60))
