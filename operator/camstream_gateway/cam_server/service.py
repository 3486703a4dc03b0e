"""What clients of cam_server ask for, done with our objects. No call waits for another one, and each has a time bound."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from camstream.errors import CamstreamError, FrameError, ScriptError
from camstream.idling import NOBODY, asked_at, stamp
from camstream.spec.fields import OutputMode
from camstream.spec.key import Key
from camstream.spec.legacy.objects import Config, Streaming, Wanted, config_of, is_instance
from camstream.spec.legacy.scripts import script_name
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream.spec.report import WorkerReport
from camstream.spec.status import ConditionType, Phase, StreamingStatus
from camstream_gateway.backgrounds import Library, Mean
from camstream_gateway.cam_server.translation import (
    Unknown,
    aliases,
    camera_object,
    check_may_be_saved,
    condition,
    is_permanent,
    is_running,
    is_true,
    prefix_of,
    woken,
)
from camstream_gateway.cam_server.uploaded import with_text
from camstream_gateway.frames import Image, NoFrames, take
from camstream_gateway.memory import Memory
from camstream_gateway.mirror import Mirror
from camstream_gateway.records import Records
from camstream_gateway.reports import REPORT_S, report_of
from camstream_gateway.scripts import ScriptFolder
from camstream_gateway.store import Held, NotFound, Refused, Unavailable

log = logging.getLogger(__name__)

FAILED_AT_A_FRAME: Final = (FrameError.__name__, ScriptError.__name__)
"""Reasons of an end that ``failure.abortOnError`` and ``abortOnTimeout`` ask for, or the own program of a pipeline of type Script."""

START_S: Final = 30.0
"""Longest wait for a worker to start."""
ONLINE_S: Final = 15.0
"""Longest wait for the first frame of a camera whose worker runs. A camera that tells that it is offline is not waited for."""
STOP_S: Final = 10.0
IMAGE_S: Final = 10.0
"""Longest wait for one image."""
COLLECT_S: Final = 60.0
"""Longest wait for the images of a background, unless the client says otherwise."""
MOST_COLLECT_S: Final = 3600.0
FRAMES: Final = 10
"""Images of a background, unless the client says otherwise."""
MOST_FRAMES: Final = 100_000
AGAIN_S: Final = 2.0
"""Pause before it is tried again to make the record of a background."""


class NotNow(CamstreamError):  # noqa: N818
    """Something cannot be done with an object as it is described."""


class NotAnnounced(CamstreamError):  # noqa: N818
    """A background is stored, and its record could not be made."""


class Service:
    """Everything behind the two APIs."""

    def __init__(
        self,
        mirror: Mirror,
        http: aiohttp.ClientSession,
        backgrounds: Library,
        scripts: ScriptFolder,
        records: Records,
        memory: Memory,
        allow_pickle: bool = False,
    ) -> None:
        self.mirror, self.library, self.scripts, self.records = mirror, backgrounds, scripts, records
        self.backgrounds = backgrounds.of(mirror.store.home)
        self.memory, self.allow_pickle = memory, allow_pickle
        self.started_at = time.time()
        self._announcing: set[asyncio.Task[None]] = set()
        self._http = http

    # ------------------------------------------------------------------ what there is

    def things(self) -> dict[Key, Streaming]:
        return {held.key: held.thing for held in self.mirror.all()}

    def camera(self, name: str) -> Camera:
        """A camera by its name or one of its aliases.

        :raises Unknown: if there is none
        """
        # The first of a name counts.
        cameras = {camera.external_name: camera for camera in reversed(self.mirror.cameras())}
        found = cameras.get(name) or cameras.get(aliases(cameras.values()).get(name, ""))
        if found is None:
            raise Unknown(f"Unable to load config. Config '{name}' does not exist.")
        return found

    def config(self, thing: Streaming) -> Config:
        """As a client would write it: an uploaded script by its name only."""
        found = config_of(thing, self.things())
        function = found.get("function")
        if isinstance(function, str) and Path(function).parent == self.scripts.folder:
            found["function"] = Path(function).name
        return found | ({"function": name} if isinstance(thing, Pipeline) and (name := script_name(thing)) else {})

    async def put_script(self, name: str, content: bytes) -> None:
        """Keep a script. Pipelines that run it take the new text over.

        :raises CamstreamError: if it cannot be kept, or be in the pipelines that run it
        """
        file = await asyncio.to_thread(self.scripts.write, name, content)
        for pipeline in self.mirror.pipelines():
            if script_name(pipeline) == name:
                with contextlib.suppress(NotFound):
                    await self.mirror.edit(Key.of(pipeline), lambda found: with_text(found, file) if isinstance(found, Pipeline) else found)

    async def reports(self, things: Iterable[Streaming]) -> dict[Key, WorkerReport | None]:
        """What workers tell about themselves, all asked at once."""
        helds = [held for thing in things if (held := self.mirror.get(Key.of(thing)))]
        answers = await asyncio.gather(*(self._report(held) for held in helds))
        return {held.key: answer for held, answer in zip(helds, answers, strict=True)}

    async def _report(self, held: Held) -> WorkerReport | None:
        if held.http_address is None:
            return None
        return await report_of(self._http, held.http_address, REPORT_S)

    async def infos(self, things: Sequence[Streaming], form: Callable[..., Config]) -> list[Config]:
        """What is told about some objects, in one of the forms of the translation."""
        reports, others, now = await self.reports(things), self.things(), time.time()
        return [form(thing, reports.get(Key.of(thing)), others, now) for thing in things]

    async def info(self, thing: Streaming, form: Callable[..., Config]) -> Config:
        return (await self.infos([thing], form))[0]

    # ------------------------------------------------------------------ start and stop

    async def start(self, thing: Streaming) -> Streaming:
        """Ask for an object and wait until its stream is open.

        :raises CamstreamError: if its worker does not start; the message says why
        """
        asked = None
        check_may_run(thing)
        if thing.spec.lifecycle.mode is LifecycleMode.ON_DEMAND:
            asked = await self.wake(Key.of(thing))
        return await self.opened(Key.of(thing), asked)

    async def wake(self, key: Key) -> datetime:
        """Ask for an object, and do not wait for it.

        :returns: when it was asked for
        :raises NotFound: if it is not there
        :raises NotNow: if it is stopped on request
        """
        asked = datetime.now(UTC)

        def ask(thing: Streaming) -> Streaming:
            check_may_run(thing)
            return woken(thing, stamp(asked))

        await self.mirror.edit(key, ask)
        return asked

    async def opened(self, key: Key, asked: datetime | None) -> Streaming:
        """Wait until the stream of an object is open.

        :param asked: since when; what was told before does not count
        :raises CamstreamError: if its worker does not start; the message says why
        """

        def look() -> Held | None:
            held = self.held(key)
            status = held.thing.status
            if asked is not None and (asked_at(held.thing) or asked) < asked:
                return None  # what was told before it was asked for
            if is_instance(held.thing) and _was_open(status):
                return held  # and has ended since, as it was asked to
            if status.phase in (Phase.FAILED, Phase.COMPLETED):
                raise CamstreamError(f"{key}: instance terminated. {_why(held.thing)}")
            return held if is_true(status, ConditionType.ACTIVE) else None

        held = await self.mirror.wait(look, START_S)
        if held is None:
            raise CamstreamError(f"{key} did not start within {START_S:.0f} s; it is {_state(self.held(key).thing)}")
        return held.thing

    async def online(self, camera: Camera) -> str:
        """Ask for a camera and wait for its first frame.

        :returns: nothing, or why it sends none
        """
        try:
            await self.start(camera)
        except CamstreamError as error:
            return str(error)
        key = Key.of(camera)

        def look() -> str | None:
            status = self.held(key).thing.status
            found = condition(status, ConditionType.INPUT_CONNECTED)
            if is_true(status, ConditionType.INPUT_CONNECTED):
                return ""
            return found.message or "no frames" if found and found.reason == "NoFrames" else None

        why = await self.mirror.wait(look, ONLINE_S)
        return f"no frame within {ONLINE_S:.0f} s; it is {_state(self.held(key).thing)}" if why is None else why

    async def camera_stream(self, camera: Camera) -> str:
        """Address of the stream of a camera, started where it does not run.

        :raises CamstreamError: if it is offline
        """
        if why := await self.online(camera):
            raise CamstreamError(f"Camera with prefix {prefix_of(camera)} is offline: {why}")
        return self._address(Key.of(camera))

    async def stop(self, thing: Streaming) -> None:
        """Stop what a client made for good, and what is shared until somebody asks for it again. What is permanent goes on."""
        key = Key.of(thing)
        if is_instance(thing):
            await self.mirror.delete(key)
        elif not is_permanent(thing) and thing.spec.lifecycle.mode is not LifecycleMode.STOPPED:
            with contextlib.suppress(NotFound):  # what is not there does not run
                await self.mirror.edit(key, lambda found: woken(found, NOBODY))
            await self.mirror.wait(lambda: None if (held := self.mirror.get(key)) and is_running(held.thing) else True, STOP_S)

    async def remove(self, thing: Streaming) -> None:
        """Delete what was saved. Its stream ends."""
        await self.mirror.delete(Key.of(thing))

    async def stop_all(self, things: Iterable[Streaming]) -> None:
        await asyncio.gather(*(self.stop(thing) for thing in things if is_running(thing) or is_instance(thing)))

    def held(self, key: Key) -> Held:
        """:raises CamstreamError: if it is not there any more"""
        held = self.mirror.get(key)
        if held is None:
            raise CamstreamError(f"{key} was deleted meanwhile")
        return held

    def _address(self, key: Key) -> str:
        address = self.held(key).thing.status.stream.address
        if address is None:
            raise CamstreamError(f"{key} has no address yet; ask again")
        return address

    # ------------------------------------------------------------------ cameras

    async def save_camera(self, name: str, config: Config) -> Config:
        """:raises CamstreamError: if no camera can be made of it"""
        cameras = self.mirror.cameras()
        old = next((camera for camera in cameras if camera.external_name == name), None)
        check_may_be_saved(old)
        thing = camera_object(Wanted(name, namespace=self.mirror.store.home), config, old, cameras)
        await self.mirror.apply(thing)
        return self.config(thing)

    async def image(self, camera: Camera) -> Image:
        """The next image, shape (y, x).

        :raises CamstreamError: if none comes
        """
        found: list[Image] = []
        await take(await self._readable(camera), 1, IMAGE_S, f"camera {camera.external_name}", found.append)
        return found[0]

    async def _readable(self, camera: Camera) -> str:
        """Address of a stream that may be looked at.

        :raises CamstreamError: if there is none, or each message that is looked at would be taken from somebody
        """
        if camera.spec.output.mode is OutputMode.PUSH:
            raise NotNow(f"camera {camera.external_name} pushes each image to one reader; look at a pipeline that reads it")
        return await self.camera_stream(camera)

    async def geometry(self, camera: Camera) -> list[int]:
        """Width and height of its images.

        :raises CamstreamError: if none comes
        """
        await self.camera_stream(camera)
        key = Key.of(camera)

        def look() -> list[int] | None:
            image = self.held(key).thing.status.image
            return [image.width, image.height] if image.width and image.height else None

        found = await self.mirror.wait(look, IMAGE_S)
        if found is None:
            raise NoFrames(f"camera {camera.external_name} sent no image within {IMAGE_S:.0f} s")
        return found

    async def collect(self, camera: Camera, count: int, timeout_s: float = COLLECT_S) -> str:
        """Keep the mean of the next images as a background; returns its id.

        :raises CamstreamError: if too few come in time, their size changes, or it cannot be written. Nothing is kept then
        """
        pixels = await self.mean(camera, count, min(timeout_s, MOST_COLLECT_S))
        namespace = camera.metadata.namespace
        name = await asyncio.to_thread(self.library.of(namespace).new_name, camera.external_name, datetime.now())
        await self.keep(name, pixels, namespace)
        return name

    async def mean(self, camera: Camera, count: int, timeout_s: float) -> Image:
        """The mean of the next images, shape (y, x).

        :raises CamstreamError: if too few come in time, or their size changes
        """
        mean = Mean()
        await take(await self._readable(camera), count, timeout_s, f"camera {camera.external_name}", mean.add)
        return mean.result()

    async def keep(self, name: str, pixels: Image, namespace: str | None = None) -> None:
        """Keep a background, so that workers find it from now on.

        :param namespace: None: that of clients
        :raises BackgroundError: if it cannot be kept; nothing is left of it then
        :raises NotAnnounced: if it is kept, but workers cannot find it yet. Files are never deleted: somebody may have seen it
        """
        namespace = namespace or self.mirror.store.home
        await asyncio.to_thread(self.library.of(namespace).save, name, pixels)
        try:
            await self.library.announce(namespace, name)
        except Refused as error:
            raise NotAnnounced(
                f"background '{name}' is stored, but has no record, so that pipelines cannot use it: {error}; "
                "when that is mended, upload it again under this id, or restart the gateway"
            ) from error
        except Unavailable as error:
            task = asyncio.create_task(self._announce(namespace, name))
            self._announcing.add(task)
            task.add_done_callback(self._announcing.discard)
            raise NotAnnounced(
                f"background '{name}' is stored, but has no record yet, so that pipelines cannot use it: {error}; that is tried again"
            ) from error

    async def _announce(self, namespace: str, name: str) -> None:
        """Until it is known, or refused."""
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                return await self.library.announce(namespace, name)
            except Unavailable:
                continue
            except Refused as error:
                log.warning("background %r of namespace %r has no record: %s", name, namespace, error)
                return None


def check_may_run(thing: Streaming) -> None:
    """:raises NotNow: if an object is stopped on request"""
    if thing.spec.lifecycle.mode is LifecycleMode.STOPPED:
        raise NotNow(f"{Key.of(thing)} is stopped on request; set spec.lifecycle.mode to Always or OnDemand to start it")


def _was_open(status: StreamingStatus) -> bool:
    """Whether a stream has ended for good after it was open: with its last frame, or with one that could not be processed."""
    ended = status.worker.last_exit if status.config.ended_hash is not None else None
    return status.phase is Phase.COMPLETED or (ended is not None and ended.reason in FAILED_AT_A_FRAME)


def _state(thing: Streaming) -> str:
    why = _why(thing)
    return f"{thing.status.phase.value}: {why}" if why else thing.status.phase.value


def _why(thing: Streaming) -> str:
    """The first thing that is not as it should be, in words."""
    return next((found.message for found in thing.status.conditions if found.status.value != "True" and found.message), "")
