"""The gateway keeps to its limit of memory, whatever people look at, pause and upload."""

import asyncio
import re
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from gateways import Viewer, gateway, sender, view

from camstream_gateway.memory import MESSAGE, UPLOAD, Memory
from camstream_gateway.objects import Board, StreamKey
from camstream_gateway.session import Session
from camstream_gateway.subscriptions import Subscriptions

LIMIT = 256 << 20
STREAMS = 4
HEIGHT, WIDTH = 1600, 1800
"""5.5 MiB: the frames of all streams together are more than the limit."""
FRAMES = 20


def peak_bytes(pid: int) -> int:
    """Most memory that a process has had so far."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found
    return int(found[1]) << 10


def test_viewers_of_several_large_streams_that_pause_stay_below_the_limit_and_all_see_frames(tmp_path: Path) -> None:
    with ExitStack() as stack:
        sources = [stack.enter_context(sender()) for _ in range(STREAMS)]
        views = [view(source.address, f"cam{i}") for i, source in enumerate(sources)]
        served = stack.enter_context(gateway(tmp_path, *views, options=("--memory-limit", str(LIMIT))))

        async def test() -> None:
            async with AsyncExitStack() as sockets:
                http = await sockets.enter_async_context(aiohttp.ClientSession())
                viewers = []
                for i in range(2 * STREAMS):
                    path = f"{served.url}ws/streams/camera/default/cam{i % STREAMS}"
                    viewers.append(Viewer(await sockets.enter_async_context(http.ws_connect(path, max_msg_size=0))))
                for source in sources:
                    await asyncio.to_thread(source.wait_for_reader)
                for pulse in range(1, FRAMES + 1):
                    for source in sources:
                        source.image(pulse, HEIGHT, WIDTH)
                    for viewer in viewers if pulse <= FRAMES // 2 else viewers[:STREAMS]:
                        received = await viewer.frame(60)
                        assert received.pulse_id == pulse
                        await viewer.shown(received)
                    if pulse == FRAMES // 2:
                        for viewer in viewers[STREAMS:]:
                            await viewer.ask(pause=True, at=pulse)
                            place = await viewer.text("place", 60)
                            assert 1 <= place["position"] == place["count"] <= pulse
                # What was paused is there still, at least the frame that was shown last.
                for viewer in viewers[STREAMS:]:
                    await viewer.ask(step=-1)
                    assert (await viewer.frame(60)).pulse_id <= FRAMES // 2

        asyncio.run(asyncio.wait_for(test(), 240))
        assert STREAMS * FRAMES * HEIGHT * WIDTH * 2 > LIMIT
        assert peak_bytes(served.process.pid) < LIMIT


def test_frame_for_which_there_was_no_room_is_sent_as_soon_as_there_is_some() -> None:
    """Also when no other one follows."""
    key, frame_bytes = StreamKey("camera", "default", "cam"), 2 * 100 * 100
    memory = Memory(1 << 20)
    # One that is kept and two that may wait fit, and not the message besides.
    taken = memory.most - int(3.5 * frame_bytes)

    async def test() -> None:
        subscriptions = Subscriptions(memory)

        async def look(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async with subscriptions.look_at(key, source.address) as stream:
                await Session(socket, key, stream, Board()).run()
            return socket

        app = web.Application()
        app.router.add_get("/", look)
        async with TestServer(app) as server, aiohttp.ClientSession() as http, http.ws_connect(server.make_url("/")) as socket:
            await asyncio.to_thread(source.wait_for_reader)
            assert memory.take(taken, UPLOAD)
            source.image(1, 100, 100)
            viewer = Viewer(socket)
            while not memory.refused[MESSAGE]:
                await viewer.text("status")
            memory.give_back(taken)
            assert (await viewer.frame()).pulse_id == 1
            while viewer.status["sent"] != 1:
                await viewer.text("status")
            assert viewer.status["skipped"] == 0
        await subscriptions.close()

    with sender() as source:
        asyncio.run(asyncio.wait_for(test(), 60))
