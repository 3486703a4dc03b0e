"""What the operator hears from a worker in a pod: here, a thread on another loopback address."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from camstream.names import HTTP_PORT
from camstream.resolve import Addresses, resolve
from camstream.spec import Camera
from camstream.spec.report import ConfigReport, InputReport, WorkerReport
from camstream.spec.status import ImageStatus, Phase, StreamStatus
from camstream_operator.build.children import place_of
from camstream_operator.settings import Settings


@contextmanager
def running_worker(address: str, report: dict[str, WorkerReport]) -> Iterator[None]:
    """What answers at a pod's address.

    :param report: with the key ``now``
    """
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def status(_: web.Request) -> web.Response:
        return web.Response(text=report["now"].model_dump_json(by_alias=True), content_type="application/json")

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/status", status)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, HTTP_PORT).start()
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def report_of(camera: dict[str, Any]) -> WorkerReport:
    """Of a worker that runs with the newest configuration."""
    thing = Camera.model_validate(camera)
    digest = resolve(thing, {}, place_of(thing, Settings(worker_image="worker")), Addresses(str, str), None).digest()
    return WorkerReport(
        kind="Camera",
        name=thing.name,
        external_name=thing.external_name,
        pid=1,
        started_at=0,
        phase=Phase.RUNNING,
        config=ConfigReport(applied_hash=digest, applied_at=0),
        stream=StreamStatus(address="tcp://*:9999", mode="Pub"),
        image=ImageStatus(width=640, height=480, pixel_type="uint16"),
        input=InputReport(address="simulation", connected=True),
        clients=2,
    )


def running_pod(address: str, started: bool = True) -> dict[str, Any]:
    """What the kubelet tells of a pod whose worker runs.

    :param started: whether that has answered its startup probe
    """
    told = {"name": "worker", "image": "x", "imageID": "", "ready": True, "started": started, "restartCount": 0, "state": {"running": {}}}
    return {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "containerStatuses": [told]}
