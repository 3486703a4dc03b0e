"""Objects that run on demand: from when somebody asks for them until nobody reads them, whoever looks after them meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from operators import SIMULATION, Bench, Cluster, assert_in_order, bench, converge, reads
from pod_workers import report_of, running_pod, running_worker

from camstream.idling import STARTING_S, stamp
from camstream.names import WAKE
from camstream.spec.key import Key
from camstream.spec.status import ExitStatus, Phase
from camstream_operator.cluster.api import ApiError
from camstream_operator.reconcile import FIRST_READER_S

NUMBERS = count(1)
ON_DEMAND: dict[str, Any] = {"lifecycle": {"mode": "OnDemand", "idleTimeoutSeconds": 10}}
ADDRESS = "127.0.78.2"


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


def private(idle_timeout_s: int) -> dict[str, Any]:
    return SIMULATION | {"lifecycle": {"mode": "OnDemand", "idleTimeoutSeconds": idle_timeout_s, "deleteWhenIdle": True}}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def replicas(cluster: Cluster, namespace: str, name: str) -> int:
    found: int = cluster.get("Deployment", namespace, name)["spec"]["replicas"]
    return found


def ask_for(cluster: Cluster, kind: str, namespace: str, name: str, ago_s: float = 0.0) -> None:
    asked = stamp(datetime.now(UTC) - timedelta(seconds=ago_s))
    cluster.edit(kind, namespace, name, {"metadata": {"annotations": {WAKE: asked}}})


def pass_time(operator: Bench, seconds: float) -> None:
    """Let the operator's clock be ahead of all others [s]."""
    operator.reconciler._now = lambda: datetime.now(UTC) + timedelta(seconds=seconds)


def uid_of_pod(cluster: Cluster, namespace: str) -> str:
    uid: str = cluster.get("Pod", namespace, "cam-gun-1")["metadata"]["uid"]
    return uid


@asynccontextmanager
async def worker_says(operator: Bench, cluster: Cluster, namespace: str, idle_s: float | None, **more: Any) -> AsyncIterator[None]:
    """A pod of the camera runs, and its worker has had no reader for so long (None: there is one).

    :param more: of its report
    """
    report = report_of(cluster.get("Camera", namespace, "gun")).model_copy(update={"idle_seconds": idle_s} | more)
    status = running_pod(ADDRESS)
    with running_worker(ADDRESS, {"now": report}):
        uid = cluster.make_pod(namespace, "cam-gun", "cam-gun-1", status)["metadata"]["uid"]
        asking = asyncio.create_task(operator.reports.run())
        try:
            await operator.work()
            while operator.reports.of(uid) is None:
                await asyncio.sleep(0.05)
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    cluster.server.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/cam-gun-1", {"gracePeriodSeconds": 0})


def test_nobody_asks_and_nothing_runs_until_somebody_does(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION | ON_DEMAND)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            assert replicas(cluster, namespace, "cam-gun") == 0
            status = cluster.get("Camera", namespace, "gun")["status"]
            assert status["phase"] == "Idle"
            # The address is there before the worker.
            assert status["stream"]["address"] == f"tcp://cam-gun.{namespace}.svc:9999"
            assert cluster.condition("Camera", namespace, "gun", "Active")["reason"] == "Idle"
            ask_for(cluster, "Camera", namespace, "gun")
            await operator.work()
            assert replicas(cluster, namespace, "cam-gun") == 1
            assert cluster.get("Camera", namespace, "gun")["status"]["phase"] == "Starting"

    run(test())


@pytest.mark.parametrize(("idle_s", "goes_on"), [(None, True), (9.0, True), (11.0, False)], ids=["read", "not read lately", "idle"])
def test_worker_runs_on_as_long_as_somebody_reads_it(cluster: Cluster, namespace: str, idle_s: float | None, goes_on: bool) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION | ON_DEMAND)
    ask_for(cluster, "Camera", namespace, "gun", ago_s=30)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            assert replicas(cluster, namespace, "cam-gun") == 1
            async with worker_says(operator, cluster, namespace, idle_s):
                await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
                pass_time(operator, 30)
                await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
                assert replicas(cluster, namespace, "cam-gun") == goes_on
                assert cluster.get("Camera", namespace, "gun")["status"]["phase"] == ("Running" if goes_on else "Idle")

    run(test())
    if not goes_on:
        # Nor does the next operator start it again for who asked before.
        assert_in_order(cluster, namespace)
        assert replicas(cluster, namespace, "cam-gun") == 0


def test_worker_that_the_next_operator_has_not_heard_yet_goes_on(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION | ON_DEMAND)
    ask_for(cluster, "Camera", namespace, "gun", ago_s=30)

    async def test() -> None:
        async with bench(cluster.server, namespace) as first:
            await first.start()
            async with worker_says(first, cluster, namespace, None):
                await first.reconciler.reconcile(Key("Camera", namespace, "gun"))
                ask_for(cluster, "Camera", namespace, "gun", ago_s=3600)
                async with bench(cluster.server, namespace) as second:
                    await second.start()
                    assert replicas(cluster, namespace, "cam-gun") == 1

    run(test())


def test_who_asks_for_a_pipeline_gets_its_camera_and_a_reader_that_always_runs_too(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION | ON_DEMAND)
    cluster.create("Pipeline", namespace, "fit", reads("gun") | ON_DEMAND)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            assert [replicas(cluster, namespace, name) for name in ("cam-gun", "cpl-fit")] == [0, 0]
            ask_for(cluster, "Pipeline", namespace, "fit")
            await operator.work()
            assert [replicas(cluster, namespace, name) for name in ("cam-gun", "cpl-fit")] == [1, 1]
            ask_for(cluster, "Pipeline", namespace, "fit", ago_s=3600)
            await operator.work()
            assert [replicas(cluster, namespace, name) for name in ("cam-gun", "cpl-fit")] == [0, 0]
            cluster.create("Pipeline", namespace, "always", reads("gun"))
            await operator.work()
            assert [replicas(cluster, namespace, name) for name in ("cam-gun", "cpl-fit")] == [1, 0]

    run(test())


@pytest.mark.parametrize("edited", [False, True], ids=["as it was", "asked for at the same moment"])
def test_stream_of_one_client_is_deleted_when_it_is_idle(cluster: Cluster, namespace: str, edited: bool) -> None:
    lifecycle = {"lifecycle": ON_DEMAND["lifecycle"] | {"deleteWhenIdle": True}}
    cluster.create("Camera", namespace, "gun", SIMULATION | lifecycle)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            # Who creates it wants it.
            assert replicas(cluster, namespace, "cam-gun") == 1
            async with worker_says(operator, cluster, namespace, 11.0):
                await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
                pass_time(operator, 3600)
                if edited:
                    # It is not seen yet, for want of a watch.
                    ask_for(cluster, "Camera", namespace, "gun", ago_s=-3600)
                    with pytest.raises(ApiError, match="does not match"):
                        await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
                else:
                    await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
            assert (cluster.find("Camera", namespace, "gun") is not None) is edited
            await operator.work()
            assert (cluster.find("Camera", namespace, "gun") is not None) is edited

    run(test())


@pytest.mark.parametrize(("later_s", "goes_on"), [(0.0, True), (FIRST_READER_S - 0.1, True), (FIRST_READER_S, False)])
def test_stream_with_a_short_time_out_waits_for_who_has_just_been_told_its_address(
    cluster: Cluster, namespace: str, later_s: float, goes_on: bool
) -> None:
    cluster.create("Camera", namespace, "gun", private(1))
    key = Key("Camera", namespace, "gun")

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            # Its worker takes a while to start: it is asked for long ago when it is first heard, and nobody could read it before.
            told = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=STARTING_S / 2)
            operator.reconciler._now = lambda: told
            async with worker_says(operator, cluster, namespace, 20.0):
                await operator.reconciler.reconcile(key)
                assert cluster.condition("Camera", namespace, "gun", "Active")["status"] == "True"
                operator.reconciler._now = lambda: told + timedelta(seconds=later_s)
                await operator.reconciler.reconcile(key)
                assert (cluster.find("Camera", namespace, "gun") is not None) is goes_on

    run(test())


def test_next_operator_counts_from_when_the_stream_was_active_and_not_anew(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", private(1))
    key = Key("Camera", namespace, "gun")

    async def test() -> None:
        async with bench(cluster.server, namespace) as first:
            await first.start()
            async with worker_says(first, cluster, namespace, 20.0):
                await first.reconciler.reconcile(key)
                async with bench(cluster.server, namespace) as second:
                    pass_time(second, FIRST_READER_S + 1)
                    await second.audit.fill()
                    await second.reconciler.reconcile(key)
                    asking = asyncio.create_task(second.reports.run())
                    while second.reports.of(uid_of_pod(cluster, namespace)) is None:
                        await asyncio.sleep(0.05)
                    asking.cancel()
                    await asyncio.gather(asking, return_exceptions=True)
                    await second.reconciler.reconcile(key)
                assert cluster.find("Camera", namespace, "gun") is None

    run(test())


BROKEN: dict[str, Any] = {
    "phase": Phase.FAILED,
    "exit": ExitStatus(reason="ScriptError", exit_code=1, message="script 'gun', line 2: ValueError: no beam"),
}
"""What a worker says that failed for good, and only stays to tell so."""


def test_stream_of_one_client_that_fails_ends_for_good_and_starts_again_when_it_is_edited(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", private(600))
    key = Key("Camera", namespace, "gun")

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            assert replicas(cluster, namespace, "cam-gun") == 1
            async with worker_says(operator, cluster, namespace, None, **BROKEN):
                # Its own write is news to nobody.
                assert await operator.reconciler.reconcile(key) == 0.0
                await operator.reconciler.reconcile(key)
            await operator.work()
            status = cluster.get("Camera", namespace, "gun")["status"]
            assert (status["phase"], status["config"]["endedHash"]) == ("Failed", status["config"]["desiredHash"])
            assert (status["worker"]["lastExit"]["reason"], status["worker"]["lastExit"]["exitCode"]) == ("ScriptError", 1)
            ready = cluster.condition("Camera", namespace, "gun", "Ready")
            assert ready["reason"] == "ScriptError"
            assert ready["message"].startswith("script 'gun', line 2: ValueError: no beam; it is not tried again: edit the spec")
            assert replicas(cluster, namespace, "cam-gun") == 0

    run(test())
    # Nor does the next operator start it again.
    assert_in_order(cluster, namespace)
    assert replicas(cluster, namespace, "cam-gun") == 0
    cluster.edit("Camera", namespace, "gun", {"spec": {"source": {"simulation": {"frameRate": 7}}}})
    converge(cluster.server, namespace)
    assert replicas(cluster, namespace, "cam-gun") == 1
    status = cluster.get("Camera", namespace, "gun")["status"]
    assert status["phase"] == "Starting"
    assert "endedHash" not in status["config"]


def test_stream_that_fails_when_nobody_reads_it_is_told_so_before_it_is_deleted(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", private(1))
    key = Key("Camera", namespace, "gun")

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            async with worker_says(operator, cluster, namespace, 500.0, **BROKEN):
                pass_time(operator, STARTING_S / 2)
                await operator.reconciler.reconcile(key)
                await operator.reconciler.reconcile(key)
            await operator.work()
            assert cluster.get("Camera", namespace, "gun")["status"]["phase"] == "Failed"
            # Who made it had time to look.
            pass_time(operator, 2 * STARTING_S)
            await operator.reconciler.reconcile(key)
            assert cluster.find("Camera", namespace, "gun") is None

    run(test())
