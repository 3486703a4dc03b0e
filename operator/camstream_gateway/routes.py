"""What the gateway serves: the page, the list of streams, previews, and one WebSocket per viewer."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware

from camstream.spec.fields import OutputMode
from camstream.spec.report import WorkerReport
from camstream.spec.view import ObjectView
from camstream.view import measured
from camstream_gateway.disk import Disk
from camstream_gateway.metrics import PAGE, Metrics
from camstream_gateway.native.application import Native
from camstream_gateway.native.replies import errors_as_json
from camstream_gateway.objects import Board, StreamKey, public
from camstream_gateway.page_files import page_files
from camstream_gateway.reports import REPORT_S, report_of
from camstream_gateway.reviews import RIGHT_S
from camstream_gateway.security import Visit, Withdrawn, guard, set_headers, visit_of, withdrawn
from camstream_gateway.session import Session
from camstream_gateway.store import Unavailable
from camstream_gateway.subscriptions import Subscriptions

log = logging.getLogger(__name__)

MOST_VIEWERS: Final = 64
"""What they hold together is bounded by :class:`camstream_gateway.memory.Memory`; this bounds what they ask for."""

MOST_REQUEST_BYTES: Final = 4096
HEARTBEAT_S: Final = 20.0
"""How soon a viewer that vanished without a word is noticed."""

AGAIN_S: Final = RIGHT_S
"""How often it is asked whether who looks still may: an answer is remembered for at least as long."""

TELL_S: Final = 1.0
OLD_S: Final = 5.0
"""What a worker told so long ago says nothing about how fast its stream runs now."""
PREVIEW_S: Final = 0.4
"""For so long a preview serves everybody who asks."""
PREVIEW_WIDTH: Final = 320

TRY_AGAIN_LATER: Final = 1013
PUSHED: Final = 4001
UNKNOWN: Final = 4004


@dataclass(slots=True, eq=False)
class Preview:
    """The last small picture of one stream."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    until: float = 0.0
    body: bytes = b""
    """Nothing where there is no picture."""
    pulse_id: str = ""
    report: WorkerReport | None = None
    """What its worker told about itself, where nobody else tells how fast the stream runs."""
    reported_at: float = 0.0
    """[s since 1970]"""


class Gateway:
    """The HTTP side of the page. Only reads; what changes streams is in the API beside it."""

    def __init__(self, board: Board, subscriptions: Subscriptions, http: aiohttp.ClientSession, metrics: Metrics, store: Path) -> None:
        """:param store: folder of backgrounds, whose size is told"""
        self._board, self._subscriptions, self._http, self._metrics = board, subscriptions, http, metrics
        self._sockets: set[web.WebSocketResponse] = set()
        self._previews: dict[StreamKey, Preview] = {}
        metrics.watch(lambda: len(self._sockets), Disk(store), subscriptions.memory)

    def application(self, host: str, access: Middleware, native: Native) -> web.Application:
        """
        :param host: where it is served
        :param access: lets in who may look
        :param native: the API that is served beside the page
        """
        app = web.Application(middlewares=[self._metrics.count(PAGE), errors_as_json, guard(host), access])
        app.on_response_prepare.append(set_headers)
        app.on_shutdown.append(self._close)
        app.add_routes(
            [
                web.get("/", self._file("index.html")),
                *(web.get(f"/page/{name}", self._file(name)) for name in page_files()),
                web.get("/favicon.ico", self._file("icon.svg")),
                web.get("/healthz", self._health),
                web.get("/readyz", native.is_ready),
                web.get("/metrics", self._metrics.text),
                web.get("/api/streams", self._list),
                web.get("/api/streams/{kind}/{namespace}/{name}/preview.png", self._preview),
                *native.routes(),
                web.get("/ws/streams", self._watch),
                web.get("/ws/streams/{kind}/{namespace}/{name}", self._look),
            ]
        )
        return app

    def _file(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        file = page_files()[name]

        async def answer(_: web.Request) -> web.Response:
            headers = {"Content-Type": file.content_type, "Cache-Control": "no-cache"}
            return web.Response(body=file.body, headers=headers)

        return answer

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(self._told(), headers={"Cache-Control": "no-store"})

    def _told(self) -> dict[str, object]:
        snapshot, now = self._board.snapshot, time.time()
        streams = [public(self._measured(key, view, now), now) for key, view in snapshot.objects.items()]
        return {"streams": streams, "problems": snapshot.problems}

    def _measured(self, key: StreamKey, view: ObjectView, now: float) -> ObjectView:
        """The view with what its worker told when its picture was last asked for, unless that is long ago."""
        preview = self._previews.get(key)
        if view.rate is not None or preview is None or preview.report is None or now - preview.reported_at > OLD_S:
            return view
        return view.model_copy(update=measured(preview.report, preview.reported_at))

    async def _preview(self, request: web.Request) -> web.Response:
        """The worker's own small picture, asked for at most a few times per second however many look."""
        key = _key(request)
        view = self._board.snapshot.objects.get(key)
        if view is None:
            self._previews.pop(key, None)
            raise web.HTTPNotFound(text=f"there is no stream {'/'.join(key)}\n")
        preview = self._previews.setdefault(key, Preview())
        async with preview.lock:
            if time.monotonic() > preview.until:
                await self._renew(preview, view)
        headers = {"Cache-Control": "no-store", "X-Pulse-Id": preview.pulse_id}
        if not preview.body:
            # Not an error: a browser would complain about one in its console, twice a second.
            return web.Response(status=204, headers=headers)
        return web.Response(body=preview.body, content_type="image/png", headers=headers)

    async def _renew(self, preview: Preview, view: ObjectView) -> None:
        preview.body, address = b"", view.http_address
        if view.rate is None and time.time() - preview.reported_at > TELL_S:
            # Of a cluster's streams: how fast one runs is not in its status.
            preview.report = await report_of(self._http, address, REPORT_S) if address else None
            preview.reported_at = time.time()
        if address is not None:
            # A worker that is down or busy is told about by its state, not by its picture.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self._http.get(f"{address}/preview.png", params={"width": PREVIEW_WIDTH}) as answer:
                    preview.body = await answer.read() if answer.status == 200 else b""
                    preview.pulse_id = answer.headers.get("X-Pulse-Id", "")
        preview.until = time.monotonic() + PREVIEW_S

    async def _watch(self, request: web.Request) -> web.WebSocketResponse:
        """The list of streams, whenever it changes."""
        async with self._opened(request) as socket:
            if socket.closed:
                return socket
            teller = asyncio.create_task(self._tell(socket))
            try:
                async for _ in socket:
                    continue
            finally:
                teller.cancel()
                await asyncio.gather(teller, return_exceptions=True)
        return socket

    async def _tell(self, socket: web.WebSocketResponse) -> None:
        while True:
            await socket.send_json(self._told())
            await self._board.wait(TELL_S)

    async def _look(self, request: web.Request) -> web.WebSocketResponse:
        """One stream, frame by frame."""
        key = _key(request)
        async with self._opened(request) as socket:
            if socket.closed:
                return socket
            view = self._board.snapshot.objects.get(key)
            if view is None:
                await socket.close(code=UNKNOWN, message=b"there is no such stream")
            elif view.mode == OutputMode.PUSH:
                # A PUSH stream gives each message to one reader: to look at it would be to take it away.
                await socket.close(code=PUSHED, message=b"this stream is pushed to its receiver")
            else:
                async with self._subscriptions.look_at(key, view.address) as stream:
                    await Session(socket, key, stream, self._board).run()
        return socket

    @asynccontextmanager
    async def _opened(self, request: web.Request) -> AsyncIterator[web.WebSocketResponse]:
        """A WebSocket that is closed when who asked for it may no longer look; at once, if there are too many."""
        # Deflating frames again would cost more than all the rest; they are compressed already where it pays.
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, compress=False, max_msg_size=MOST_REQUEST_BYTES)
        await socket.prepare(request)
        if len(self._sockets) >= MOST_VIEWERS:
            await socket.close(code=TRY_AGAIN_LATER, message=b"too many viewers")
            yield socket
            return
        self._sockets.add(socket)
        closing = asyncio.Lock()
        watch = asyncio.create_task(_close_when_withdrawn(socket, visit_of(request), closing))
        try:
            yield socket
        finally:
            self._sockets.discard(socket)
            # Who is being told why is told to the end.
            async with closing:
                watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _close(self, _: web.Application) -> None:
        closing = [socket.close(code=aiohttp.WSCloseCode.GOING_AWAY, message=b"the gateway stops") for socket in self._sockets]
        await asyncio.gather(*closing, return_exceptions=True)


async def _close_when_withdrawn(socket: web.WebSocketResponse, visit: Visit, closing: asyncio.Lock) -> None:
    """Nobody goes on looking whose token is revoked or whose right is taken away.

    :param closing: held while the viewer is told
    """
    who, found = visit.person.name or "a viewer", None
    while found is None:
        await asyncio.sleep(AGAIN_S)
        try:
            found = await withdrawn(visit)
        except Unavailable as error:
            # Streams do not end because the API server is away: who was let in stays until it says otherwise.
            log.warning("whether %s may still look is asked again in %g s: %s", who, AGAIN_S, error)
        except Exception:
            log.exception("whether %s may still look cannot be told", who)
            found = Withdrawn(aiohttp.WSCloseCode.INTERNAL_ERROR, "internal error; the log of the gateway has more")
    log.info("%s looks no longer: %s", who, found.reason)
    async with closing:
        await socket.close(code=found.code, message=found.reason.encode())


def _key(request: web.Request) -> StreamKey:
    found = request.match_info
    return StreamKey(found["kind"], found["namespace"], found["name"])
