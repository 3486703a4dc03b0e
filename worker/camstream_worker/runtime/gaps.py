"""Frames that never came, as the pulse ids of those that did tell: the only sign of what is lost before a worker."""

from typing import Final

WINDOW: Final = 100
"""Frames after which the usual distance is found out anew: a camera may become slower for good."""


class PulseGaps:
    """Knows the usual distance of pulse ids: the smallest of the last frames, such as 10 for 10 Hz at a machine of 100 Hz."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._usual = self._smallest = self._seen = 0

    def restart(self) -> None:
        """Begin anew: what was missed while the source was away is told as that."""
        self._last, self._usual, self._smallest, self._seen = None, 0, 0, 0

    def missing(self, pulse_id: int) -> int:
        """How many frames are missing between the one before and this one."""
        step, self._last = (0 if self._last is None else pulse_id - self._last), pulse_id
        if step <= 0:
            return 0  # the first one, the same once more, or a sender that began anew
        self._smallest = min(self._smallest or step, step)
        self._usual = min(self._usual or step, step)
        self._seen += 1
        if self._seen == WINDOW:
            self._usual, self._smallest, self._seen = self._smallest, 0, 0
        return round(step / self._usual) - 1
