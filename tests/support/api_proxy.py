"""Between an operator and the API server: sees every request, and answers itself, or not yet, where a test wants a fault."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from api_server import ApiServer, token_of, write_kubeconfig

HOP_BY_HOP = {"transfer-encoding", "connection", "content-encoding", "content-length", "host", "date", "server"}

HOLD_S = 0.05
GONE = 410


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    watch: bool
    selects: bool = False
    """Whether it asks only for objects with certain fields."""

    @property
    def write(self) -> bool:
        """Whether it changes something that is not the lease or the canary."""
        return self.method != "GET" and "/leases" not in self.path and not self.path.endswith("-canary")


@dataclass(frozen=True)
class Refusal:
    """An answer instead of that of the API server."""

    status: int
    message: str = "injected by the test"
    retry_after_s: int | None = None


class Proxy:
    """Serves plain HTTP on a free loopback port.

    :ivar hold: asked again and again before a request goes on; it waits while the answer is yes
    :ivar before: asked before each request; may answer it
    :ivar after: told of each request that the API server has answered, before the operator gets the answer
    :ivar asked: all requests so far
    :ivar refused: those that found the connection cut
    """

    def __init__(self, server: ApiServer) -> None:
        self._server, self._context = server, server.context()
        self.hold: Callable[[Asked], bool] = lambda _: False
        self.before: Callable[[Asked], Refusal | None] = lambda _: None
        self.after: Callable[[Asked], None] = lambda _: None
        self.asked: list[Asked] = []
        self.refused: list[Asked] = []
        self._is_cut = False
        self._age = 0
        self._watches: list[asyncio.BaseTransport] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._main(),), name="proxy")
        self._started = threading.Event()

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break all connections, and all that come, until `mend`."""
        self._is_cut = True
        for watch in self._watches:
            self._loop.call_soon_threadsafe(watch.close)

    def swallow(self) -> None:
        """From now on, nothing comes through the watches that there are, and nobody is told; those that begin later are well."""
        self._age += 1

    def mend(self) -> None:
        self._is_cut = False

    def writes(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.write]

    def kubeconfig(self, file: Path, user: str | None = None) -> Path:
        """:param user: one of those that the API server was started with; default: the one who may do everything"""
        write_kubeconfig(file, self.url, None, token_of(user))
        return file

    async def _main(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)) as session:

            async def handle(request: web.Request) -> web.StreamResponse:
                return await self._handle(session, request)

            app.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._started.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _handle(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.path, "watch" in request.query, "fieldSelector" in request.query)
        body = await request.read()
        self.asked.append(asked)
        if self._is_cut:
            self.refused.append(asked)
            return _break(request)
        while self.hold(asked):
            await asyncio.sleep(HOLD_S)
        if (refusal := self.before(asked)) is not None:
            return _expired(refusal) if asked.watch and refusal.status == GONE else _refused(refusal)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url, context = f"{self._server.url}{request.raw_path}", self._context
        try:
            async with session.request(request.method, url, headers=headers, data=body or None, ssl=context) as answer:
                if asked.watch:
                    return await self._stream(request, answer)
                content = await answer.read()
        except aiohttp.ClientError:
            # As if the connection to the API server itself were gone.
            return _break(request)
        self.after(asked)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return web.Response(status=answer.status, body=content, headers=kept)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        found = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
        await found.prepare(request)
        assert request.transport is not None
        self._watches.append(request.transport)
        age = self._age
        with suppress(aiohttp.ClientError):
            # One end is gone: so is the other, now.
            async for chunk in answer.content.iter_any():
                if age == self._age:
                    await found.write(chunk)
        return found


def _break(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _expired(refusal: Refusal) -> web.Response:
    """The watch begins, and its only event says that it cannot go on from there: the API server has forgotten what came since."""
    event = {"type": "ERROR", "object": _status(refusal) | {"reason": "Expired"}}
    return web.Response(text=json.dumps(event) + "\n", content_type="application/json")


def _status(refusal: Refusal) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "Injected",
        "message": refusal.message,
        "code": refusal.status,
    }


def _refused(refusal: Refusal) -> web.Response:
    headers = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s is not None else {}
    return web.Response(status=refusal.status, text=json.dumps(_status(refusal)), content_type="application/json", headers=headers)


@contextmanager
def running_proxy(server: ApiServer) -> Iterator[Proxy]:
    proxy = Proxy(server)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
