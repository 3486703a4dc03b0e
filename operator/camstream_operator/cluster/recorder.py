"""Events of our objects, as `kubectl describe` shows them: told once, counted when they repeat, and never in anybody's way."""

import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

from camstream.names import OPERATOR
from camstream_operator.cluster.api import ApiError
from camstream_operator.queue import Retry, WorkQueue

log = logging.getLogger(__name__)

WINDOW_S: Final = 300.0
"""What is said again within this time is one Event, with a count."""
WRITE_S: Final = 10.0
"""The same Event is not written more often than this."""
CAPACITY: Final = 1000
"""Events that may wait to be written, and as many that are remembered."""
WRITERS: Final = 2
MESSAGE_CHARACTERS: Final = 1024
REASON_CHARACTERS: Final = 128
NAME_CHARACTERS: Final = 253

UNREACHABLE: Final = 0
NOT_FOUND: Final = 404
CONFLICT: Final = 409
TOO_MANY: Final = 429
INTERNAL: Final = 500

Type = Literal["Normal", "Warning"]


class EventClient(Protocol):
    """Requests to the API server; each raises `ApiError` when it refuses."""

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...

    async def merge(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes two Events the same: the object, in this life of it, and what is said of it."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    type: str
    reason: str
    message: str

    @property
    def event_name(self) -> str:
        """The same after a restart of the operator, so that it goes on with the Event that is there."""
        text = "\0".join((self.api_version, self.kind, self.uid, self.type, self.reason, self.message))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"{self.name[: NAME_CHARACTERS - len(digest) - 1].rstrip('.-')}.{digest}"


@dataclass(slots=True)
class _Series:
    reference: dict[str, Any]
    first: datetime
    last: datetime
    last_at: float
    count: int = 0
    waiting: bool = False
    exists: bool = False
    written_at: float | None = None


class Recorder:
    """Writes Events in a task of its own, `run`. `record` only takes note; what does not fit is dropped and counted.

    :param instance: which replica says it, normally the name of the pod
    :param clock: monotonic time [s]
    :param now: the time that people read
    """

    def __init__(
        self,
        client: EventClient,
        instance: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._instance = client, instance
        self._clock, self._now = clock, now
        self._queue: WorkQueue[_Key] = WorkQueue(clock)
        self._series: dict[_Key, _Series] = {}
        self._waiting = 0
        self._refused: set[tuple[str, int]] = set()
        self.dropped = 0
        """Events that were lost, because too many waited or the API server refused them."""

    def record(self, reference: dict[str, Any], type_: Type, reason: str, message: str) -> None:
        """Say something of an object.

        :param reference: apiVersion, kind, name, namespace, uid, and perhaps resourceVersion
        """
        key = _Key(
            reference["apiVersion"],
            reference["kind"],
            reference["namespace"],
            reference["name"],
            reference["uid"],
            type_,
            reason[:REASON_CHARACTERS],
            message if len(message) <= MESSAGE_CHARACTERS else f"{message[: MESSAGE_CHARACTERS - 1]}…",
        )
        series = self._series.get(key)
        if series is None or not series.waiting:
            if self._waiting >= CAPACITY:
                self.dropped += 1
                return
            self._waiting += 1
        now, at = self._now(), self._clock()
        if series is None:
            self._forget_old()
            self._series[key] = series = _Series(reference, first=now, last=now, last_at=at)
        if at - series.last_at >= WINDOW_S:
            series.first, series.count = now, 0
        series.count, series.last, series.last_at, series.waiting = series.count + 1, now, at, True
        self._queue.add_after(key, 0.0 if series.written_at is None else max(0.0, series.written_at + WRITE_S - at))

    async def run(self) -> None:
        """Write until `stop`."""
        await self._queue.run(self._write, WRITERS)

    def stop(self) -> None:
        """Let `run` end after the Events that are on their way; the others wait for `flush`."""
        self._queue.stop()

    async def flush(self) -> None:
        """Write what still waits, after `run` has ended: once each, as there is no time to try again."""
        for key in [key for key, series in self._series.items() if series.waiting]:
            with suppress(Retry):
                await self._write(key)

    async def _write(self, key: _Key) -> None:
        series = self._series.get(key)
        if series is None or not series.waiting:
            return
        count, last = series.count, series.last
        try:
            await self._create_or_bump(key, series)
        except ApiError as error:
            self._failed(key, series, error)
            return
        self._refused = {refused for refused in self._refused if refused[0] != key.namespace}
        series.exists, series.written_at = True, self._clock()
        if (series.count, series.last) == (count, last):
            self._settle(series)
        else:
            self._queue.add_after(key, WRITE_S)

    async def _create_or_bump(self, key: _Key, series: _Series) -> None:
        events = f"/api/v1/namespaces/{key.namespace}/events"
        bump = {"count": series.count, "firstTimestamp": _text(series.first), "lastTimestamp": _text(series.last)}
        if series.exists:
            try:
                await self._client.merge(f"{events}/{key.event_name}", bump)
                return
            except ApiError as error:
                # Events live for an hour.
                if error.status != NOT_FOUND:
                    raise
        try:
            await self._client.create(events, _event(key, series, self._instance))
        except ApiError as error:
            # It was said before this process, or before it was silent for a while.
            if error.status != CONFLICT:
                raise
            await self._client.merge(f"{events}/{key.event_name}", bump)

    def _failed(self, key: _Key, series: _Series, error: ApiError) -> None:
        passing = error.status in (UNREACHABLE, CONFLICT, TOO_MANY) or error.status >= INTERNAL
        if passing and self._clock() - series.last_at < WINDOW_S:
            raise Retry(error.retry_after or 0.0) from error
        self.dropped += 1
        self._settle(series)
        if (key.namespace, error.status) not in self._refused:
            self._refused.add((key.namespace, error.status))
            log.warning(
                "dropped the Event %s of %s %s/%s, which cannot be written: %s", key.reason, key.kind, key.namespace, key.name, error
            )

    def _settle(self, series: _Series) -> None:
        series.waiting = False
        self._waiting -= 1

    def _forget_old(self) -> None:
        if len(self._series) < 2 * CAPACITY:
            return
        written = sorted((key for key, series in self._series.items() if not series.waiting), key=lambda key: self._series[key].last_at)
        for key in written[: -CAPACITY // 2]:
            del self._series[key]


def _event(key: _Key, series: _Series, instance: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": key.event_name, "namespace": key.namespace},
        "involvedObject": series.reference,
        "type": key.type,
        "reason": key.reason,
        "message": key.message,
        "count": series.count,
        "firstTimestamp": _text(series.first),
        "lastTimestamp": _text(series.last),
        "source": {"component": OPERATOR},
        "reportingComponent": OPERATOR,
        "reportingInstance": instance,
    }


def _text(time_: datetime) -> str:
    return time_.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
