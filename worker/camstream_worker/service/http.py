"""Health, status, metrics and preview over HTTP, in a thread with an event loop of its own."""

import asyncio
import io
import threading
import time
from collections.abc import Callable

from aiohttp import web

from camstream.spec.report import WorkerReport
from camstream_worker.image.preview import preview
from camstream_worker.runtime.runner import Runner
from camstream_worker.service.metrics import Metrics
from camstream_worker.service.report import Rates

PREVIEW_WIDTH = 640
SAMPLE_S = 0.5
MAX_PREVIEW_WIDTH = 4096


class HttpService:
    """``/healthz /readyz /metrics /status /preview.png``. Only reads; it can neither change nor hold up the stream."""

    def __init__(self, runner: Runner, metrics: Metrics, report: Callable[[], WorkerReport], rates: Rates) -> None:
        self._runner, self._metrics, self._report, self._rates = runner, metrics, report, rates
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._stop = asyncio.Event()
        self.port = 0

    def start(self, host: str, port: int) -> None:
        """Listen; returns when it does.

        :raises OSError: if the port cannot be had
        """
        started: threading.Event = threading.Event()
        failure: list[OSError] = []

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            try:
                self._loop.run_until_complete(self._serve(host, port, started))
            except OSError as error:
                failure.append(error)
            finally:
                self._loop.close()
                started.set()

        self._thread = threading.Thread(target=run, name="http", daemon=True)
        self._thread.start()
        started.wait()
        if failure:
            raise failure[0]

    def stop(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(1)

    async def _serve(self, host: str, port: int, started: threading.Event) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics_text),
                web.get("/status", self._status),
                web.get("/preview.png", self._preview),
            ]
        )
        server = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await server.setup()
        try:
            site = web.TCPSite(server, host, port)
            await site.start()
            self.port = server.addresses[0][1]
            started.set()
            while not self._stop.is_set():
                counters = self._runner.counters
                self._rates.sample(time.monotonic(), counters.received, counters.sent)
                try:
                    await asyncio.wait_for(self._stop.wait(), SAMPLE_S)
                except TimeoutError:
                    continue
        finally:
            await server.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        """Alive: the threads of the stream run, or have ended for good. A silent source is no reason to restart a worker."""
        failure = self._runner.failure
        dead = failure is not None and self._report().exit is None
        return web.Response(status=500, text=f"{failure}\n") if dead else web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        """Ready: a client can connect."""
        ready = self._runner.ready.is_set() and not self._runner.finished.is_set()
        return web.Response(text="ok\n") if ready else web.Response(status=503, text="the stream is not open\n")

    async def _metrics_text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), content_type="text/plain", charset="utf-8")

    async def _status(self, _: web.Request) -> web.Response:
        return web.Response(text=self._report().model_dump_json(by_alias=True), content_type="application/json")

    async def _preview(self, request: web.Request) -> web.Response:
        """The newest image as a grey PNG; ``?width=`` [pixel]."""
        image, pulse_id = self._runner.state.image, self._runner.state.last_pulse_id
        if image is None:
            return web.Response(status=503, text="no image has been sent yet\n")
        try:
            width = int(request.query.get("width", PREVIEW_WIDTH))
        except ValueError:
            width = 0
        if not 1 <= width <= MAX_PREVIEW_WIDTH:
            return web.Response(status=400, text=f"width must be a whole number from 1 to {MAX_PREVIEW_WIDTH}\n")
        png = await asyncio.get_running_loop().run_in_executor(None, lambda: _png(preview(image, width)))
        return web.Response(body=png, content_type="image/png", headers={"Cache-Control": "no-store", "X-Pulse-Id": str(pulse_id)})


def _png(grey: object) -> bytes:
    from PIL import Image  # loaded when somebody looks: most workers never need it

    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG", compress_level=1)  # type: ignore[arg-type]
    return out.getvalue()
