"""The gateway keeps to its limit of memory, whatever people look at, pause and upload."""

import asyncio
import re
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import aiohttp
from gateways import Viewer, gateway, sender, view

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
