"""Everything that the store holds, as it was last told: lists and looks cost nothing, and waiting is waiting for news."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from camstream.spec.key import Key
from camstream.spec.objects import Background, Camera, Pipeline, etag
from camstream.spec.status import ExitStatus
from camstream_gateway.store import Changed, Held, NotFound, ObjectStore, Streaming, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_S: Final = 0.5
"""Pause before the store is asked again that could not be reached."""

READY_S: Final = 10.0
"""Longest wait of a request until everything has been told once, after the start."""

EDITS: Final = 5
"""How often an edit is tried that somebody else was faster with."""

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
        """How the workers of pipelines of the namespace of clients ended that are deleted, by external name; the newest last."""
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

    @property
    def is_ready(self) -> bool:
        """Whether everything has been told once."""
        return self._synced.is_set()

    async def ready(self, timeout_s: float) -> None:
        """Return when everything has been told once.

        :raises TimeoutError: if it has not
        """
        await asyncio.wait_for(self._synced.wait(), timeout_s)

    def cameras(self) -> list[Camera]:
        """Those of the namespace of clients whose names know no namespaces: what they may do is asked of that one."""
        return [held.thing for held in self._held.values() if isinstance(held.thing, Camera) and self._is_at_home(held)]

    def pipelines(self) -> list[Pipeline]:
        """Those of the same namespace."""
        return [held.thing for held in self._held.values() if isinstance(held.thing, Pipeline) and self._is_at_home(held)]

    def all(self) -> Iterable[Held]:
        """Those of every namespace."""
        return list(self._held.values())

    def _is_at_home(self, held: Held) -> bool:
        return held.key.namespace == self.store.home

    def get(self, key: Key) -> Held | None:
        return self._held.get(key)

    async def apply(self, thing: Streaming) -> None:
        """Ask the store, and know it at once: who asks next sees it.

        :raises Refused: if it cannot be as asked
        :raises Unavailable: if the store cannot be reached
        """
        await self._written(thing, self.store.apply(thing))

    async def create(self, thing: Streaming) -> Streaming:
        """Make an object that is not there yet, and know it at once.

        :returns: as it is kept
        :raises AlreadyThere: if it is there
        :raises Refused: if it cannot be as asked
        :raises Unavailable: if the store cannot be reached
        """
        return await self._written(thing, self.store.create(thing))

    async def edit(self, key: Key, change: Callable[[Streaming], Streaming]) -> Streaming:
        """Change an object as it is kept now, and know it at once. An edit that somebody makes meanwhile is not lost.

        :param change: from the object to what it shall be; called again with the newer one where somebody else was faster
        :returns: as it is kept, with its status
        :raises NotFound: if it is not there
        :raises Refused: if it cannot be as asked
        :raises Unavailable: if the store cannot be reached
        """
        for _ in range(EDITS):
            found = await self.store.read(key)
            if found is None or isinstance(found, Background):
                raise NotFound(f"there is no {key}")
            wanted = change(found)
            with contextlib.suppress(Changed):
                return await self._written(wanted, self.store.replace(wanted, etag(found)))
        raise Changed(f"{key}: others changed it {EDITS} times meanwhile; try again")

    async def _written(self, thing: Streaming, writing: Awaitable[Streaming]) -> Streaming:
        edit = _Edit(thing)
        self._edits.append(edit)
        try:
            stored = await writing
        finally:
            self._edits.remove(edit)
        key = Key.of(stored)
        old = self._held.get(key)
        if old is not None:
            stored = stored.model_copy(update={"status": old.thing.status})
        if not edit.told:
            # The news of it are still on their way.
            self._put(key, Held(stored, old.http_address if old else None))
        return stored

    async def delete(self, key: Key) -> bool:
        """
        :returns: whether it was there
        :raises Unavailable: if the store cannot be reached
        """
        was_there = await self.store.delete(key)
        self._put(key, None)
        return was_there

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
            if self._is_at_home(held):
                self.gone.pop(held.thing.external_name, None)
        elif old is not None and isinstance(old.thing, Pipeline) and self._is_at_home(old):
            self.gone[old.thing.external_name] = old.thing.status.worker.last_exit
            while len(self.gone) > MOST_GONE:
                self.gone.popitem(last=False)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
