"""Which frames to process and which results to send. Told the time; every refusal has a reason that is counted."""

from camstream.frame import Timestamp
from camstream.spec.pipeline import Selection

JITTER = 0.1
"""Share of a period by which a frame may come early."""


class RateLimit:
    """Lets frames through at most at a rate, without losing more than that takes."""

    def __init__(self) -> None:
        self._due = float("-inf")

    def accepts(self, rate_hz: float | None, now: float) -> bool:
        """:param now: any steadily rising clock [s]"""
        if rate_hz is None:
            return True
        period = 1 / rate_hz
        if now < self._due - JITTER * period:
            return False
        # The next one is due a period after this one was, not after it came: else 3 Hz of 10 Hz would be 2.5 Hz.
        self._due = (self._due if now - self._due < period else now) + period
        return True


class EndReached(Exception):  # noqa: N818 - no error, an end
    """The range of pulses or the number of records is complete."""


class Selector:
    """State of one pipeline's selection of frames."""

    def __init__(self) -> None:
        self._rate = RateLimit()
        self._seen = 0

    def refusal(self, selection: Selection, pulse_id: int, now: float) -> str | None:
        """Why this frame is not to be processed, or None.

        :raises EndReached: at the first frame behind the range of pulses
        """
        if selection.pause:
            return "paused"
        pulses = selection.pulse_ids
        if pulses is not None:
            if pulses.first == 0 or pulse_id < pulses.first:
                return "before_range"
            if pulses.last and pulse_id > pulses.last:
                raise EndReached(f"pulse {pulse_id} is behind the last one asked for, {pulses.last}")
        self._seen += 1
        if (self._seen - 1) % selection.downsampling:
            return "downsampling"
        return None if self._rate.accepts(selection.max_frame_rate, now) else "max_frame_rate"


class ResultFilter:
    """State of one pipeline's checks of its results."""

    def __init__(self) -> None:
        self._pulse_id: int | None = None
        self._time: tuple[int, int] | None = None
        self._records = 0

    def refusal(self, selection: Selection, pulse_id: int, timestamp: Timestamp) -> str | None:
        """Why this result is not to be sent, or None."""
        if selection.require_pulse_id_in_timestamp and (pulse_id - timestamp.ns) % 1_000_000:
            return "pulse_id_not_in_timestamp"
        if selection.require_increasing_pulse_id and self._pulse_id is not None and pulse_id <= self._pulse_id:
            return "old_pulse_id"
        if selection.require_increasing_timestamp and self._time is not None and tuple(timestamp) <= self._time:
            return "old_timestamp"
        self._pulse_id, self._time = pulse_id, timestamp
        return None

    def sent(self, selection: Selection) -> None:
        """Count a message that was sent.

        :raises EndReached: after the last record
        """
        self._records += 1
        if selection.records is not None and self._records >= selection.records:
            raise EndReached(f"all {selection.records} records have been sent")
