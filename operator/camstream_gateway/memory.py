"""One budget of bytes for all that grows with what people look at and send: frames, messages on their way, uploads.

Frames that are kept for stepping back give way to everything else. Used by the thread of the event loop only.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, Protocol, TypeVar

from camstream.errors import CamstreamError

MEBI: Final = 1 << 20

DEFAULT_LIMIT_BYTES: Final = 1 << 30
"""What the whole process may take where nobody says."""
SHARE: Final = 0.5
"""Of that, for what is counted here. The other half is the program itself, what becomes of an image while it is worked on, and what the
allocator does not give back at once."""

FRAME, MESSAGE, UPLOAD = USES = ("frame", "message", "upload")


class NoRoom(CamstreamError):  # noqa: N818
    """There is no memory for something now, or ever."""


class Sized(Protocol):
    """Something that takes memory. Told from others by its identity."""

    @property
    def nbytes(self) -> int: ...


K = TypeVar("K", bound=Sized)


class Memory:
    """What is taken of the budget, and by whom."""

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        """:param limit_bytes: of the process, as the pod's limit"""
        self.most = int(limit_bytes * SHARE)
        self.used = 0
        self.refused: Counter[str] = Counter()
        """Times that there was no room, by use."""
        self._holders: dict[int, int] = {}
        """How many shelves have each thing, by its identity."""
        self._shelves: list[Shelf[Any]] = []
        self._waiting: set[asyncio.Event] = set()

    def take(self, nbytes: int, use: str) -> bool:
        """Count some bytes as taken, and let shelves shrink for that; tell whether there is room.

        :param use: one of :data:`USES`
        """
        while self.used + nbytes > self.most:
            largest = max(self._shelves, key=lambda shelf: (len(shelf) > 1, shelf.nbytes), default=None)
            if nbytes > self.most or largest is None or len(largest) < 2:
                self.refused[use] += 1
                return False
            largest.shrink()
        self.used += nbytes
        return True

    def give_back(self, nbytes: int) -> None:
        self.used -= nbytes
        while self._waiting:
            self._waiting.pop().set()

    def wake(self, event: asyncio.Event) -> None:
        """Set this once, when some bytes are given back: for one who found no room."""
        self._waiting.add(event)

    @contextmanager
    def lent(self, use: str, what: str) -> Iterator["Loan"]:
        """Memory for as long as this lasts.

        :param what: it is for, in words
        """
        loan = Loan(self, use, what)
        try:
            yield loan
        finally:
            self.give_back(loan.nbytes)

    def hold(self, thing: Sized) -> bool:
        """One more has it; tell whether there is room."""
        if id(thing) not in self._holders and not self.take(thing.nbytes, FRAME):
            return False
        self._holders[id(thing)] = self._holders.get(id(thing), 0) + 1
        return True

    def release(self, thing: Sized) -> None:
        """One less has it."""
        self._holders[id(thing)] -= 1
        if not self._holders[id(thing)]:
            del self._holders[id(thing)]
            self.give_back(thing.nbytes)

    def add_shelf(self, shelf: "Shelf[Any]") -> None:
        self._shelves.append(shelf)

    def remove_shelf(self, shelf: "Shelf[Any]") -> None:
        self._shelves.remove(shelf)


class Loan:
    """Some bytes of a budget, for one purpose."""

    def __init__(self, memory: Memory, use: str, what: str) -> None:
        self._memory, self._use, self._what = memory, use, what
        self.nbytes = 0

    def more(self, nbytes: int) -> None:
        """:raises NoRoom: if there is no room for so many more"""
        wanted, most = self.nbytes + nbytes, self._memory.most
        if not self._memory.take(nbytes, self._use):
            never = wanted > most
            words = f"{self._what} takes {-(-wanted // MEBI)} MiB of memory, and this gateway has {most // MEBI} MiB for everything"
            raise NoRoom(f"{words}; make it smaller, or raise the gateway's limit of memory" if never else f"{words}; try again soon")
        self.nbytes = wanted


class Shelf(Generic[K]):
    """Things that are kept while there is room, the oldest first. One that has any keeps the last."""

    def __init__(self, memory: Memory, things: Iterable[K] = ()) -> None:
        """:param things: kept by others already, so that there is room for them"""
        self._memory = memory
        self._things: deque[K] = deque()
        self.nbytes = 0
        memory.add_shelf(self)
        for thing in list(things):
            self.add(thing)

    def add(self, thing: K) -> bool:
        """Keep one more; tell whether there is room for it."""
        if not self._memory.hold(thing):
            return False
        self._things.append(thing)
        self.nbytes += thing.nbytes
        return True

    def shrink(self) -> None:
        """Do without the oldest one."""
        oldest = self._things.popleft()
        self.nbytes -= oldest.nbytes
        self._memory.release(oldest)

    def close(self) -> None:
        """Keep nothing any more."""
        while self._things:
            self.shrink()
        self._memory.remove_shelf(self)

    def __iter__(self) -> Iterator[K]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def __getitem__(self, place: int) -> K:
        return self._things[place]
