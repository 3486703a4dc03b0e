"""Two streams become one: what belongs to the same pulse goes on together."""

import select
import time
from collections import deque
from dataclasses import replace

from camstream.errors import SourceError, SourceTimeout
from camstream.frame import Frame
from camstream.spec import WorkerConfig
from camstream_worker.counters import Counters
from camstream_worker.sources.bsread import Receiver, StreamSource, frame_of


class Waiting:
    """Frames of one stream that wait for the other, in the order of their pulses, bounded in number and bytes."""

    def __init__(self, capacity: int, max_bytes: int) -> None:
        self._capacity, self._max_bytes = capacity, max_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def first_pulse(self) -> int:
        return self._frames[0].pulse_id

    def put(self, frame: Frame) -> int:
        """:returns: how many older frames were dropped for it"""
        self._frames.append(frame)
        self._bytes += frame.nbytes
        dropped = 0
        while len(self._frames) > self._capacity or (self._bytes > self._max_bytes and len(self._frames) > 1):
            self.take()
            dropped += 1
        return dropped

    def take(self) -> Frame:
        frame = self._frames.popleft()
        self._bytes -= frame.nbytes
        return frame


class MergedSource:
    """The input of a pipeline with the channels of a second stream added.

    Pulses of each stream rise, so a frame whose pulse the other stream has already passed will find no partner: it is dropped and
    counted. A stream that pauses holds up the other one until the bound of what may wait is reached; nothing waits for ever.
    That the second stream is silent is told, and nothing more: what waits for it is kept.
    """

    def __init__(self, config: WorkerConfig, first: StreamSource, counters: Counters) -> None:
        assert config.pipeline is not None  # noqa: S101 - open_source chose this class by it
        assert config.pipeline.merge is not None  # noqa: S101
        merge = config.pipeline.merge
        if config.merge_address is None:
            raise SourceError("the stream to merge has no address yet: it has not been started")
        self._first, self._counters, self._address = first, counters, config.merge_address
        self._second = Receiver(self._address, merge.mode, counters, channels=list(merge.channels) or None)
        self._waiting = tuple(Waiting(merge.queue_size, merge.queue_mebibytes * 2**20) for _ in range(2))
        self._timeout_s = config.pipeline.reading.timeout_seconds
        self._heard = [time.monotonic()] * 2
        """When the last message of each stream came."""
        self._poller = select.poll()
        for receiver in (first.receiver, self._second):
            self._poller.register(receiver, select.POLLIN)
        self.description = f"{first.description} with {self._address}"

    def receive(self, timeout_s: float) -> Frame | None:
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            frame, message = self._first.receive(0), self._second.receive(0)
            if frame is not None:
                self._put(0, frame)
            if message is not None:
                self._put(1, frame_of(message))
            if (pair := self._pair()) is not None:
                return pair
            if frame is None and message is None:
                self._poller.poll(left * 1000)
        self._look_for_silence()
        return None

    def _look_for_silence(self) -> None:
        """:raises SourceTimeout: if the second stream alone is silent; who reads this source sees when both are"""
        first, second = (time.monotonic() - heard for heard in self._heard)
        if self._timeout_s and second > self._timeout_s > first:
            raise SourceTimeout(f"nothing for {self._timeout_s} s from {self._address}, which is to be merged; is it running?")

    def _put(self, which: int, frame: Frame) -> None:
        self._heard[which] = time.monotonic()
        if dropped := self._waiting[which].put(frame):
            self._counters.source_drops[f"{NAMES[which]}_waited_too_long"] += dropped

    def _pair(self) -> Frame | None:
        first, second = self._waiting
        while first and second:
            if first.first_pulse == second.first_pulse:
                frame, other = first.take(), second.take()
                return replace(frame, channels={**frame.channels, **other.channels})
            late = 0 if first.first_pulse < second.first_pulse else 1
            self._waiting[late].take()
            self._counters.source_drops[f"{NAMES[late]}_without_partner"] += 1
        return None

    def apply(self, config: WorkerConfig) -> bool:
        if config.pipeline is not None:
            self._timeout_s = config.pipeline.reading.timeout_seconds
        return config.merge_address == self._address and self._first.apply(config)

    def close(self) -> None:
        for name, waiting in zip(NAMES, self._waiting, strict=True):
            while waiting:
                waiting.take()
                self._counters.source_drops[f"{name}_without_partner"] += 1
        self._second.close()
        self._first.close()


NAMES = ("input", "merged")
