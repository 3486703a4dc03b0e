"""A few images of a stream, for a picture or a background."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zmq.asyncio

from camstream import names
from camstream.errors import CamstreamError, WireError
from camstream.wire import Decoder
from camstream_gateway.sockets import subscribed

QUEUE_SIZE: Final = 4

Image = npt.NDArray[Any]


class NoFrames(CamstreamError):  # noqa: N818
    """A stream did not send what was expected of it in time."""


async def take(address: str, count: int, timeout_s: float, who: str, use: Callable[[Image], None]) -> None:
    """Read the next images of a stream.

    :param who: of whom they are, for people
    :param use: called with each image, shape (y, x), in a thread
    :raises NoFrames: if fewer come in time; the message says how many
    """
    taken = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for image in _images(address):
                await asyncio.to_thread(use, image)
                taken += 1
                if taken == count:
                    return
    except TimeoutError:
        pass
    raise NoFrames(f"{who} sent {taken} of {count} images within {timeout_s:.0f} s; see that it runs, or ask for fewer")


async def _images(address: str) -> AsyncIterator[Image]:
    decoder = Decoder()
    with subscribed(zmq.asyncio.Context.instance(), address, QUEUE_SIZE) as socket:
        while True:
            frames = await socket.recv_multipart(copy=False)
            try:
                image = decoder.decode([frame.buffer for frame in frames]).values.get(names.IMAGE)
            except WireError:
                continue
            if isinstance(image, np.ndarray) and image.ndim == 2:
                # A copy: what came belongs to the message.
                yield np.array(image)
