"""Events and the canary's ConfigMap on a real API server, which has its own ideas of what is right."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from api_server import ApiServer

from camstream_operator.cluster.api import Api
from camstream_operator.cluster.canary import CANARY, TOKEN, Canary
from camstream_operator.cluster.recorder import Recorder


@asynccontextmanager
async def recording(server: ApiServer) -> AsyncIterator[Recorder]:
    api = await Api.connect(lambda *_: None, str(server.kubeconfig))
    recorder = Recorder(api, "operator-1")
    running = asyncio.create_task(recorder.run())
    try:
        yield recorder
        recorder.stop()
        await running
    finally:
        running.cancel()
        await api.close()


def camera(name: str, namespace: str = "default") -> dict[str, Any]:
    return {"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera", "namespace": namespace, "name": name, "uid": f"uid-of-{name}"}


def events(server: ApiServer, name: str) -> list[dict[str, Any]]:
    """As `kubectl describe` finds them."""
    wanted = quote(f"involvedObject.kind=Camera,involvedObject.name={name},involvedObject.uid=uid-of-{name}")
    found: list[dict[str, Any]] = server.request("GET", f"/api/v1/namespaces/default/events?fieldSelector={wanted}").body["items"]
    return found


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.05)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))  # type: ignore[arg-type]


def test_event_is_found_by_its_object(server: ApiServer) -> None:
    async def test() -> None:
        async with recording(server) as recorder:
            recorder.record(camera("gun"), "Warning", "ImagePullBackOff", "image is missing")
            await until(lambda: events(server, "gun"))

    run(test)
    (event,) = events(server, "gun")
    assert event["involvedObject"] == camera("gun")
    assert (event["type"], event["reason"], event["message"], event["count"]) == ("Warning", "ImagePullBackOff", "image is missing", 1)


def test_same_event_of_the_next_process_is_not_a_second_one(server: ApiServer) -> None:
    async def test() -> None:
        for times in (1, 2):
            async with recording(server) as recorder:
                for _ in range(times):
                    recorder.record(camera("again"), "Normal", "Running", "frames come")
                await until(lambda: [event for event in events(server, "again") if event["count"] == times])  # noqa: B023

    run(test)
    assert len(events(server, "again")) == 1


def test_longest_words_are_accepted(server: ApiServer) -> None:
    name = "n" * 253

    async def test() -> None:
        async with recording(server) as recorder:
            recorder.record(camera(name), "Warning", "R" * 200, "ä" * 2000)
            await until(lambda: events(server, name))
            assert recorder.dropped == 0

    run(test)


def test_namespace_that_is_gone_or_going_costs_one_warning(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    namespaces = "/api/v1/namespaces"
    # With no controller about, a namespace that is being deleted stays like that.
    assert server.request("POST", namespaces, {"metadata": {"name": "going"}}).status == 201
    assert server.request("DELETE", f"{namespaces}/going").status == 200

    async def test() -> None:
        async with recording(server) as recorder:
            for number in range(5):
                recorder.record(camera("gun", "gone"), "Normal", "Running", f"message {number}")
                recorder.record(camera("gun", "going"), "Normal", "Running", f"message {number}")
            await until(lambda: recorder.dropped == 10)

    run(test)
    told = sorted(record.getMessage() for record in caplog.records if record.name.startswith("camstream_operator"))
    assert len(told) == 2
    assert 'namespaces "gone" not found' in told[1]
    assert "because it is being terminated" in told[0]


def test_canary_keeps_one_config_map(server: ApiServer) -> None:
    path = f"/api/v1/namespaces/default/configmaps/{CANARY}"
    seen: list[str] = []

    async def test() -> None:
        api = await Api.connect(lambda *_: None, str(server.kubeconfig))

        async def look(_: float) -> None:
            found = server.request("GET", path).body
            assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "camstream-operator"}
            seen.append(found["data"][TOKEN])
            canary.seen(seen[-1])
            if len(seen) == 3:
                raise asyncio.CancelledError

        canary = Canary(api, "default", sleep=look)
        with pytest.raises(asyncio.CancelledError):
            await canary.run()
        assert canary.round_trip_s is not None
        await api.close()

    run(test)
    assert len(set(seen)) == 3
