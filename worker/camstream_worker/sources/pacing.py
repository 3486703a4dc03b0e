"""When the next frame of a source with its own clock is due."""

import time


class Pacer:
    """Steady times at a rate. They are counted from the start, so that they do not drift."""

    def __init__(self, rate_hz: float | None) -> None:
        """:param rate_hz: frames per second [Hz]; None for no waiting at all"""
        self.rate_hz = rate_hz
        self._start = time.monotonic()
        self._count = 0

    def set_rate(self, rate_hz: float | None) -> None:
        if rate_hz != self.rate_hz:
            self.__init__(rate_hz)  # type: ignore[misc]

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the next frame is due, for at most ``timeout_s`` [s]; tell whether it is."""
        if self.rate_hz is None:
            return True
        delay = self._start + self._count / self.rate_hz - time.monotonic()
        if delay > timeout_s:
            time.sleep(timeout_s)
            return False
        if delay > 0:
            time.sleep(delay)
        self._count += 1
        return True

    def late(self) -> int:
        """Skip the frames whose time has already passed, and tell how many: a camera does not wait for its reader either."""
        if self.rate_hz is None:
            return 0
        behind = int((time.monotonic() - self._start) * self.rate_hz) - self._count
        skipped = max(behind, 0)
        self._count += skipped
        return skipped
