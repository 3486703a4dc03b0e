"""For pipelines without an input: frames without anything in them, which say when it is time for the next message."""

import time

from camstream.frame import NO_IMAGE, Frame, Timestamp
from camstream.spec import WorkerConfig
from camstream.spec.pipeline import PipelineType
from camstream_worker.counters import Counters
from camstream_worker.sources.base import EndOfSource

MAX_RATE_HZ = 1e6
"""Without a limit: as fast as messages are made."""


class Ticks:
    """One frame per period; for a script that does everything itself, a single one."""

    def __init__(self, config: WorkerConfig, counters: Counters) -> None:
        del counters
        self._due = time.monotonic()
        self._pulse_id = 0
        self.description = "the script"
        self.apply(config)

    def receive(self, timeout_s: float) -> Frame | None:
        if self._single and self._pulse_id:
            raise EndOfSource("the script has come to its end")
        now = time.monotonic()
        if self._due > now:
            time.sleep(min(self._due - now, timeout_s))
            return None
        self._due = max(self._due + self._period_s, now)
        self._pulse_id += 1
        return Frame(self._pulse_id, Timestamp.from_seconds(time.time()), NO_IMAGE)

    def apply(self, config: WorkerConfig) -> bool:
        assert config.pipeline is not None  # noqa: S101 - open_source chose this class by it
        self._single = config.pipeline.type is PipelineType.SCRIPT
        self._period_s = 1 / (config.pipeline.selection.max_frame_rate or MAX_RATE_HZ)
        return True

    def close(self) -> None:
        """Nothing is open."""
