"""Which of the replicas leads: a Lease that the leader renews, and that a standby takes over when it stands still.

A clock is only ever compared with itself. A replica cannot know when the holder renewed; it knows when it saw the record change.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Protocol

from camstream_operator.cluster.api import ApiError

log = logging.getLogger(__name__)

LEASE_DURATION_S: Final = 15
"""A standby takes over when the record has not changed for so long."""
RENEW_DEADLINE_S: Final = 10.0
"""The leader stops when it could not renew for so long. What it has on the way has the difference to come to an end."""
RETRY_S: Final = 2.0
"""How often the leader renews."""
STANDBY_S: Final = 1.0
"""How often a standby looks, at most: a released lease is taken over in less than twice that."""
RELEASE_S: Final = 5.0
"""How long giving the lease back may take."""
RELEASED_DURATION_S: Final = 1

NOT_FOUND: Final = 404
CONFLICT: Final = 409
FAILURES: Final = (ApiError, TimeoutError)
"""What a request may end with."""


class LeaseLost(Exception):  # noqa: N818 - a state, and a reason to end
    """The replica does not lead any more; it must not write again."""


class LeaseClient(Protocol):
    """Requests to the API server; each raises `ApiError` when it refuses."""

    async def get(self, path: str) -> dict[str, Any]: ...

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...


class Elector:
    """One candidate for one Lease.

    :param identity: who we are; no other living process may use it. With the name of the pod, a container that is started again
        goes on at once.
    :param clock: monotonic time [s]
    """

    def __init__(
        self,
        client: LeaseClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._namespace, self._name, self.identity = namespace, name, identity
        self._clock, self._sleep = clock, sleep
        self._lease: dict[str, Any] | None = None
        self._exists = False
        self._may_hold = False
        self._changed_at = 0.0
        self._renewed_at: float | None = None
        self._told: str | None = None

    @property
    def transitions(self) -> int:
        """How often the lease went to another holder, as far as it has been seen."""
        return int(self._spec().get("leaseTransitions") or 0)

    @property
    def holder(self) -> str:
        """Who led when we last looked; empty: nobody."""
        return str(self._spec().get("holderIdentity") or "")

    def valid(self) -> bool:
        """Whether we lead, and no other can think so: to be asked before every write."""
        return self._left_s() > 0

    async def acquire(self) -> None:
        """Wait until we lead."""
        while not await self._try_for(RENEW_DEADLINE_S):
            await self._sleep(STANDBY_S * random.uniform(0.8, 1.0))  # noqa: S311 - so that standbys do not ask all at once

    async def renew_forever(self) -> NoReturn:
        """Keep the lease.

        :raises LeaseLost: when it could not be renewed in time, or another holds it
        """
        while True:
            await self._sleep(RETRY_S)
            if self.valid():
                await self._try_for(self._left_s())
            if self.holder != self.identity:
                raise self._lost(f"it is held by {self.holder or 'nobody'} now")
            if not self.valid():
                raise self._lost(f"could not be renewed for {RENEW_DEADLINE_S:g} s: {self._told or 'this process stood still'}")

    async def release(self) -> None:
        """Stop leading, and let a standby take over at once. Leaves the lease of another alone; never raises an `ApiError`."""
        self._renewed_at = None
        if not self._may_hold:
            return
        try:
            async with asyncio.timeout(RELEASE_S):
                await self._give_back()
        except FAILURES as error:
            log.warning("lease %s: cannot give it back, so a standby takes over in %d s: %s", self._label, LEASE_DURATION_S, _words(error))

    async def _give_back(self) -> None:
        while True:
            # Read anew: a request that was given up on its way may have made us the holder, or may do so yet.
            await self._look()
            if self._exists and self.holder == self.identity:
                try:
                    await self._write(holder="", duration_s=RELEASED_DURATION_S)
                except ApiError as error:
                    if error.status != CONFLICT:
                        raise
                    continue
            self._may_hold = False
            return

    async def _try_for(self, seconds: float) -> bool:
        """Take or renew the lease, if that is possible; whether it was."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                taken = await self._take_or_renew()
        except FAILURES as error:
            self._tell(_words(error))
            return False
        self._told = None
        return taken

    async def _take_or_renew(self) -> bool:
        started, renewing = self._clock(), self._renewed_at is not None
        if not renewing:
            await self._look()
        for _ in range(2):
            if self._held_by_another() or (renewing and self.holder != self.identity):
                return False
            self._may_hold = True
            try:
                await self._write(self.identity, LEASE_DURATION_S)
            except ApiError as error:
                if error.status not in (CONFLICT, NOT_FOUND):
                    raise
                # Somebody else wrote: another candidate, or a person who added a label.
                await self._look()
            else:
                # Others count from when they saw our change, which is later than this.
                self._renewed_at = started
                return True
        return False

    def _held_by_another(self) -> bool:
        if self.holder in ("", self.identity):
            return False
        duration_s = max(LEASE_DURATION_S, int(self._spec().get("leaseDurationSeconds") or 0))
        return self._clock() - self._changed_at < duration_s

    async def _look(self) -> None:
        try:
            self._observe(await self._client.get(self._path))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            # Its holder may still think that it leads, and so what was seen of it goes on to count.
            self._exists = False

    async def _write(self, holder: str, duration_s: int) -> None:
        body = self._body(holder, duration_s)
        if self._exists:
            self._observe(await self._client.replace(self._path, body))
        else:
            self._observe(await self._client.create(self._collection, body))

    def _body(self, holder: str, duration_s: int) -> dict[str, Any]:
        """The whole Lease; it carries the resourceVersion that was read, so that of two writers one is refused."""
        before = self._spec()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = holder in ("", before.get("holderIdentity"))
        metadata = self._lease["metadata"] if self._lease and self._exists else {"name": self._name, "namespace": self._namespace}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                **before,
                "holderIdentity": holder,
                "leaseDurationSeconds": duration_s,
                "acquireTime": before.get("acquireTime", now) if same else now,
                "renewTime": now,
                "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if same or not before else 1),
            },
        }

    def _observe(self, lease: dict[str, Any]) -> None:
        if self._lease is None or lease.get("spec") != self._lease.get("spec"):
            self._changed_at = self._clock()
        self._lease, self._exists = lease, True

    def _left_s(self) -> float:
        """For how long we may go on without renewing [s]."""
        return 0.0 if self._renewed_at is None else self._renewed_at + RENEW_DEADLINE_S - self._clock()

    def _spec(self) -> dict[str, Any]:
        return (self._lease or {}).get("spec") or {}

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"

    @property
    def _label(self) -> str:
        return f"{self._namespace}/{self._name}"

    def _lost(self, why: str) -> LeaseLost:
        self._renewed_at = None
        return LeaseLost(f"{self.identity} does not lead any more: lease {self._label}: {why}")

    def _tell(self, words: str) -> None:
        if words != self._told:
            log.warning("lease %s: cannot be taken or renewed, and is tried again: %s", self._label, words)
        self._told = words


def _words(error: Exception) -> str:
    return "the API server did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
