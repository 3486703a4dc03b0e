"""The mirror of a store: what was written is known at once, and never hides what came later."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from objects import make_camera, make_pipeline

from camstream.spec.key import Key
from camstream.spec.objects import Camera
from camstream.spec.status import CameraStatus, ExitStatus, Phase, PipelineStatus, WorkerStatus
from camstream_gateway.mirror import Mirror
from camstream_gateway.store import Held, Seen, Streaming, Unavailable

KEY = Key.of(make_camera())


class Told:
    """A store that tells what the test says, when it says it."""

    home = "default"

    def __init__(self) -> None:
        self.events: asyncio.Queue[Seen | Unavailable | None] = asyncio.Queue()
        self.before_answer: list[Seen] = []
        """What is told about between a write and its answer."""
        self.written: list[Streaming] = []

    async def apply(self, thing: Streaming) -> Streaming:
        self.written.append(thing)
        for event in self.before_answer:
            self.events.put_nowait(event)
        while not self.events.empty():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return thing

    async def delete(self, key: Key) -> None: ...

    async def logs(self, key: Key) -> list[str]:
        return []

    async def watch(self) -> AsyncIterator[Seen | None]:
        while True:
            event = await self.events.get()
            if isinstance(event, Unavailable):
                raise event
            yield event


def camera(*groups: str, phase: Phase = Phase.PENDING) -> Camera:
    return make_camera(groups=list(groups)).model_copy(update={"status": CameraStatus(phase=phase)})


def told(thing: Streaming) -> Seen:
    return Seen(Key.of(thing), Held(thing))


def groups_of(mirror: Mirror) -> list[str]:
    held = mirror.get(KEY)
    assert held is not None
    return held.thing.spec.groups


def with_mirror(scenario: Any) -> None:
    async def run() -> None:
        store = Told()
        mirror = Mirror(store)
        following = asyncio.create_task(mirror.follow())
        try:
            await scenario(store, mirror)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run())


def test_what_is_written_is_known_before_the_store_tells_and_keeps_its_status() -> None:
    async def scenario(store: Told, mirror: Mirror) -> None:
        for event in (told(camera("old", phase=Phase.RUNNING)), None):
            store.events.put_nowait(event)
        await mirror.ready(5)
        await mirror.apply(camera("new"))
        held = mirror.get(KEY)
        assert held is not None
        assert (held.thing.spec.groups, held.thing.status.phase) == (["new"], Phase.RUNNING)

    with_mirror(scenario)


def test_what_the_store_told_since_the_write_is_not_hidden_by_it() -> None:
    async def scenario(store: Told, mirror: Mirror) -> None:
        store.before_answer = [told(camera("new", phase=Phase.RUNNING)), told(camera("others"))]
        await mirror.apply(camera("new"))
        assert groups_of(mirror) == ["others"]

    with_mirror(scenario)


def test_old_news_that_come_during_a_write_do_not_hide_it() -> None:
    async def scenario(store: Told, mirror: Mirror) -> None:
        store.before_answer = [told(camera("old", phase=Phase.RUNNING))]
        await mirror.apply(camera("new"))
        assert groups_of(mirror) == ["new"]

    with_mirror(scenario)


def test_what_vanished_while_the_store_was_away_is_gone_when_it_is_back() -> None:
    async def scenario(store: Told, mirror: Mirror) -> None:
        for event in (told(camera()), told(make_pipeline()), None, Unavailable("away"), told(camera()), None):
            store.events.put_nowait(event)
        found = await mirror.wait(lambda: True if not mirror.pipelines() and mirror.cameras() and store.events.empty() else None, 10)
        assert found

    with_mirror(scenario)


def test_end_of_a_pipeline_that_is_gone_is_remembered() -> None:
    async def scenario(store: Told, mirror: Mirror) -> None:
        ended = PipelineStatus(worker=WorkerStatus(last_exit=ExitStatus(reason="Failed", exit_code=1)))
        pipeline = make_pipeline(externalName="FIT").model_copy(update={"status": ended})
        for event in (told(pipeline), None):
            store.events.put_nowait(event)
        await mirror.ready(5)
        await mirror.delete(Key.of(pipeline))
        gone = mirror.gone["FIT"]
        assert gone is not None
        assert gone.exit_code == 1

    with_mirror(scenario)


def test_wait_ends_with_nothing_when_its_time_is_over() -> None:
    async def scenario(_: Told, mirror: Mirror) -> None:
        assert await mirror.wait(lambda: None, 0.05) is None

    with_mirror(scenario)
