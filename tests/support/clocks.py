"""A clock that a test sets."""


class Clock:
    """Monotonic time [s], which passes only when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Pass the time that is to be waited."""
        self.now += seconds
