"""What is edited while the operator is at work: the answer to one of its own requests tells it first, and the watch is no news then."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import pytest
from operators import SIMULATION, Bench, Cluster, assert_in_order, bench, reads

from camstream.names import PAUSE, WAKE
from camstream.spec.key import Key
from camstream_operator.cluster.api import ApiError

NUMBERS = count(1)
Edit = Callable[[], dict[str, Any]]


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def edit_before(operator: Bench, ending: str, edit: Edit) -> list[dict[str, Any]]:
    """Edit an object just before the operator's first request to a path; filled with the object as the watch tells it later."""
    edited: list[dict[str, Any]] = []

    def before(_number: int, _method: str, path: str) -> None:
        if path.endswith(ending) and not edited:
            edited.append(edit())

    operator.api.faults.before = before
    return edited


EDITS: dict[str, dict[str, Any]] = {
    "spec": {"spec": {"output": {"port": 7000}}},
    "pause": {"metadata": {"annotations": {PAUSE: "true"}}},
    "wake": {"metadata": {"annotations": {WAKE: "2099-01-01T00:00:00Z"}}},
    "label": {"metadata": {"labels": {"team": "beam"}}},
}


@pytest.mark.parametrize("kind", EDITS)
def test_edit_just_before_the_status_is_written_is_looked_at(cluster: Cluster, namespace: str, kind: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION | {"lifecycle": {"mode": "OnDemand"}})
    key = Key("Camera", namespace, "gun")

    async def story() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.audit.fill()
            edited = edit_before(operator, "/status", lambda: cluster.edit("Camera", namespace, "gun", EDITS[kind]))
            await operator.reconciler.reconcile(key)
            assert operator.store.put("Camera", edited[0]) == set(), "the watch tells nothing new"
            assert operator.concerned == {key}
            await operator.work()

    run(story())
    found = cluster.get("Camera", namespace, "gun")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    expected = {"spec": "Idle", "pause": "Idle", "wake": "Starting", "label": "Idle"}
    assert found["status"]["phase"] == expected[kind]
    assert any(one["type"] == "ReconciliationPaused" for one in found["status"]["conditions"]) == (kind == "pause")
    if kind == "spec":
        assert cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7000
    assert_in_order(cluster, namespace)


def test_edit_just_before_the_status_is_written_is_told_to_readers(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))

    async def story() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            cluster.edit("Camera", namespace, "gun", {"spec": {"lifecycle": {"mode": "Stopped"}}})
            await operator.audit.look()
            operator.concerned.clear()
            edit_before(operator, "/status", lambda: cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}}))
            await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
            assert Key("Pipeline", namespace, "fit") in operator.concerned
            await operator.work()

    run(story())
    assert ":7000" in cluster.get("ConfigMap", namespace, "cpl-fit")["data"]["config.json"]
    assert_in_order(cluster, namespace)


def test_own_writes_are_no_reason_to_look_again(cluster: Cluster, namespace: str) -> None:
    kept = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    cluster.create("Camera", namespace, "gun", SIMULATION, metadata={"annotations": kept})

    async def story() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.audit.fill()
            await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
            assert operator.concerned == set()

    run(story())


def test_background_that_one_has_asked_for_is_told_to_all_that_wait_for_it(cluster: Cluster, namespace: str) -> None:
    wanted = SIMULATION | {"background": {"name": "gun_20260821_120000_000000"}}
    for name in ("gun", "laser"):
        cluster.create("Camera", namespace, name, wanted)

    async def story() -> None:
        async with bench(cluster.server, namespace, backgroundsUrl="http://gateway:8080/backgrounds") as operator:
            await operator.start()
            found = cluster.condition("Camera", namespace, "laser", "BackgroundLoaded")
            assert found["reason"] == "NotFound"
            _store_background(cluster, namespace)
            await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
            assert operator.concerned == {Key("Camera", namespace, "laser")}

    run(story())


@pytest.mark.parametrize("status", [0, 429, 500])
def test_background_that_cannot_be_asked_for_is_not_taken_for_missing(cluster: Cluster, namespace: str, status: int) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION | {"background": {"name": "gun_20260821_120000_000000"}})

    async def story() -> None:
        async with bench(cluster.server, namespace, backgroundsUrl="http://gateway:8080/backgrounds") as operator:
            await operator.audit.fill()

            def refuse(_number: int, _method: str, path: str) -> None:
                if "/backgrounds/" in path:
                    raise ApiError(status, "Busy", "come again")

            operator.api.faults.before = refuse
            with pytest.raises(ApiError, match="come again"):
                await operator.reconciler.reconcile(Key("Camera", namespace, "gun"))
            assert "status" not in cluster.get("Camera", namespace, "gun")

    run(story())


def _store_background(cluster: Cluster, namespace: str) -> None:
    name = "gun-20260821-120000-000000"
    cluster.create("Background", namespace, name, {"stored": "gun_20260821_120000_000000"})
    status = {"phase": "Completed", "name": "gun_20260821_120000_000000", "sha256": "0" * 64}
    cluster.edit("Background", namespace, name, {"status": status}, subresource="status")


def test_audit_finds_an_object_whose_newest_spec_was_never_looked_at(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)

    async def story() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            edited = cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}})
            # However it may be that nobody has heard of it.
            operator.store.put("Camera", edited)
            operator.concerned.clear()
            await operator.work()

    run(story())
    assert cluster.get("Service", namespace, "cam-gun")["spec"]["ports"][0]["port"] == 7000
