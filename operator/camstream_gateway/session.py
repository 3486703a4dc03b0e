"""One viewer of one stream: one WebSocket, at most two frames in flight, always the newest."""

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import Annotated, Final, Literal

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from camstream import names
from camstream_gateway.encoding import Transfer, encode
from camstream_gateway.hub import Hub, StreamFrame
from camstream_gateway.link import Link
from camstream_gateway.memory import MESSAGE, Shelf
from camstream_gateway.objects import Board, StreamKey, public
from camstream_gateway.subscriptions import Subscription

MOST_IN_FLIGHT: Final = 2

STATUS_S: Final = 1.0
"""How often a viewer is told how the stream is, where nothing else happens."""

EXACT: Final = Transfer()


class Request(BaseModel):
    """What a viewer may ask for. Every field by itself; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    ack: int | None = None
    """``seq`` of a frame that was shown: room for another one."""
    busy: Annotated[float, Field(ge=0, le=60)] = 0.0
    """With ``ack``: how long the browser took to show it [s], which is not the link's fault."""
    pause: bool | None = None
    """Send nothing by itself. The frames until now are kept for stepping through them."""
    at: int | None = None
    """With ``pause``: ``seq`` of the frame that is shown."""
    step: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    """While paused: send the frame this many places away."""
    exact: int | None = None
    """Send the frame of this ``seq`` once more, exact."""
    numbers: bool | None = None
    """Leave images out: nobody sees them now."""
    transfer: Literal["auto", "exact", "small"] | None = None
    """How images travel: as the link allows, always exact, or always reduced."""


class Session:
    """Sends to one WebSocket until it closes. A viewer that does not acknowledge gets nothing, and nobody waits for it."""

    def __init__(self, socket: web.WebSocketResponse, key: StreamKey, stream: Subscription, board: Board) -> None:
        self._socket, self._key, self._stream, self._board = socket, key, stream, board
        self._hub: Hub = stream.hub
        self._news = asyncio.Event()
        self._in_flight: deque[tuple[int, float, int]] = deque()
        self._last_ack = 0.0
        self._link = Link()
        self._mode: Literal["auto", "exact", "small"] = "auto"
        self._numbers = False
        self._frozen: Shelf[StreamFrame] | None = None
        self._back = 0
        """How many frames the one that is shown is away from the newest that is kept: the oldest may go."""
        self._asked: tuple[StreamFrame, Transfer | None] | None = None
        self._last_seq = self._hub.received - 1 if self._hub.newest else 0
        self._sent = self._skipped = 0
        self._parameters = ""

    async def run(self) -> None:
        """Return when the viewer is gone."""
        self._hub.listeners.add(self._news)
        tasks = [asyncio.create_task(part) for part in (self._send_frames(), self._tell(), self._listen())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.listeners.discard(self._news)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._unfreeze()
        for task in done:
            # A viewer that closes its page while something is sent to it is no error.
            with contextlib.suppress(ConnectionError):
                task.result()

    async def _send_frames(self) -> None:
        while True:
            self._news.clear()
            asked, chosen = self._asked, self._next()
            if chosen is None:
                await self._news.wait()
                continue
            frame, transfer = chosen
            if not self._hub.memory.take(frame.nbytes, MESSAGE):
                # Tried again as soon as there is room; a newer one may be there then.
                self._hub.memory.wake(self._news)
                self._asked = asked
                if asked is None:
                    self._last_seq = frame.seq - 1
                await self._news.wait()
                continue
            try:
                data = self._encoded(frame, transfer)
                self._in_flight.append((frame.seq, time.monotonic(), len(data)))
                self._sent += 1
                await self._socket.send_bytes(data)
            finally:
                self._hub.memory.give_back(frame.nbytes)

    def _encoded(self, frame: StreamFrame, transfer: Transfer) -> bytes:
        if frame is not self._hub.newest:
            return encode(frame, transfer, image=not self._numbers)
        key = transfer, self._numbers
        data = self._hub.made.get(key)
        if data is None:
            data = encode(frame, transfer, image=not self._numbers)
            self._hub.keep_made(key, data)
        return data

    def _next(self) -> tuple[StreamFrame, Transfer] | None:
        """The frame to send now, if there is one and room for it."""
        if len(self._in_flight) >= MOST_IN_FLIGHT:
            return None
        if self._asked is not None:
            (frame, transfer), self._asked = self._asked, None
            return frame, transfer or self._transfer
        newest = self._hub.newest
        if self._frozen is not None or newest is None or newest.seq <= self._last_seq:
            return None
        self._skipped += newest.seq - self._last_seq - 1
        self._last_seq = newest.seq
        return newest, self._transfer

    @property
    def _transfer(self) -> Transfer:
        return {"exact": EXACT, "small": Transfer(compressed=True, binning=4)}.get(self._mode, self._link.transfer)

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                request = Request.model_validate_json(message.data)
            except ValidationError as error:
                await self._socket.send_json({"type": "error", "message": f"request not understood: {error.error_count()} mistakes"})
                continue
            await self._follow(request)
            self._news.set()

    async def _follow(self, request: Request) -> None:
        if request.ack is not None:
            self._acknowledge(request.ack, request.busy)
        if request.transfer is not None:
            self._mode = request.transfer
        if request.numbers is not None:
            self._numbers = request.numbers
        if request.pause is not None:
            await self._pause(request.pause, request.at)
        if request.step is not None and self._frozen:
            self._back = min(max(min(self._back, len(self._frozen) - 1) - request.step, 0), len(self._frozen) - 1)
            self._asked = self._frozen[-1 - self._back], None
            await self._tell_place()
        if request.exact is not None:
            found = next((frame for frame in self._frozen or self._hub.ring if frame.seq == request.exact), None)
            if found is None:
                await self._socket.send_json({"type": "gone", "seq": request.exact})
            else:
                self._asked = found, EXACT

    def _acknowledge(self, seq: int, busy_s: float) -> None:
        if not self._in_flight or self._in_flight[0][0] != seq:
            return
        _, sent, nbytes = self._in_flight.popleft()
        now = time.monotonic()
        # The second frame in flight waits for the first one, which is not its own time.
        self._link.delivered(nbytes, max(now - max(sent, self._last_ack) - busy_s, 0.0))
        self._last_ack = now

    async def _pause(self, pause: bool, at: int | None) -> None:
        if not pause:
            self._unfreeze()
            self._asked = None
            self._last_seq = self._hub.received - 1 if self._hub.newest else self._last_seq
        else:
            if self._frozen is None:
                self._frozen = Shelf(self._hub.memory, self._hub.ring)
            places = (len(self._frozen) - 1 - i for i, frame in enumerate(self._frozen) if frame.seq == at)
            self._back = next(places, 0)
        await self._tell_place()

    def _unfreeze(self) -> None:
        if self._frozen is not None:
            self._frozen.close()
            self._frozen = None

    async def _tell_place(self) -> None:
        frames = self._frozen
        count = len(frames or ())
        place = {"paused": frames is not None, "position": max(count - self._back, min(count, 1)), "count": count}
        await self._socket.send_json({"type": "place"} | place)

    async def _tell(self) -> None:
        """How the stream is: at every change, and at least once a second."""
        while True:
            await self._socket.send_json(self._status())
            await self._board.wait(STATUS_S)

    def _status(self) -> dict[str, object]:
        now = time.time()
        view = self._board.snapshot.objects.get(self._key)
        newest = self._hub.newest
        status: dict[str, object] = {
            "type": "status",
            "object": public(view, now) if view else None,
            "problems": self._board.snapshot.problems,
            "silentSeconds": None if newest is None else round(max(now - newest.received_at, 0.0), 2),
            "received": self._hub.received,
            "rate": round(self._hub.rate_hz(now), 2),
            "unreadable": self._hub.unreadable,
            "lastError": self._hub.no_room or self._hub.last_error,
            "viewers": self._stream.viewers,
            "sent": self._sent,
            "skipped": self._skipped,
            "inFlight": len(self._in_flight),
        }
        return status | self._new_parameters()

    def _new_parameters(self) -> dict[str, object]:
        """What the pipeline does, whenever it has changed."""
        newest = self._hub.newest
        text = newest.message.values.get(names.PROCESSING_PARAMETERS) if newest else None
        if not isinstance(text, str) or text == self._parameters:
            return {}
        self._parameters = text
        try:
            return {"parameters": json.loads(text)}
        except ValueError:
            return {}
