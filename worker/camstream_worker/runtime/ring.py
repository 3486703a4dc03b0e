"""A bounded queue between two threads. When it is full it forgets what waits, or makes the producer wait."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RingStatistics:
    """What the queue holds, and how full it ever was."""

    depth: int
    bytes: int
    peak_depth: int


class Ring(Generic[T]):
    """Items wait here, at most ``capacity`` of them and at most ``max_bytes`` bytes (but always room for one)."""

    def __init__(self, capacity: int, max_bytes: int, *, newest_first: bool) -> None:
        """:param newest_first: when there is no room, drop everything that waits: what a viewer wants is the newest, and some jitter
        of the consumer shall cost nothing. Otherwise the producer waits for room.
        """
        self._capacity = capacity
        self._max_bytes = max_bytes
        self.newest_first = newest_first
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._peak = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T, size: int, timeout_s: float) -> int | None:
        """Add an item.

        :param size: [bytes]
        :returns: number of older items that were dropped for it; None if there was no room for ``timeout_s`` [s]
        """
        with self._changed:
            dropped = 0
            if self.newest_first:
                if not self._has_room(size):
                    dropped = len(self._items)
                    self._items.clear()
                    self._bytes = 0
            elif not self._changed.wait_for(lambda: self._has_room(size), timeout_s):
                return None
            self._items.append((item, size))
            self._bytes += size
            self._peak = max(self._peak, len(self._items))
            self._changed.notify_all()
            return dropped

    def _has_room(self, size: int) -> bool:
        return self._closed or not self._items or (len(self._items) < self._capacity and self._bytes + size <= self._max_bytes)

    def get(self, timeout_s: float) -> T | None:
        """Take the next item, or None if none came for ``timeout_s`` [s]."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout_s) or not self._items:
                return None
            item, size = self._items.popleft()
            self._bytes -= size
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let nobody wait any more. What is in the queue can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def finished(self) -> bool:
        """Closed, and everything has been taken."""
        with self._changed:
            return self._closed and not self._items

    def statistics(self) -> RingStatistics:
        with self._changed:
            return RingStatistics(len(self._items), self._bytes, self._peak)
