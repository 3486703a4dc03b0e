"""Viewers of real streams, through the real gateway."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from gateways import Gateway, Sender, Viewer, gateway, oracle, sender, view
from ports import free_port

CAM = "camera/default/cam"
QUIET_S = 0.3
"""Long enough for what should not come to have come."""


@pytest.fixture
def source() -> Iterator[Sender]:
    with sender() as found:
        yield found


@pytest.fixture
def served(tmp_path: Path, source: Sender) -> Iterator[Gateway]:
    with gateway(tmp_path, view(source.address)) as found:
        yield found


@asynccontextmanager
async def looking(served: Gateway, path: str = CAM, **options: str) -> AsyncIterator[Viewer]:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{served.url}ws/streams/{path}", max_msg_size=0, **options) as socket:  # type: ignore[arg-type]
        yield Viewer(socket)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))  # type: ignore[arg-type]


async def silent(viewer: Viewer) -> None:
    """Nothing but words comes."""
    with pytest.raises(TimeoutError):
        await viewer.frame(QUIET_S)


def test_viewer_gets_the_pixels_that_were_sent(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            pixels = source.image(41)
            received = await viewer.frame()
            assert received.pulse_id == 41
            assert np.array_equal(received.array("image"), pixels)

    run(test)


def test_two_frames_are_in_flight_and_not_one_more(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            for pulse in (1, 2):
                source.image(pulse)
                assert (await viewer.frame()).pulse_id == pulse
            for pulse in range(3, 30):
                source.image(pulse)
            await silent(viewer)
            status = await viewer.text("status")
            assert (status["inFlight"], status["sent"]) == (2, 2)

    run(test)


def test_newest_frame_comes_when_there_is_room(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer, looking(served) as other:
            source.wait_for_reader()
            frames = []
            for pulse in (1, 2):
                source.image(pulse)
                frames.append(await viewer.frame())
            for pulse in range(3, 30):
                source.image(pulse)
                await other.shown(await other.frame())
            await viewer.shown(frames[0])
            assert (await viewer.frame()).pulse_id == 29
            await silent(viewer)
            assert (await viewer.text("status"))["skipped"] == 26

    run(test)


def test_viewer_that_reads_nothing_does_not_slow_another(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served), looking(served) as other:
            source.wait_for_reader()
            for pulse in range(1, 60):
                source.image(pulse, 512, 640)
                received = await other.frame()
                assert received.pulse_id == pulse
                await other.shown(received)

    run(test)


def test_stream_is_read_once_for_all_viewers(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as one, looking(served) as two:
            source.wait_for_reader()
            source.image(5)
            assert [(await viewer.frame()).pulse_id for viewer in (one, two)] == [5, 5]
            assert (await one.text("status"))["viewers"] == 2
            # libzmq tells a publisher of the first subscription of each connection.
            assert not source._socket.poll(int(QUIET_S * 1000))

    run(test)


def test_acknowledgement_of_another_frame_makes_no_room(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            for pulse in (1, 2):
                source.image(pulse)
                await viewer.frame()
            for _ in range(5):
                await viewer.ask(ack=999)
            source.image(3)
            await silent(viewer)

    run(test)


def test_paused_viewer_steps_through_the_frames_until_then(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            for pulse in range(10, 20):
                pixels = source.image(pulse)
                received = await viewer.frame()
                await viewer.shown(received)
            await viewer.ask(pause=True, at=received.header["seq"])
            place = await viewer.text("place")
            assert (place["paused"], place["position"], place["count"]) == (True, 10, 10)
            source.image(20)
            await silent(viewer)
            for step, pulse in ((-1, 18), (-3, 15), (1, 16), (-100, 10), (100, 19)):
                await viewer.ask(step=step)
                received = await viewer.frame()
                assert received.pulse_id == pulse
                assert np.array_equal(received.array("image"), oracle(pulse, *pixels.shape))
                await viewer.shown(received)
            await viewer.ask(pause=False)
            assert (await viewer.frame()).pulse_id == 20

    run(test)


def test_frame_that_came_reduced_can_be_had_exact(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            await viewer.ask(transfer="small")
            await viewer.text("status")
            source.wait_for_reader()
            pixels = source.image(3, 512, 640)
            reduced = await viewer.frame()
            assert reduced.header["image"]["binning"] == 4
            await viewer.shown(reduced)
            await viewer.ask(exact=reduced.header["seq"])
            assert np.array_equal((await viewer.frame()).array("image"), pixels)
            await viewer.ask(exact=12345)
            assert (await viewer.text("gone"))["seq"] == 12345

    run(test)


def test_viewer_that_sees_no_images_gets_none(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            await viewer.ask(numbers=True)
            await viewer.ask(pause=False)
            await viewer.text("place")  # so that the request before it was followed
            source.wait_for_reader()
            source.image(3, intensity=5)
            received = await viewer.frame()
            assert (received.header["image"], received.header["values"]["intensity"]) == (None, 5)

    run(test)


def test_slow_link_gets_less(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            found = []
            for pulse in range(1, 9):
                source.image(pulse, 512, 640)
                received = await viewer.frame()
                found.append(received.part("image")[0]["codec"])
                await asyncio.sleep(0.35)  # what a link of 2 MB/s takes
                await viewer.shown(received)
            assert (found[0], found[-1]) == ("raw", "bslz4")

    run(test)


def test_slow_browser_is_not_taken_for_a_slow_link(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            for pulse in range(1, 9):
                source.image(pulse, 512, 640)
                received = await viewer.frame()
                await asyncio.sleep(0.35)
                await viewer.shown(received, busy=0.35)
            assert received.part("image")[0]["codec"] == "raw"

    run(test)


def test_parameters_of_a_pipeline_are_told_once(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            source.image(1, processing_parameters='{"name": "pipe"}')
            await viewer.frame()
            while "parameters" not in (status := await viewer.text("status")):
                pass
            assert status["parameters"] == {"name": "pipe"}
            assert "parameters" not in await viewer.text("status")

    run(test)


def test_stream_that_moves_is_followed(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            source.image(1)
            await viewer.shown(await viewer.frame())
            with sender() as elsewhere:
                served.show(view(elsewhere.address))
                await asyncio.get_running_loop().run_in_executor(None, elsewhere.wait_for_reader)
                elsewhere.image(2)
                assert (await viewer.frame()).pulse_id == 2

    run(test)


def test_sender_that_comes_back_is_read_again(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            source.image(1)
            await viewer.shown(await viewer.frame())
            source.close()
            with sender(port=int(source.address.rsplit(":", 1)[1])) as again:
                await asyncio.get_running_loop().run_in_executor(None, again.wait_for_reader)
                again.image(2)
                assert (await viewer.frame()).pulse_id == 2

    run(test)


def test_message_that_is_no_bsread_is_counted_and_the_next_one_is_shown(served: Gateway, source: Sender) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            source.wait_for_reader()
            source._socket.send_multipart([b"hello"])
            source.image(2)
            assert (await viewer.frame()).pulse_id == 2
            status = await viewer.text("status")
            assert status["unreadable"] == 1
            assert "not sent by bsread" in status["lastError"]

    run(test)


def test_object_that_is_removed_is_told(served: Gateway) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            assert (await viewer.text("status"))["object"]["name"] == "cam"
            served.show()
            while (await viewer.text("status"))["object"] is not None:
                pass

    run(test)


@pytest.mark.parametrize("request_", ["no json", '{"unknown": 1}', '{"step": 1e9}', "[]"])
def test_request_that_is_not_understood_is_told_and_changes_nothing(served: Gateway, source: Sender, request_: str) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            await viewer.socket.send_str(request_)
            assert "not understood" in (await viewer.text("error"))["message"]
            source.wait_for_reader()
            source.image(2)
            assert (await viewer.frame()).pulse_id == 2

    run(test)


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [("camera/default/other", 4004, "there is no such stream"), ("camera/default/push", 4001, "this stream is pushed to its receiver")],
)
def test_stream_that_cannot_be_shown_is_refused_in_words(served: Gateway, source: Sender, path: str, code: int, reason: str) -> None:
    served.show(view(source.address), view(source.address, "push", mode="Push"))

    async def test() -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{served.url}api/streams") as answer:
                    if len((await answer.json())["streams"]) == 2:
                        break
            async with http.ws_connect(f"{served.url}ws/streams/{path}") as socket:
                message = await socket.receive(10)
                assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, code, reason)

    run(test)


def test_viewers_are_limited(served: Gateway) -> None:
    async def test() -> None:
        async with aiohttp.ClientSession() as http:
            sockets = [await http.ws_connect(f"{served.url}ws/streams") for _ in range(64)]
            for socket in sockets:
                await socket.receive(10)
            refused = await http.ws_connect(f"{served.url}ws/streams")
            assert (await refused.receive(10)).data == 1013
            await sockets[0].close()
            accepted = await http.ws_connect(f"{served.url}ws/streams")
            assert (await accepted.receive(10)).type is aiohttp.WSMsgType.TEXT
            for socket in (*sockets[1:], refused, accepted):
                await socket.close()

    run(test)


def test_stop_ends_viewers_and_leaves_nothing(served: Gateway) -> None:
    async def test() -> None:
        async with looking(served) as viewer:
            await viewer.text("status")
            served.process.terminate()
            while (message := await viewer.socket.receive(10)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert message.data == aiohttp.WSCloseCode.GOING_AWAY

    run(test)
    assert served.process.wait(10) == 0
    assert not re.search(r"ERROR|Traceback|never (retrieved|awaited)", served.log.read_text())


def test_gateway_does_not_outlive_its_parent(served: Gateway) -> None:
    assert served.stop() == 0


def test_port_in_use_has_an_exit_code_of_its_own(served: Gateway, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)ended with 3: .*cannot serve the page at 127\.0\.0\.1"):
        Gateway(tmp_path, port=served.port)


def test_state_of_another_version_is_told(served: Gateway, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"strange": 1}')

    async def test() -> None:
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{served.url}ws/streams") as socket:
            while not (told := await socket.receive_json(timeout=10))["problems"]:
                pass
            assert "another version" in told["problems"][0]
            assert [stream["name"] for stream in told["streams"]] == ["cam"]

    run(test)


def test_supervisor_that_falls_silent_is_told(served: Gateway, tmp_path: Path) -> None:
    os.utime(tmp_path / "state.json", (time.time() - 60,) * 2)

    async def test() -> None:
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{served.url}ws/streams") as socket:
            while not (told := await socket.receive_json(timeout=10))["problems"]:
                pass
            assert "no longer tells" in told["problems"][0]

    run(test)


def test_unused_port_is_free_again_after_the_end(tmp_path: Path) -> None:
    port = free_port()
    for _ in range(2):
        with gateway(tmp_path, port=port) as found:
            assert found.port == port
