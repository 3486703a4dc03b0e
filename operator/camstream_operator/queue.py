"""Which object is to be looked at next: a queue of keys. It neither knows what a key means nor does any I/O."""

import asyncio
import heapq
import itertools
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, NamedTuple, TypeVar

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_S: Final = 0.5
"""No key is worked on again sooner than this after it failed, whatever happens to its object meanwhile."""
LAST_RETRY_S: Final = 300.0
DOUBLINGS: Final = 10
"""More than it takes to get from the first pause to the last."""

BACKGROUND_SHARE: Final = 10
"""One of so many keys is of the background lane while both lanes wait: otherwise a few restless objects could hold it up for ever."""


class Retry(Exception):  # noqa: N818 - a wish of the handler, which has already said what is wrong
    """Raised by a handler: it failed for an expected reason; work on the key again, later each time.

    :param after_s: not sooner than that [s], as in the header Retry-After
    """

    def __init__(self, after_s: float = 0.0) -> None:
        super().__init__(f"again, not sooner than in {after_s:g} s")
        self.after_s = after_s


class _Due(NamedTuple):
    when: float
    urgent: bool


class _Failures(NamedTuple):
    times: int
    not_before: float


class WorkQueue(Generic[K]):
    """Keys that wait for work, each at most once, in two lanes: urgent ones overtake those of the background.

    A key is in the hands of one handler at a time; added meanwhile, it is worked on once more. All methods belong to the event
    loop that runs the queue; the figures may be read from any thread.

    :param clock: monotonic time [s]
    :param chance: a number from 0 to 1, which spreads the pauses
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random) -> None:
        self._clock, self._chance = clock, chance
        # Since when each key has been waiting, first in, first out.
        self._urgent: OrderedDict[K, float] = OrderedDict()
        self._background: OrderedDict[K, float] = OrderedDict()
        self._working: dict[K, bool] = {}
        self._again: dict[K, tuple[bool, float]] = {}
        # What is to come later. The heap may hold outdated entries; `_due` is right.
        self._due: dict[K, _Due] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._number = itertools.count()
        self._failures: dict[K, _Failures] = {}
        self._told: dict[K, str] = {}
        self._turn = 0
        self._news = asyncio.Event()
        self._stopping = False
        self.adds = 0
        """Calls of `add`, those for a key that waited already included."""
        self.retries = 0
        """Times that a key failed and was put off."""

    @property
    def depth(self) -> int:
        """Keys that could be worked on now."""
        return len(self._urgent) + len(self._background)

    @property
    def oldest_age_s(self) -> float:
        """How long the key has been waiting that waits longest [s]."""
        since = [*list(self._urgent.values()), *list(self._background.values())]
        return max(0.0, self._clock() - min(since)) if since else 0.0

    def add(self, key: K, urgent: bool = True) -> None:
        """Work on ``key`` as soon as possible: after a failure, as soon as the shortest pause is over."""
        self.adds += 1
        now, not_before = self._clock(), self._not_before(key)
        if not_before > now:
            self._put_off(key, not_before, urgent)
        else:
            self._put(key, urgent, now)

    def add_after(self, key: K, seconds: float, urgent: bool = False) -> None:
        """Work on ``key`` in ``seconds`` [s]; of several such wishes the earliest counts."""
        self._put_off(key, self._clock() + seconds, urgent)

    def take(self) -> K | None:
        """The next key to work on, or None. Whoever takes it says `done` or `failed` later."""
        self._move_due()
        self._turn = (self._turn + 1) % BACKGROUND_SHARE
        urgent = bool(self._urgent) and not (self._background and self._turn == 0)
        lane = self._urgent if urgent else self._background
        if not lane:
            return None
        key, _ = lane.popitem(last=False)
        self._working[key] = urgent
        return key

    def done(self, key: K, again_s: float | None = None) -> None:
        """The work on ``key`` succeeded; look again in ``again_s`` [s]."""
        del self._working[key]
        self._failures.pop(key, None)
        self._told.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None:
            self._put(key, *again)
        if again_s is not None:
            self.add_after(key, again_s)
        self._news.set()

    def failed(self, key: K, after_s: float = 0.0) -> None:
        """The work on ``key`` failed; try again after a pause that doubles each time, and not sooner than in ``after_s`` [s]."""
        urgent = self._working.pop(key)
        now = self._clock()
        times = self._failures[key].times + 1 if key in self._failures else 1
        not_before = now + max(FIRST_RETRY_S, after_s)
        self._failures[key] = _Failures(times, not_before)
        self.retries += 1
        again = self._again.pop(key, None)
        if again is not None:
            # What came meanwhile may be the cure, so it does not wait for the whole pause.
            self._put_off(key, not_before, again[0])
        else:
            pause = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(times, DOUBLINGS))
            self._put_off(key, max(not_before, now + pause * (0.5 + 0.5 * self._chance())), urgent)
        self._news.set()

    async def run(self, handler: Callable[[K], Awaitable[float | None]], workers: int = 16) -> None:
        """Hand keys to ``handler`` until `stop`, at most ``workers`` at a time; then wait for those that are being worked on.

        :param handler: returns after how many seconds to look at the key again, or None; raises `Retry` for failures that it has
            reported itself. Any other exception is logged, unless the key's last one said the same, and tried again likewise.
        """
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                self._news.clear()
                while len(self._working) < workers and (key := self.take()) is not None:
                    group.create_task(self._work(handler, key))
                await self._wait(self._pause() if len(self._working) < workers else None)

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping = True
        self._news.set()

    async def _work(self, handler: Callable[[K], Awaitable[float | None]], key: K) -> None:
        try:
            again_s = await handler(key)
        except Retry as retry:
            self.failed(key, retry.after_s)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            if self._told.get(key) != message:
                self._told[key] = message
                log.exception("%s: unexpected error; it is tried again with growing pauses", key)
            self.failed(key)
        except asyncio.CancelledError:
            self.failed(key)
            raise
        else:
            self.done(key, again_s)

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def _pause(self) -> float | None:
        """Until the next key is due [s]."""
        return max(0.0, self._heap[0][0] - self._clock()) if self._heap else None

    def _not_before(self, key: K) -> float:
        failures = self._failures.get(key)
        return failures.not_before if failures is not None else 0.0

    def _put(self, key: K, urgent: bool, since: float) -> None:
        if key in self._working:
            before = self._again.get(key, (False, since))
            self._again[key] = (urgent or before[0], before[1])
        elif urgent:
            self._urgent.setdefault(key, self._background.pop(key, since))
        elif key not in self._urgent:
            self._background.setdefault(key, since)
        self._news.set()

    def _put_off(self, key: K, when: float, urgent: bool) -> None:
        before = self._due.get(key)
        if before is not None:
            urgent = urgent or before.urgent
            if before.when <= when:
                self._due[key] = _Due(before.when, urgent)
                return
        self._due[key] = _Due(when, urgent)
        heapq.heappush(self._heap, (when, next(self._number), key))
        if len(self._heap) > 2 * len(self._due) + 16:
            self._heap = [(due.when, next(self._number), key) for key, due in self._due.items()]
            heapq.heapify(self._heap)
        self._news.set()

    def _move_due(self) -> None:
        """Put what is due by now into its lane; afterwards the first of the heap is not outdated."""
        now = self._clock()
        while self._heap:
            when, _, key = self._heap[0]
            due = self._due.get(key)
            outdated = due is None or due.when != when
            if when > now and not outdated:
                return
            heapq.heappop(self._heap)
            if due is None or outdated:
                continue
            del self._due[key]
            not_before = self._not_before(key)
            if not_before > now:
                self._put_off(key, not_before, due.urgent)
            else:
                self._put(key, due.urgent, when)
