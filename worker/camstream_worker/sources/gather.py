"""What several workers push, as one stream in the order of its pulses."""

import heapq
import itertools
import time

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.spec import WorkerConfig
from camstream.spec.fields import InputMode
from camstream_worker.counters import Counters
from camstream_worker.sources.bsread import Receiver, frame_of

QUIET_S = 1.0
"""[s] After this time without any message, what waits is passed on: nothing is late any more."""

MOST_BYTES = 256 * 2**20
"""[bytes] When more waits, the earliest goes on before its turn is certain: memory is bounded, and no message is lost."""


class GatheringSource:
    """Listens for senders. A few messages wait, so that one that took longer still comes in its turn."""

    def __init__(self, config: WorkerConfig, counters: Counters) -> None:
        assert config.pipeline is not None  # noqa: S101 - open_source chose this class by it
        if config.gather_address is None:
            raise SourceError("the configuration does not say where to listen for senders")
        self._address = config.gather_address
        self._receiver = Receiver(self._address, InputMode.PULL, counters, listen=True)
        self._reorder = config.pipeline.reorder
        self._waiting: list[tuple[int, int, Frame]] = []
        self._bytes = 0
        self._number = itertools.count()
        self._heard = time.monotonic()
        self.description = f"senders to {self._address}"

    def receive(self, timeout_s: float) -> Frame | None:
        if self._too_many():
            return self._take()
        message = self._receiver.receive(timeout_s)
        if message is None:
            return self._take() if self._waiting and time.monotonic() - self._heard > QUIET_S else None
        self._heard = time.monotonic()
        frame = frame_of(message)
        self._bytes += frame.nbytes
        heapq.heappush(self._waiting, (frame.pulse_id, next(self._number), frame))
        return self._take() if self._too_many() else None

    def _too_many(self) -> bool:
        return len(self._waiting) > self._reorder or (len(self._waiting) > 1 and self._bytes > MOST_BYTES)

    def _take(self) -> Frame:
        _, _, frame = heapq.heappop(self._waiting)
        self._bytes -= frame.nbytes
        return frame

    def apply(self, config: WorkerConfig) -> bool:
        if config.pipeline is not None:
            self._reorder = config.pipeline.reorder
        return config.gather_address == self._address

    def close(self) -> None:
        self._receiver.close()
