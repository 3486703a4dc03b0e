"""What several workers push, as one stream in the order of its pulses."""

import heapq
import itertools

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.spec import WorkerConfig
from camstream.spec.fields import InputMode
from camstream_worker.counters import Counters
from camstream_worker.sources.bsread import Receiver, frame_of


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
        self._number = itertools.count()
        self.description = f"senders to {self._address}"

    def receive(self, timeout_s: float) -> Frame | None:
        message = self._receiver.receive(timeout_s)
        if message is None:
            # Nobody sends: what waits, waits for nothing.
            return heapq.heappop(self._waiting)[2] if self._waiting else None
        heapq.heappush(self._waiting, (message.pulse_id, next(self._number), frame_of(message)))
        return heapq.heappop(self._waiting)[2] if len(self._waiting) > self._reorder else None

    def apply(self, config: WorkerConfig) -> bool:
        if config.pipeline is not None:
            self._reorder = config.pipeline.reorder
        return config.gather_address == self._address

    def close(self) -> None:
        self._receiver.close()
