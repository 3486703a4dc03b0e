"""The last frames of one stream, shared by everybody who looks at it."""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from camstream.wire import Message, Part

RING_BYTES = 128 << 20
"""What may be kept of one stream for pausing and stepping back: 50 frames of 1280x1024 pixels."""

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
    received_at: float
    """[s since 1970]"""

    @property
    def age_s(self) -> float:
        """How old the image was when it came."""
        return self.received_at - self.message.timestamp.seconds()


class FrameRing:
    """The newest frames, as many as fit into a number of bytes; at least one."""

    def __init__(self, most_bytes: int = RING_BYTES) -> None:
        self._most = most_bytes
        self._frames: deque[StreamFrame] = deque()
        self.nbytes = 0

    def add(self, frame: StreamFrame) -> None:
        self._frames.append(frame)
        self.nbytes += frame.nbytes
        while self.nbytes > self._most and len(self._frames) > 1:
            self.nbytes -= self._frames.popleft().nbytes

    def __iter__(self) -> Iterator[StreamFrame]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)


@dataclass(slots=True, eq=False)
class Hub:
    """Takes the frames of one stream and wakes those who look at it. Nobody who looks can hold it up."""

    ring: FrameRing = field(default_factory=FrameRing)
    newest: StreamFrame | None = None
    unreadable: int = 0
    """Messages that are no bsread messages."""
    last_error: str = ""
    listeners: set[asyncio.Event] = field(default_factory=set)
    """Set whenever there is something new."""
    made: dict[Hashable, bytes] = field(default_factory=dict)
    """Messages that were made of the newest frame: made once, for all who get the same."""
    _times: deque[float] = field(default_factory=deque)

    def publish(self, message: Message, image_part: Part | None, nbytes: int, now: float) -> None:
        """:param now: [s since 1970]"""
        self.newest = StreamFrame(self.received + 1, message, image_part, nbytes, now)
        self.ring.add(self.newest)
        self.made.clear()
        self._times.append(now)
        self._forget(now)
        for listener in self.listeners:
            listener.set()

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
