"""``/healthz /readyz /metrics``, in a thread of its own: it has an answer even while the operator's event loop has none."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

log = logging.getLogger(__name__)

BEAT_S: Final = 0.5
BLOCKED_S: Final = 20.0
"""An event loop that has been busy with one thing for so long does not recover, and meanwhile the lease is lost."""

Check = Callable[[], str | None]
"""None when all is well, or the words of what is not. Called from another thread; it must only read."""


class Health:
    """What the probes ask. `live`: restart me if one of these has something to say; `ready`: I do not do my work while one has."""

    def __init__(self) -> None:
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}

    def set_live(self, name: str, check: Check) -> None:
        self._live[name] = check

    def set_ready(self, name: str, check: Check) -> None:
        self._ready[name] = check

    def why_not_live(self) -> list[str]:
        return _answers(self._live)

    def why_not_ready(self) -> list[str]:
        return _answers(self._ready)


class Heartbeat:
    """Runs in the event loop that it watches.

    :param lag: told how much later than asked for the loop woke up [s]
    :param clock: monotonic time [s]
    """

    def __init__(self, lag: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._lag, self._clock = lag, clock
        self._last: float | None = None

    async def run(self) -> NoReturn:
        while True:
            self._last = started = self._clock()
            await asyncio.sleep(BEAT_S)
            self._lag(max(0.0, self._clock() - started - BEAT_S))

    def check(self) -> str | None:
        """Says whether the loop is blocked."""
        if self._last is None or (silent_s := self._clock() - self._last) < BLOCKED_S:
            return None
        return f"the event loop has been blocked for {silent_s:.0f} s"


class HealthServer:
    """Answers the probes and Prometheus."""

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self._health, self._registry = health, registry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._said: dict[str, str] = {}
        self.port = 0

    def start(self, host: str | None, port: int) -> None:
        """Listen; returns when it does.

        :param host: None: every address of this machine, IPv4 and IPv6
        :raises OSError: if the port cannot be had
        """
        started = threading.Event()
        failure: list[OSError] = []

        def run() -> None:
            try:
                asyncio.run(self._serve(host, port, started))
            except OSError as error:
                failure.append(error)
            finally:
                started.set()

        self._thread = threading.Thread(target=run, name="health", daemon=True)
        self._thread.start()
        started.wait()
        if failure:
            raise failure[0]

    def stop(self) -> None:
        if self._thread is not None and self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(1)

    async def _serve(self, host: str | None, port: int, started: threading.Event) -> None:
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)])
        server = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await server.setup()
        try:
            await web.TCPSite(server, host, port).start()
            self.port, self._loop = server.addresses[0][1], asyncio.get_running_loop()
            started.set()
            await self._stop.wait()
        finally:
            await server.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return self._answer("live", self._health.why_not_live(), 500)

    async def _readyz(self, _: web.Request) -> web.Response:
        return self._answer("ready", self._health.why_not_ready(), 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    def _answer(self, question: str, problems: list[str], status: int) -> web.Response:
        text = "; ".join(problems)
        if text != self._said.get(question, ""):
            # The kubelet does not tell what it was answered.
            if text:
                log.warning("not %s: %s", question, text)
            else:
                log.info("%s again", question)
        self._said[question] = text
        return web.Response(status=status, text=f"{text}\n") if problems else web.Response(text="ok\n")


def _answers(checks: Mapping[str, Check]) -> list[str]:
    # A copy, because the operator may add a check meanwhile.
    return [f"{name}: {answer}" for name, check in dict(checks).items() if (answer := check()) is not None]
