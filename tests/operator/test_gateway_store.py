"""The gateway's objects on a real API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from api_proxy import Asked, Refusal, running_proxy
from objects import make_camera, make_pipeline
from operators import SIMULATION, Cluster
from waiting import wait_for

from camstream.spec.key import Key
from camstream.spec.objects import Camera
from camstream_gateway.cluster_store import ClusterStore
from camstream_gateway.mirror import Mirror
from camstream_gateway.store import Refused

API = "/apis/camstream.dev/v1alpha1/namespaces/default"


@contextlib.asynccontextmanager
async def mirrored(cluster: Cluster, kubeconfig: Path | None = None) -> AsyncIterator[Mirror]:
    async with await ClusterStore.connect("default", (), str(kubeconfig or cluster.server.kubeconfig)) as store:
        mirror = Mirror(store)
        following = asyncio.create_task(mirror.follow())
        try:
            await mirror.ready(20)
            yield mirror
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def seen(mirror: Mirror, key: Key, condition: Any) -> Any:
    """The object, as soon as the API server has told that it is so."""

    def look() -> Any:
        held = mirror.get(key)
        return held if held and held.thing.metadata.uid and condition(held) else None

    found = await mirror.wait(look, 20)
    assert found is not None, mirror.get(key)
    return found


def test_object_is_made_changed_and_deleted_and_every_step_is_told(cluster: Cluster) -> None:
    async def run() -> None:
        async with mirrored(cluster) as mirror:
            camera = make_camera("tour", externalName="SAT-CM-01", groups=["one"])
            key = Key.of(camera)
            await mirror.apply(camera)
            held = await seen(mirror, key, lambda held: held.thing.spec.groups == ["one"])
            edited = held.thing.model_copy(update={"spec": held.thing.spec.model_copy(update={"groups": ["two"]})})
            await mirror.apply(edited)
            held = await seen(mirror, key, lambda held: held.thing.metadata.generation == 2)
            assert held.thing.spec.groups == ["two"]
            assert held.thing.external_name == "SAT-CM-01"
            await mirror.delete(key)
            assert cluster.server.request("GET", f"{API}/cameras/tour").status == 404
            await mirror.delete(key)

    asyncio.run(run())


def test_what_others_wrote_stays_and_their_edits_are_not_lost(cluster: Cluster) -> None:
    async def run() -> None:
        async with mirrored(cluster) as mirror:
            camera = make_camera("shared")
            key = Key.of(camera)
            await mirror.apply(camera)
            held = await seen(mirror, key, lambda held: True)
            patch = {"metadata": {"labels": {"team": "laser"}}}
            cluster.server.request("PATCH", f"{API}/cameras/shared", patch, "application/merge-patch+json")
            # Ours was read before: the label is in the newest version, and is kept.
            edited = held.thing.model_copy(update={"spec": held.thing.spec.model_copy(update={"groups": ["mine"]})})
            await mirror.apply(edited)
            held = await seen(mirror, key, lambda held: held.thing.spec.groups == ["mine"] and held.thing.metadata.labels)
            assert held.thing.metadata.labels == {"team": "laser"}
            await mirror.delete(key)

    asyncio.run(run())


def test_what_the_api_server_refuses_is_told_in_its_words(cluster: Cluster) -> None:
    async def run() -> None:
        async with mirrored(cluster) as mirror:
            camera = make_camera("fixed", externalName="A")
            await mirror.apply(camera)
            held = await seen(mirror, Key.of(camera), lambda held: True)
            spec = held.thing.spec.model_copy(update={"external_name": "B"})
            with pytest.raises(Refused, match="externalName"):
                await mirror.apply(held.thing.model_copy(update={"spec": spec}))
            await mirror.delete(Key.of(camera))

    asyncio.run(run())


def test_objects_and_status_of_others_are_told(cluster: Cluster) -> None:
    async def run() -> None:
        async with mirrored(cluster) as mirror:
            pipeline = make_pipeline("theirs")
            cluster.create("Pipeline", "default", "theirs", pipeline.spec.to_dict())
            key = Key.of(pipeline)
            held = await seen(mirror, key, lambda held: True)
            assert held.http_address is None
            status = {"status": {"phase": "Running", "stream": {"address": "tcp://camstream-theirs.default.svc:9999"}}}
            path = f"{API}/pipelines/theirs/status"
            assert cluster.server.request("PATCH", path, status, "application/merge-patch+json").status == 200
            held = await seen(mirror, key, lambda held: held.thing.status.phase == "Running")
            assert held.http_address == "http://camstream-theirs.default.svc:8080"
            assert cluster.server.request("DELETE", f"{API}/pipelines/theirs").status == 200
            assert await mirror.wait(lambda: True if mirror.get(key) is None else None, 20)

    asyncio.run(run())


@pytest.mark.parametrize("status", [403, 429, 503])
def test_watches_that_are_refused_begin_anew(cluster: Cluster, tmp_path: Path, status: int) -> None:
    """As those of a kind that is new to the API server: it is listed already, and to a watch the answer is 429."""

    async def run() -> None:
        with running_proxy(cluster.server) as proxy:
            refused: set[str] = set()

            def refuse(asked: Asked) -> Refusal | None:
                if not asked.watch or asked.path in refused:
                    return None
                refused.add(asked.path)
                return Refusal(status)

            proxy.before = refuse
            async with mirrored(cluster, proxy.kubeconfig(tmp_path / "kubeconfig")) as mirror:
                await asyncio.to_thread(wait_for, "both watches are refused", lambda: len(refused) == 2)
                thing = make_camera(f"after-{status}")
                # Told by somebody else: what it wrote itself, the mirror would know.
                await asyncio.to_thread(cluster.create, "Camera", "default", thing.name, thing.spec.to_dict())
                await seen(mirror, Key.of(thing), lambda held: True)

    asyncio.run(run())


def test_everything_is_listed_before_anything_is_said_to_be_known(cluster: Cluster) -> None:
    names = [f"many-{i}" for i in range(7)]
    for name in names:
        cluster.create("Camera", "default", name, SIMULATION)

    async def run() -> list[Camera]:
        async with mirrored(cluster) as mirror:
            return mirror.cameras()

    assert set(names) <= {camera.name for camera in asyncio.run(run())}
