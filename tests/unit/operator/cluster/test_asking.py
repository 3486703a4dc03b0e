"""What the operator hears of a worker that answers in some other way than the usual one."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from pod_workers import report_of

from camstream.spec.key import Key
from camstream.spec.report import WorkerReport
from camstream_operator.cluster.reports import MAX_BYTES, SILENT_S, START_S, Reports

CAMERA: dict[str, Any] = {"metadata": {"name": "gun", "namespace": "default"}, "spec": {"source": {"simulation": {}}}}
KEY = Key("Camera", "default", "gun")
BODY = report_of(CAMERA).model_dump_json(by_alias=True).encode()

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def worker(answer: Answer) -> AsyncIterator[str]:
    """Its URL."""
    app = web.Application()
    app.add_routes([web.get("/status", answer), web.get("/elsewhere", plain)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/status"
    finally:
        await runner.cleanup()


async def plain(_: web.Request) -> web.Response:
    return web.Response(body=BODY)


def ask(answer: Answer, answered: bool = False, waited_s: float = 0.0) -> tuple[WorkerReport | None, bool]:
    """What the operator knows of a worker once it has asked it, and whether it takes it for silent.

    :param answered: whether it was known to have answered somebody else
    :param waited_s: for how long the operator has known of it [s]
    """

    async def run() -> tuple[WorkerReport | None, bool]:
        done = asyncio.Event()
        number = 0
        later_s = 0.0

        async def counted(request: web.Request) -> web.StreamResponse:
            nonlocal number
            number += 1
            if number == 3:
                # The answers before have been read.
                done.set()
            return await answer(request)

        async with worker(counted) as url:
            reports = Reports(lambda _: done.set(), clock=lambda: time.monotonic() + later_s)
            reports.watch("uid", KEY, url, answered)
            later_s = waited_s
            asking = asyncio.create_task(reports.run())
            try:
                await asyncio.wait_for(done.wait(), 30)
                return reports.of("uid"), reports.silent("uid")
            finally:
                asking.cancel()
                await asyncio.wait([asking])

    return asyncio.run(run())


def asked(answer: Answer) -> WorkerReport | None:
    return ask(answer)[0]


def test_report_in_several_pieces_is_read_to_its_end() -> None:
    async def in_pieces(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(len(BODY))})
        await answer.prepare(request)
        for start in range(0, len(BODY), 100):
            await answer.write(BODY[start : start + 100])
            # As from a network: each piece is there alone.
            await asyncio.sleep(0.001)
        return answer

    assert asked(in_pieces) == report_of(CAMERA)


def test_report_of_a_newer_worker_is_understood() -> None:
    newer = json.loads(BODY)
    newer |= {"shine": 7, "input": newer["input"] | {"colour": "red"}}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(newer)

    assert asked(answer) == report_of(CAMERA)


@pytest.mark.parametrize("length", [MAX_BYTES + 1, 64 * MAX_BYTES])
def test_report_that_is_too_long_is_none(length: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=BODY + b" " * length)

    assert asked(answer) is None


def test_report_does_not_lead_elsewhere() -> None:
    async def answer(_: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    assert asked(answer) is None


@pytest.mark.parametrize("body", ["", "{}", "[]", "no JSON", "\xff"])
def test_what_is_no_report_is_none(body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body.encode("latin-1"))

    assert asked(answer) is None


@pytest.mark.parametrize(("answered", "waited_s", "silent"), [(True, SILENT_S, True), (False, SILENT_S, False), (False, START_S, True)])
def test_worker_that_has_answered_the_operator_before_is_not_given_the_time_of_a_start(
    answered: bool, waited_s: float, silent: bool
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=503)

    assert ask(refuse, answered, waited_s) == (None, silent)
