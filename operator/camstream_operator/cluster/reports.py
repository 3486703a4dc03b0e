"""Asks workers how they are: what only they know, they tell at ``/status``. They have no right to write it down themselves."""

import asyncio
import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from pydantic import ValidationError

from camstream.spec.key import Key
from camstream.spec.report import FrameCounts, WorkerReport
from camstream.spec.status import Phase

FIRST_S: Final = 0.5
"""[s] Between two questions, until a worker has answered."""
HURRIED_S: Final = 0.2
"""[s] While a change of the configuration is awaited."""
UNEASY_S: Final = 1.0
"""[s] While the stream does not run."""
CALM_S: Final = 2.0
MAX_RATE_HZ: Final = 100.0
"""All workers together are not asked more often: with very many of them, each one less often."""

ANSWER_S: Final = 3.0
"""[s] Longest time for one answer."""
SILENT_S: Final = 15.0
"""[s] Without an answer for this long, a worker counts as silent."""
START_S: Final = 120.0
"""[s] The same for one that is not known to have answered ever: as long as its pod is given to start."""
HURRY_FOR_S: Final = 60.0
TOGETHER: Final = 32
MAX_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Asked:
    """One worker."""

    key: Key
    url: str
    answered_at: float
    patience_s: float
    due: float = 0.0
    report: WorkerReport | None = None
    hurried_until: float = 0.0
    awaited: str | None = None
    silent: bool = False
    busy: bool = False


class Reports:
    """The newest report of every worker."""

    def __init__(self, changed: Callable[[Key], None], clock: Callable[[], float] = time.monotonic) -> None:
        """:param changed: called with the object whose worker has news"""
        self._changed, self._clock = changed, clock
        self._asked: dict[str, Asked] = {}
        self._due: list[tuple[float, str]] = []
        self._more = asyncio.Event()

    def watch(self, uid: str, key: Key, url: str, answered: bool = False) -> None:
        """Ask the worker of a pod from now on, if it is not asked yet.

        :param answered: it is known to have answered somebody else
        """
        known = self._asked.get(uid)
        if known is None or known.url != url:
            self._asked[uid] = Asked(key, url, self._clock(), SILENT_S if answered else START_S)
            self._ask_at(uid, 0.0)

    def keep_only(self, key: Key, uids: set[str]) -> None:
        """Forget the pods of an object that are gone."""
        for uid in [uid for uid, asked in self._asked.items() if asked.key == key and uid not in uids]:
            del self._asked[uid]

    def hurry(self, uid: str, digest: str) -> float:
        """Ask often for a while: a configuration of this name is about to be applied.

        :returns: for how long it has been awaited [s]
        """
        asked = self._asked.get(uid)
        if asked is None:
            return 0.0
        now = self._clock()
        if asked.awaited != digest:
            asked.awaited, asked.hurried_until = digest, now + HURRY_FOR_S
            self._ask_at(uid, 0.0)
        return now - (asked.hurried_until - HURRY_FOR_S)

    def of(self, uid: str) -> WorkerReport | None:
        """What the worker of a pod said last, unless that was too long ago."""
        asked = self._asked.get(uid)
        return asked.report if asked and not asked.silent else None

    def waited_s(self, uid: str) -> float:
        """Since the worker of a pod last answered or, where it has not yet, since it is asked [s]."""
        asked = self._asked.get(uid)
        return self._clock() - asked.answered_at if asked else 0.0

    def silent(self, uid: str) -> bool:
        """Whether a worker should answer, and has not done so for too long."""
        asked = self._asked.get(uid)
        return asked is not None and asked.silent

    def __len__(self) -> int:
        return len(self._asked)

    async def run(self) -> None:
        """Ask for ever."""
        room = asyncio.Semaphore(TOGETHER)
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http,
            asyncio.TaskGroup() as questions,
        ):
            while True:
                uid = await self._next()
                await room.acquire()
                question = questions.create_task(self._ask(http, uid))
                question.add_done_callback(lambda _: room.release())

    async def _next(self) -> str:
        while True:
            now = self._clock()
            if self._due and self._due[0][0] <= now:
                due, uid = heapq.heappop(self._due)
                asked = self._asked.get(uid)
                if asked is not None and asked.due == due and not asked.busy:
                    asked.busy = True
                    return uid
                continue
            self._more.clear()
            try:
                # Not wait_for: in Python 3.11 a cancellation at the moment of an answer gets lost in it.
                async with asyncio.timeout(self._due[0][0] - now if self._due else None):
                    await self._more.wait()
            except TimeoutError:
                continue

    async def _ask(self, http: aiohttp.ClientSession, uid: str) -> None:
        asked = self._asked.get(uid)
        if asked is None:
            return
        found = None
        try:
            # The user's own code runs there, too: it must not send us anywhere.
            async with http.get(asked.url, allow_redirects=False) as answer:
                if answer.status == 200 and (body := await _whole(answer)) is not None:
                    found = WorkerReport.model_validate_json(body, extra="ignore")
        except (aiohttp.ClientError, OSError, TimeoutError, ValidationError):
            found = None
        asked.busy = False
        if self._asked.get(uid) is not asked:
            return
        now = self._clock()
        before, was_silent = asked.report, asked.silent
        if found is not None:
            asked.report, asked.answered_at, asked.silent, asked.patience_s = found, now, False, SILENT_S
        elif now - asked.answered_at > asked.patience_s:
            asked.silent = True
        if asked.silent is not was_silent or (found is not None and (before is None or essence(found) != essence(before))):
            self._changed(asked.key)
        self._ask_at(uid, now + self._pause(asked, now))

    def _pause(self, asked: Asked, now: float) -> float:
        if asked.report is None:
            return FIRST_S
        if asked.awaited not in (None, asked.report.config.applied_hash, asked.report.config.rejected_hash) and now < asked.hurried_until:
            return HURRIED_S
        calm = asked.report.phase in (Phase.RUNNING, Phase.COMPLETED)
        return max(CALM_S if calm else UNEASY_S, len(self._asked) / MAX_RATE_HZ)

    def _ask_at(self, uid: str, due: float) -> None:
        asked = self._asked[uid]
        asked.due = due
        heapq.heappush(self._due, (due, uid))
        self._more.set()


async def _whole(answer: aiohttp.ClientResponse) -> bytes | None:
    """The body of an answer; None where it is too long."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MAX_BYTES:
            return None
    return bytes(body)


def essence(report: WorkerReport) -> WorkerReport:
    """A report without what changes all the time. What failed last is told of a background that is not used; of a stream that runs, its
    message says that, too.
    """
    return report.model_copy(
        update={
            "frames": FrameCounts(),
            "receive_rate": 0.0,
            "send_rate": 0.0,
            "bytes_sent": 0,
            "last_frame": None,
            "idle_seconds": None,
            "last_error": "" if report.background or report.phase is Phase.RUNNING else report.last_error,
        }
    )
