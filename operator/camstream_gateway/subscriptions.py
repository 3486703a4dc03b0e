"""One connection to each stream that somebody looks at, and none to the others."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import zmq
import zmq.asyncio

from camstream import names
from camstream.errors import WireError
from camstream.wire import Decoder, Message, Part
from camstream_gateway.hub import QUEUE_SIZE, Hub
from camstream_gateway.memory import Memory
from camstream_gateway.objects import Snapshot, StreamKey
from camstream_gateway.sockets import subscribed

log = logging.getLogger(__name__)

LINGER_S = 5.0
"""How long a stream is read on after the last viewer left: a page that is loaded anew finds its last frames."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One stream that is read."""

    hub: Hub
    address: str | None
    viewers: int = 0
    task: asyncio.Task[None] | None = None
    leaving: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class Subscriptions:
    """Reads each stream once, however many look at it."""

    memory: Memory
    _context: zmq.asyncio.Context = field(default_factory=zmq.asyncio.Context)
    _streams: dict[StreamKey, Subscription] = field(default_factory=dict)

    @asynccontextmanager
    async def look_at(self, key: StreamKey, address: str | None) -> AsyncIterator[Subscription]:
        """Read a stream for as long as this lasts.

        :param address: None where the stream has none yet; :meth:`follow` tells when it has
        """
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Subscription(Hub(self.memory), None)
        if stream.leaving is not None:
            stream.leaving.cancel()
            stream.leaving = None
        self._connect(stream, address)
        stream.viewers += 1
        try:
            yield stream
        finally:
            stream.viewers -= 1
            if stream.viewers == 0:
                stream.leaving = asyncio.get_running_loop().call_later(LINGER_S, self._leave, key)

    def follow(self, snapshot: Snapshot) -> None:
        """Go where the streams are now."""
        for key, stream in self._streams.items():
            view = snapshot.objects.get(key)
            self._connect(stream, view.address if view else None)

    async def close(self) -> None:
        tasks = [stream.task for stream in self._streams.values() if stream.task]
        for stream in self._streams.values():
            if stream.leaving:
                stream.leaving.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._streams.clear()
        self._context.destroy(0)

    def _connect(self, stream: Subscription, address: str | None) -> None:
        if address == stream.address and stream.task is not None and not stream.task.done():
            return
        if stream.task is not None:
            stream.task.cancel()
        stream.address, stream.task = address, None
        if address:
            stream.task = asyncio.create_task(_receive(self._context, address, stream.hub))
            stream.task.add_done_callback(partial(_told, address, stream.hub))

    def _leave(self, key: StreamKey) -> None:
        stream = self._streams.pop(key)
        if stream.task is not None:
            stream.task.cancel()
        stream.hub.close()


def _told(address: str, hub: Hub, task: asyncio.Task[None]) -> None:
    """Say that a stream is not read any more. It is read again with the next news of it, or the next viewer."""
    if not task.cancelled() and (error := task.exception()):
        log.error("the stream at %s is not read any more: %s", address, error, exc_info=error)
        hub.last_error = f"{address} is not read any more: {type(error).__name__}: {error}"


async def _receive(context: zmq.asyncio.Context, address: str, hub: Hub) -> None:
    """Hand every message of a stream to its hub, until cancelled."""
    decoder = Decoder()
    try:
        socket = subscribed(context, address, QUEUE_SIZE)
    except zmq.ZMQError as error:
        hub.last_error = f"cannot connect to {address}: {error}"
        return
    with socket:
        while True:
            frames = await socket.recv_multipart(copy=False)
            parts = [frame.buffer for frame in frames]
            try:
                message = decoder.decode(parts)
            except WireError as error:
                hub.unreadable += 1
                hub.last_error = str(error)
                continue
            index = next((i for i, channel in enumerate(message.header) if channel.name == names.IMAGE), None)
            image_part = None if index is None else parts[2 + 2 * index]
            hub.publish(message, image_part, _size(message, parts), time.time())


def _size(message: Message, parts: Sequence[Part]) -> int:
    """Of a message in memory [bytes]. Arrays that came as they are lie in its parts; those that were compressed are there twice."""
    unpacked = (message.values.get(channel.name) for channel in message.header if channel.compression)
    return sum(len(part) for part in parts) + sum(value.nbytes for value in unpacked if isinstance(value, np.ndarray))
