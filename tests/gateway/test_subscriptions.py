"""Streams that are looked at are read for as long as somebody looks, whatever happens to who reads them."""

import asyncio

import pytest
from gateways import sender, view

from camstream_gateway.memory import Memory
from camstream_gateway.objects import Snapshot, StreamKey
from camstream_gateway.subscriptions import Subscriptions

KEY = StreamKey("camera", "default", "cam")


class Broken(asyncio.Event):
    """Takes whoever sets it down."""

    def set(self) -> None:
        raise RuntimeError("out of the blue")


@pytest.mark.allow_errors
def test_stream_whose_reader_died_is_read_again_with_the_next_news() -> None:
    async def run() -> None:
        subscriptions, broken, came = Subscriptions(Memory()), Broken(), asyncio.Event()
        with sender() as found:
            async with subscriptions.look_at(KEY, found.address) as stream:
                await asyncio.to_thread(found.wait_for_reader)
                stream.hub.listeners.add(broken)
                found.image(1)
                assert stream.task is not None
                await asyncio.wait([stream.task], timeout=15)
                stream.hub.listeners.remove(broken)
                assert stream.hub.last_error == f"{found.address} is not read any more: RuntimeError: out of the blue"
                subscriptions.follow(Snapshot({KEY: view(found.address)}))
                await asyncio.to_thread(found.wait_for_reader)
                stream.hub.listeners.add(came)
                found.image(2)
                await asyncio.wait_for(came.wait(), 15)
            await subscriptions.close()

    asyncio.run(run())
