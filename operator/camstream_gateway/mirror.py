"""Everything that the store holds, as it was last told: lists and looks cost nothing, and waiting is waiting for news."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.status import ExitStatus
from camstream_gateway.store import Held, ObjectStore, Streaming, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_S: Final = 0.5
"""Pause before the store is asked again that could not be reached."""

MOST_GONE: Final = 256
"""Objects that are gone and of which it is still known how their workers ended."""


@dataclass(slots=True, eq=False)
class _Edit:
    """An object that is being written."""

    thing: Streaming
    told: bool = False
    """The store has told of it meanwhile: what it tells from then on is newer."""

    def is_in(self, held: Held) -> bool:
        found, wanted = held.thing, self.thing
        same = Key.of(found) == Key.of(wanted) and found.metadata.annotations == wanted.metadata.annotations
        return same and found.spec == wanted.spec


class Mirror:
    """The objects of one store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.gone: OrderedDict[str, ExitStatus | None] = OrderedDict()
        """How the workers of pipelines that are deleted ended, by external name; the newest last."""
        self._held: dict[Key, Held] = {}
        self._edits: list[_Edit] = []
        self._changed = asyncio.Event()
        self._synced = asyncio.Event()

    async def follow(self) -> None:
        """Listen to the store, for ever."""
        while True:
            fresh: dict[Key, Held] | None = {}
            try:
                async for event in self.store.watch():
                    if event is None:
                        # What vanished while nobody told.
                        for key in self._held.keys() - (fresh or {}).keys():
                            self._put(key, None)
                        fresh = None
                        self._synced.set()
                        continue
                    if fresh is not None and event.held:
                        fresh[event.key] = event.held
                    self._put(event.key, event.held)
                    for edit in self._edits:
                        edit.told |= event.held is not None and edit.is_in(event.held)
            except Unavailable as error:
                log.warning("%s", error)
            await asyncio.sleep(AGAIN_S)

    async def ready(self, timeout_s: float) -> None:
        """Return when everything has been told once.

        :raises TimeoutError: if it has not
        """
        await asyncio.wait_for(self._synced.wait(), timeout_s)

    def cameras(self) -> list[Camera]:
        return [held.thing for held in self._held.values() if isinstance(held.thing, Camera)]

    def pipelines(self) -> list[Pipeline]:
        return [held.thing for held in self._held.values() if isinstance(held.thing, Pipeline)]

    def all(self) -> Iterable[Held]:
        return list(self._held.values())

    def get(self, key: Key) -> Held | None:
        return self._held.get(key)

    async def apply(self, thing: Streaming) -> None:
        """Ask the store, and know it at once: who asks next sees it.

        :raises Refused: if it cannot be as asked
        :raises Unavailable: if the store cannot be reached
        """
        edit = _Edit(thing)
        self._edits.append(edit)
        try:
            stored = await self.store.apply(thing)
        finally:
            self._edits.remove(edit)
        if not edit.told:
            # The news of it are still on their way.
            key = Key.of(stored)
            old = self._held.get(key)
            status = {"status": old.thing.status} if old else {}
            self._put(key, Held(stored.model_copy(update=status), old.http_address if old else None))

    async def delete(self, key: Key) -> None:
        """:raises Unavailable: if the store cannot be reached"""
        await self.store.delete(key)
        self._put(key, None)

    async def wait(self, condition: Callable[[], T | None], timeout_s: float) -> T | None:
        """What a condition gives as soon as it gives something; None after this time."""
        deadline = time.monotonic() + timeout_s
        while (found := condition()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue
        return found

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change. Take it before you look, or miss what comes meanwhile."""
        return self._changed

    def _put(self, key: Key, held: Held | None) -> None:
        old = self._held.pop(key, None)
        if held is not None:
            self._held[key] = held
            self.gone.pop(held.thing.external_name, None)
        elif old is not None and isinstance(old.thing, Pipeline):
            self.gone[old.thing.external_name] = old.thing.status.worker.last_exit
            while len(self.gone) > MOST_GONE:
                self.gone.popitem(last=False)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
