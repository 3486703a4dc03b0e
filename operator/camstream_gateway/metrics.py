"""Prometheus metrics of the gateway: requests and how long they waited, viewers, and how full the store of backgrounds is."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from camstream import __version__

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
        ProcessCollector(namespace=PREFIX, registry=self.registry)

    def watch(self, viewers: Callable[[], int], store: Path | None = None) -> None:
        """Add the numbers that are looked up when they are asked for.

        :param viewers: how many there are
        :param store: the folder of backgrounds
        """
        self.registry.register(_Figures(viewers, store))

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
        return web.Response(body=generate_latest(self.registry), content_type="text/plain", charset="utf-8")


def _route(request: web.Request) -> str:
    """The first words of the path as it is registered, and never as it is asked for: whoever scans for holes must not make series."""
    resource = request.match_info.route.resource
    if resource is None:
        return OTHER
    fixed = [part for part in resource.canonical.split("/")[1:] if not part.startswith("{")]
    return "/" + "/".join(fixed[:1] if fixed[0] == "page" else fixed)


def _size(file: Path) -> int | None:
    """Of a file [bytes]; None where it is a folder, or has been taken away meanwhile."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


class _Figures:
    def __init__(self, viewers: Callable[[], int], store: Path | None) -> None:
        self._viewers, self._store = viewers, store

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(f"{PREFIX}_viewers", "Viewers that are connected", self._viewers())
        yield from self._of_the_store()
        info = GaugeMetricFamily(f"{PREFIX}_build_info", "Always 1", labels=["version"])
        info.add_metric([__version__], 1)
        yield info

    def _of_the_store(self) -> Iterator[Metric]:
        if self._store is None or not self._store.is_dir():
            # Nothing has been collected yet.
            return
        disk = os.statvfs(self._store)
        files = [size for file in self._store.iterdir() if (size := _size(file)) is not None]
        for name, text, number in (
            ("store_free_bytes", "Room that is left where backgrounds are stored", disk.f_bavail * disk.f_frsize),
            ("store_size_bytes", "Size of the disk where backgrounds are stored", disk.f_blocks * disk.f_frsize),
            ("store_used_bytes", "Size of all stored backgrounds", sum(files)),
            ("store_files", "Backgrounds that are stored", len(files)),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, number)
