"""Prometheus metrics of the gateway: requests and how long they waited, viewers, and how full the store of backgrounds is."""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from camstream import __version__
from camstream_gateway.disk import WRITES, Disk
from camstream_gateway.memory import USES, Memory

PREFIX: Final = "camstream_gateway"
WAIT_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
OTHER: Final = "other"

PAGE, CAMERAS, PIPELINES = DOORS = ("page", "cameras", "pipelines")
"""What is served, each at a port of its own."""


class Metrics:
    """All metrics of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(f"{PREFIX}_requests_total", "Requests answered", ["door", "route", "code"], registry=self.registry)
        self._waits = Histogram(
            f"{PREFIX}_request_seconds",
            "Time that a request waited for its answer; those that go on as a WebSocket are not counted",
            ["door", "route"],
            buckets=WAIT_BUCKETS,
            registry=self.registry,
        )
        self._writes = Counter(
            f"{PREFIX}_store_writes_total", "Backgrounds that were to be stored, by how that ended", ["result"], registry=self.registry
        )
        # All from zero, so that the first one is seen as an increase.
        for result in WRITES:
            self._writes.labels(result)
        ProcessCollector(namespace=PREFIX, registry=self.registry)
        self._disk: Disk | None = None

    def watch(self, viewers: Callable[[], int], disk: Disk, memory: Memory) -> None:
        """Add the numbers that are looked up when they are asked for.

        :param viewers: how many there are
        :param disk: of the backgrounds
        :param memory: of frames, messages and uploads
        """
        self._disk = disk
        self.registry.register(_Figures(viewers, disk, memory))

    def wrote(self, result: str) -> None:
        """A background was to be stored, and that has ended so: one of :data:`WRITES`."""
        self._writes.labels(result).inc()

    def count(self, door: str) -> Middleware:
        """A middleware around every request.

        :param door: what is served at this port: ``page``, ``cameras``, ``pipelines``
        """

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            started, route, code = time.monotonic(), _route(request), HTTPStatus.INTERNAL_SERVER_ERROR.value
            try:
                response = await handler(request)
                code = response.status
            except web.HTTPException as error:
                code = error.status
                raise
            finally:
                self._requests.labels(door, route, str(code)).inc()
                if code != HTTPStatus.SWITCHING_PROTOCOLS:
                    self._waits.labels(door, route).observe(time.monotonic() - started)
            return response

        return middleware

    async def text(self, _: web.Request) -> web.Response:
        """``/metrics``"""
        if self._disk is not None:
            await self._disk.refresh()
        return web.Response(body=generate_latest(self.registry), content_type="text/plain", charset="utf-8")


def _route(request: web.Request) -> str:
    """The first words of the path as it is registered, and never as it is asked for: whoever scans for holes must not make series."""
    resource = request.match_info.route.resource
    if resource is None:
        return OTHER
    fixed = [part for part in resource.canonical.split("/")[1:] if not part.startswith("{")]
    return "/" + "/".join(fixed[:1] if fixed[0] == "page" else fixed)


class _Figures:
    def __init__(self, viewers: Callable[[], int], disk: Disk, memory: Memory) -> None:
        self._viewers, self._disk, self._memory = viewers, disk, memory

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(f"{PREFIX}_viewers", "Viewers that are connected", self._viewers())
        held, most = self._memory.used, self._memory.most
        yield GaugeMetricFamily(f"{PREFIX}_held_bytes", "Memory that frames, messages on their way and uploads take", held)
        yield GaugeMetricFamily(f"{PREFIX}_held_most_bytes", "Memory that they may take: half of the limit", most)
        refused = CounterMetricFamily(f"{PREFIX}_no_room", "Frames, messages and uploads for which there was no memory", labels=["what"])
        for use in USES:
            refused.add_metric([use], self._memory.refused[use])
        yield refused
        yield GaugeMetricFamily(
            f"{PREFIX}_store_answers", "1 while the disk of the backgrounds can be looked at, and answers in time", int(self._disk.answers)
        )
        yield from self._of_the_store()
        info = GaugeMetricFamily(f"{PREFIX}_build_info", "Always 1", labels=["version"])
        info.add_metric([__version__], 1)
        yield info

    def _of_the_store(self) -> Iterator[Metric]:
        room = self._disk.room
        if room is None:
            return
        for name, text, number in (
            ("store_free_bytes", "Room that is left where backgrounds are stored", room.free_bytes),
            ("store_size_bytes", "Size of the disk where backgrounds are stored", room.size_bytes),
            ("store_used_bytes", "Size of all stored backgrounds", room.used_bytes),
            ("store_files", "Backgrounds that are stored", room.files),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, number)
