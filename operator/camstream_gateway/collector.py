"""Backgrounds as objects: collects what is asked for and, on a cluster, sees that every file of the store has its record."""

import asyncio
import errno
import logging
from datetime import UTC, datetime
from typing import Final

from camstream.errors import BackgroundError, CamstreamError, StoreUnavailable
from camstream.idling import stamp
from camstream.names import digest_name, name_of_object
from camstream.spec.background import BackgroundSpec
from camstream.spec.key import Key
from camstream.spec.objects import Background, Camera, Metadata
from camstream.spec.status import BackgroundStatus, Condition, ConditionStatus, ConditionType, ImageStatus, Phase
from camstream_gateway.backgrounds import Library, ShapeChanged, pixels_of
from camstream_gateway.cam_server.service import Service
from camstream_gateway.frames import NoFrames
from camstream_gateway.store import AlreadyThere, NotFound, ObjectStore, Refused, Unavailable

log = logging.getLogger(__name__)

AGAIN_S: Final = 0.5
"""Pause before the store is asked again that could not be reached."""

MOST_AGAIN_S: Final = 60.0
"""Longest of these pauses: they double while the end of a Background cannot be told."""

FINAL: Final = (Phase.COMPLETED, Phase.FAILED)


class Collector:
    """Looks after the Backgrounds of a store. There is one, as there is one writer of files."""

    def __init__(self, store: ObjectStore, service: Service) -> None:
        self._store, self._service = store, service
        self._library: Library = service.library
        self._known: dict[Key, Background] = {}
        self._work: dict[Key, asyncio.Task[None]] = {}
        self._synced = asyncio.Event()

    async def run(self) -> None:
        """Listen to the store, for ever."""
        try:
            while True:
                try:
                    await self._follow()
                except Unavailable as error:
                    log.warning("%s", error)
                await asyncio.sleep(AGAIN_S)
        finally:
            for task in self._work.values():
                task.cancel()
            await asyncio.gather(*self._work.values(), return_exceptions=True)

    async def ready(self, timeout_s: float) -> None:
        """Return when everything has been told once.

        :raises TimeoutError: if it has not
        """
        await asyncio.wait_for(self._synced.wait(), timeout_s)

    def all(self) -> list[Background]:
        return list(self._known.values())

    def get(self, key: Key) -> Background | None:
        return self._known.get(key)

    async def create(self, thing: Background) -> Background:
        """Make a Background, and know it at once.

        :returns: as it is kept
        :raises AlreadyThere: if it is there
        :raises Refused: if it cannot be as asked
        :raises Unavailable: if the store cannot be reached
        """
        made = await self._store.create(thing)
        known = self._known.get(Key.of(made))
        if known is None or known.metadata.uid != made.metadata.uid:
            # Not taken up yet: what the store tells of it may come when it is collected already, and would begin once more.
            self._known[Key.of(made)] = made
        return made

    async def delete(self, key: Key) -> bool:
        """
        :returns: whether it was there
        :raises Unavailable: if the store cannot be reached
        """
        was_there = await self._store.delete(key)
        self._forget(key)
        return was_there

    async def announce(self, namespace: str, name: str) -> None:
        """Make the record of a file, so that pipelines can use it.

        :raises Refused: if that is not allowed
        :raises Unavailable: if the store cannot be reached
        """
        if any(key.namespace == namespace and known.status.name == name for key, known in self._known.items()):
            return
        made = await self._record(namespace, name_of_object(name), name)
        if made.spec.stored != name:
            # Another id became the same name.
            made = await self._record(namespace, digest_name(name), name)
        await self._store.tell_background(made, await self._recorded(made))

    async def _record(self, namespace: str, name: str, stored: str) -> Background:
        """Make the object of a file, or find the one of that name."""
        thing = Background(metadata=Metadata(name=name, namespace=namespace), spec=BackgroundSpec(stored=stored))
        try:
            return await self._store.create(thing)
        except AlreadyThere:
            found = await self._store.read(Key.of(thing))
        if not isinstance(found, Background):
            raise NotFound(f"{Key.of(thing)} was deleted meanwhile")
        return found

    async def _follow(self) -> None:
        listed: set[Key] | None = set()
        async for seen in self._store.watch_backgrounds():
            if seen is None:
                for key in self._known.keys() - (listed or set()):
                    self._forget(key)
                listed = None
                self._synced.set()
                if not self._store.sees_files:
                    await self._record_all()
            elif isinstance(seen, Key):
                self._forget(seen)
            else:
                if listed is not None:
                    listed.add(Key.of(seen))
                self._take(seen)

    def _take(self, thing: Background) -> None:
        key = Key.of(thing)
        old = self._known.get(key)
        if old is not None and old.metadata.uid != thing.metadata.uid:
            self._forget(key)
        self._known[key] = thing
        if thing.status.phase not in FINAL and key not in self._work:
            task = asyncio.create_task(self._complete(thing), name=str(key))
            self._work[key] = task
            task.add_done_callback(lambda done: self._done(key, done))

    def _forget(self, key: Key) -> None:
        self._known.pop(key, None)
        if task := self._work.pop(key, None):
            task.cancel()

    def _done(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._work.get(key) is task:
            del self._work[key]
        if not task.cancelled() and task.exception():
            log.error("%s: %s", key, task.exception())

    async def _record_all(self) -> None:
        """Make the records that are missing: of a store that was there before, or whose objects were deleted."""
        try:
            stored = await asyncio.to_thread(self._stored)
        except StoreUnavailable as error:
            log.warning("whether backgrounds have no record is not known until they are listed again: %s", error)
            return
        for namespace, name in stored:
            try:
                await self.announce(namespace, name)
            except Refused as error:
                log.warning("background %r of namespace %r has no record: %s", name, namespace, error)

    def _stored(self) -> list[tuple[str, str]]:
        """Namespace and id of everything that is kept. Blocks.

        :raises StoreUnavailable: if it cannot be told
        """
        return [(namespace, name) for namespace in self._library.namespaces() for name in self._library.of(namespace).all()]

    async def _complete(self, thing: Background) -> None:
        """Bring a Background to its end, and tell."""
        status, pause = None, AGAIN_S
        while True:
            try:
                # Once: frames are not collected again because it could not be told that they were.
                status = status or await self._end_of(thing)
                await self._store.tell_background(thing, status)
            except (Refused, Unavailable) as error:
                log.warning("%s: how it is cannot be told: %s", Key.of(thing), error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_AGAIN_S)
            else:
                return

    async def _end_of(self, thing: Background) -> BackgroundStatus:
        """:raises Unavailable: if it cannot be told that it begins"""
        try:
            return await (self._recorded(thing) if thing.spec.stored else self._collected(thing))
        except Unavailable:
            raise
        except Exception as error:
            # Our mistake. Who waits for it learns of it, too.
            log.exception("%s", Key.of(thing))
            words = f"{type(error).__name__}: {error}; see the log of the gateway"
            return _status(thing, Phase.FAILED, "InternalError", words)

    async def _recorded(self, thing: Background) -> BackgroundStatus:
        return await asyncio.to_thread(self._of_file, thing, str(thing.spec.stored))

    async def _collected(self, thing: Background) -> BackgroundStatus:
        """:raises Unavailable: if it cannot be told that it begins"""
        backgrounds = self._library.of(thing.metadata.namespace)
        name = thing.status.name or ""
        try:
            if await asyncio.to_thread(backgrounds.exists, name):
                # Collected by a process that ended before it could tell.
                return await asyncio.to_thread(self._of_file, thing, name)
            async with asyncio.timeout(thing.spec.timeout_seconds):
                camera = await self._camera(thing)
                name = name or await asyncio.to_thread(backgrounds.new_name, camera.external_name, datetime.now())
                words = f"collects {thing.spec.frames} frames of camera {camera.name!r}"
                await self._store.tell_background(thing, _status(thing, Phase.RUNNING, "Collecting", words, name=name))
                pixels = await self._service.mean(camera, thing.spec.frames, thing.spec.timeout_seconds)
            await asyncio.to_thread(backgrounds.save, name, pixels)
        except TimeoutError:
            return _status(thing, Phase.FAILED, *self._late(thing))
        except Unavailable:
            raise
        except CamstreamError as error:
            return _status(thing, Phase.FAILED, _reason(error), str(error))
        return await asyncio.to_thread(self._of_file, thing, name)

    async def _camera(self, thing: Background) -> Camera:
        """The camera, as soon as there is one: it may come in the same manifest."""
        key = self._camera_key(thing)

        def look() -> Camera | None:
            held = self._service.mirror.get(key)
            return held.thing if held and isinstance(held.thing, Camera) else None

        found = await self._service.mirror.wait(look, thing.spec.timeout_seconds)
        if found is None:
            raise TimeoutError
        return found

    def _camera_key(self, thing: Background) -> Key:
        assert thing.spec.camera is not None  # noqa: S101 - the spec has exactly one of camera and stored
        return Key("Camera", thing.metadata.namespace, thing.spec.camera.name)

    def _late(self, thing: Background) -> tuple[str, str]:
        key, seconds = self._camera_key(thing), thing.spec.timeout_seconds
        if self._service.mirror.get(key) is None:
            return "CameraNotFound", f"there is no {key}, within {seconds} s; create it, then this Background anew"
        return "TooFewFrames", (
            f"{key} did not send {thing.spec.frames} frames within {seconds} s; see that it is Ready, then create this Background anew, "
            "with a longer timeoutSeconds or fewer frames"
        )

    def _of_file(self, thing: Background, name: str) -> BackgroundStatus:
        """The status of one that is stored. Blocks."""
        backgrounds = self._library.of(thing.metadata.namespace)
        try:
            content, sha256 = backgrounds.checked(name)
            pixels = pixels_of(name, content)
        except BackgroundError as error:
            reason = "StorageFailed" if isinstance(error, StoreUnavailable) else "NotFound"
            return _status(thing, Phase.FAILED, reason, str(error))
        height, width = pixels.shape
        return _status(
            thing,
            Phase.COMPLETED,
            "Stored",
            f"{width}x{height} pixels",
            name=name,
            sha256=sha256,
            image=ImageStatus(width=width, height=height, pixel_type=pixels.dtype.name),
            frames=thing.spec.frames if thing.spec.camera else None,
            collected_at=stamp(datetime.fromtimestamp(backgrounds.written_at(name), UTC)),
        )


def _reason(error: CamstreamError) -> str:
    if isinstance(error, NoFrames):
        return "TooFewFrames"
    if isinstance(error, ShapeChanged):
        return "ShapeChanged"
    if isinstance(error, BackgroundError):
        cause = error.__cause__
        return "StorageFull" if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT) else "StorageFailed"
    return "CameraOffline"


def _status(thing: Background, phase: Phase, reason: str, message: str, **found: object) -> BackgroundStatus:
    ready = ConditionStatus.TRUE if phase is Phase.COMPLETED else ConditionStatus.FALSE
    before = next((one for one in thing.status.conditions if one.type == ConditionType.READY and one.status is ready), None)
    condition = Condition(
        type=ConditionType.READY,
        status=ready,
        reason=reason,
        message=message,
        last_transition_time=before.last_transition_time if before else stamp(datetime.now(UTC)),
        observed_generation=thing.metadata.generation,
    )
    told = {"observed_generation": thing.metadata.generation, "phase": phase, "conditions": [condition], **found}
    return BackgroundStatus.model_validate(told)
