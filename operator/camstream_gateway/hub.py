"""The last frames of one stream, shared by everybody who looks at it."""

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from camstream.wire import Message, Part
from camstream_gateway.memory import FRAME, MEBI, MESSAGE, Memory, Shelf

RING_BYTES = 128 << 20
"""What may be kept of one stream for pausing and stepping back: 50 frames of 1280x1024 pixels."""

QUEUE_SIZE = 2
"""Messages that may wait in ZMQ: somebody who looks wants to see what is now."""

RATE_S = 5.0
"""The rate is a mean over this time."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamFrame:
    """One message of a stream, as it came."""

    seq: int
    """Counts the messages of a hub from 1: a gap is a frame that was not shown."""
    message: Message
    image_part: Part | None
    """The image as it travelled, for passing it on without touching it."""
    nbytes: int
    """In memory: as it travelled, and what was decompressed."""
    received_at: float
    """[s since 1970]"""

    @property
    def age_s(self) -> float:
        """How old the image was when it came."""
        return self.received_at - self.message.timestamp.seconds()


class FrameRing(Shelf[StreamFrame]):
    """The newest frames, as many as fit into a number of bytes, and less where memory is short; at least one."""

    def __init__(self, memory: Memory, most_bytes: int = RING_BYTES) -> None:
        super().__init__(memory)
        self._most = most_bytes

    def add(self, frame: StreamFrame) -> bool:
        kept = super().add(frame)
        while self.nbytes > self._most and len(self) > 1:
            self.shrink()
        return kept


@dataclass(slots=True, eq=False)
class Hub:
    """Takes the frames of one stream and wakes those who look at it. Nobody who looks can hold it up."""

    memory: Memory = field(default_factory=Memory)
    ring: FrameRing = field(init=False)
    newest: StreamFrame | None = None
    unreadable: int = 0
    """Messages that are no bsread messages."""
    last_error: str = ""
    no_room: str = ""
    """Why the last frame is not shown, where memory was too short for it."""
    listeners: set[asyncio.Event] = field(default_factory=set)
    """Set whenever there is something new."""
    made: dict[Hashable, bytes] = field(default_factory=dict)
    """Messages that were made of the newest frame: made once, for all who get the same."""
    _made_bytes: int = 0
    _queue_bytes: int = 0
    _times: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.ring = FrameRing(self.memory)

    def publish(self, message: Message, image_part: Part | None, nbytes: int, now: float) -> None:
        """Show one more frame, unless memory is too short for it.

        :param nbytes: in memory
        :param now: [s since 1970]
        """
        self._forget_made()
        frame = StreamFrame(self.received + 1, message, image_part, nbytes, now)
        if not self._queue(nbytes) or not self.ring.add(frame):
            most = self.memory.most // MEBI
            self.no_room = f"no room for a frame of {nbytes / MEBI:.1f} MiB: all who look and upload share {most} MiB; close other views"
            return
        self.newest, self.no_room = frame, ""
        self._times.append(now)
        self._forget(now)
        for listener in self.listeners:
            listener.set()

    def keep_made(self, key: Hashable, data: bytes) -> None:
        """Keep a message that was made of the newest frame, where there is room: others may want the same."""
        if self.memory.take(len(data), MESSAGE):
            self._made_bytes += len(data)
            self.made[key] = data

    def close(self) -> None:
        """Keep nothing any more."""
        self._forget_made()
        self.memory.give_back(self._queue_bytes)
        self._queue_bytes = 0
        self.ring.close()

    def _queue(self, nbytes: int) -> bool:
        """Count what waits in ZMQ, too; tell whether there is room for it."""
        more = QUEUE_SIZE * nbytes - self._queue_bytes
        if more > 0 and not self.memory.take(more, FRAME):
            return False
        self._queue_bytes += max(more, 0)
        return True

    def _forget_made(self) -> None:
        self.made.clear()
        self.memory.give_back(self._made_bytes)
        self._made_bytes = 0

    @property
    def received(self) -> int:
        return self.newest.seq if self.newest else 0

    def rate_hz(self, now: float) -> float:
        """Frames that came per second, over the last seconds."""
        self._forget(now)
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(now - self._times[0], self._times[-1] - self._times[0], 1e-6)

    def _forget(self, now: float) -> None:
        while self._times and now - self._times[0] > RATE_S:
            self._times.popleft()
