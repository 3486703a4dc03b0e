"""Is the watch alive? What we write must come back through it; silence alone would prove nothing."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, Protocol

from camstream.names import MANAGED_BY, OPERATOR
from camstream_operator.cluster.api import ApiError

log = logging.getLogger(__name__)

CANARY: Final = "camstream-operator-canary"
TOKEN: Final = "token"  # noqa: S105 - the key in the ConfigMap, and no secret
PERIOD_S: Final = 30.0
STALE_S: Final = 180.0
"""A token that has not come back for so long does not come."""
REMEMBERED: Final = 10
"""Tokens of more than `STALE_S`."""


class CanaryClient(Protocol):
    """Server-side apply; raises `ApiError` when it is refused."""

    async def apply(self, path: str, body: dict[str, Any]) -> object: ...


class Canary:
    """Writes a token into a ConfigMap of ours again and again, and waits for each to come back.

    :param namespace: the operator's own, which must be among those that are watched
    :param clock: monotonic time [s]
    """

    def __init__(
        self,
        client: CanaryClient,
        namespace: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client, self._namespace = client, namespace
        self._clock, self._sleep = clock, sleep
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{CANARY}"
        self._sent: dict[str, float] = {}
        self._told: str | None = None
        self.round_trip_s: float | None = None
        """From the last write that came back until it came back [s]."""

    async def run(self) -> NoReturn:
        while True:
            await self._write()
            await self._sleep(PERIOD_S)

    def seen(self, token: str) -> None:
        """The watch has shown ``token``, perhaps one of another process."""
        sent_at = self._sent.get(token)
        if sent_at is None:
            return
        self.round_trip_s = self._clock() - sent_at
        self._sent = {other: at for other, at in self._sent.items() if at > sent_at}

    def stale(self, now: float) -> bool:
        """Whether a token was written that should have come back long ago. Without a write nothing is known of the watch."""
        return any(now - at > STALE_S for at in list(self._sent.values()))

    async def _write(self) -> None:
        token = secrets.token_hex(8)
        # Before the request: the watch may be faster than the answer.
        self._sent[token] = self._clock()
        while len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]
        try:
            await self._client.apply(self._path, self._config_map(token))
        except ApiError as error:
            self._sent.pop(token, None)
            if str(error) != self._told:
                log.warning("cannot write the ConfigMap %s/%s, so the watch is not checked: %s", self._namespace, CANARY, error)
            self._told = str(error)
        else:
            self._told = None

    def _config_map(self, token: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CANARY, "namespace": self._namespace, "labels": {MANAGED_BY: OPERATOR}},
            "data": {TOKEN: token},
        }
