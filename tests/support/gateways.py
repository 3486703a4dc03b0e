"""The real gateway process, told what streams there are, and streams whose every message a test chooses."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt
import zmq
from ports import free_port

from camstream.frame import Timestamp
from camstream.spec.status import ImageStatus, Phase
from camstream.spec.view import STATE_FILE, ObjectView, RunState
from camstream.wire import Compression, Encoder

FAR_FUTURE_S = 3600.0
SUBSCRIBE = b"\x01"
"""What an XPUB socket receives of a reader that wants everything."""


def oracle(pulse_id: int, height: int, width: int, dtype: str = "uint16") -> npt.NDArray[Any]:
    """Pixels that tell their place and their pulse: a wrong order, byte order, type or pulse shows."""
    y, x = np.ogrid[:height, :width]
    return ((7 * x + 13 * y + pulse_id) & (0x3FFF if np.dtype(dtype).itemsize > 1 else 0xFF)).astype(dtype)


class Sender:
    """A PUB stream that sends what it is told, when it is told."""

    def __init__(self, compression: Compression | None = None, port: int | None = None) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.linger = 0
        # Of each reader: otherwise not of one who comes back before it is known that he was gone.
        self._socket.xpub_verbose = True
        self.address = f"tcp://127.0.0.1:{port or free_port()}"
        self._socket.bind(self.address)
        self._encoder = Encoder(compression=compression)

    def wait_for_reader(self, timeout_s: float = 15.0) -> None:
        while True:
            assert self._socket.poll(int(timeout_s * 1000)), "nobody came to read"
            if self._socket.recv() == SUBSCRIBE:
                return

    def send(self, pulse_id: int, values: Mapping[str, Any]) -> None:
        self._socket.send_multipart(self._encoder.encode(values, pulse_id, Timestamp.from_seconds(time.time())))

    def image(self, pulse_id: int, height: int = 48, width: int = 64, dtype: str = "uint16", **more: Any) -> npt.NDArray[Any]:
        """Send the oracle's image of a pulse, and other channels."""
        pixels = oracle(pulse_id, height, width, dtype)
        self.send(pulse_id, {"image": pixels, "width": width, "height": height} | more)
        return pixels

    def close(self) -> None:
        self._socket.close(0)
        self._context.term()


@contextmanager
def sender(compression: Compression | None = None, port: int | None = None) -> Iterator[Sender]:
    found = Sender(compression, port)
    try:
        yield found
    finally:
        found.close()


def view(address: str | None, name: str = "cam", **changes: Any) -> ObjectView:
    """A running camera."""
    running = ObjectView(
        kind="Camera",
        name=name,
        namespace="default",
        external_name=name,
        phase=Phase.RUNNING,
        address=address,
        mode="Pub",
        unit="px",
        rate=10.0,
        image=ImageStatus(width=64, height=48, pixel_type="uint16"),
        drops=0,
    )
    return running.model_copy(update=changes)


class Gateway:
    """One `camstream_gateway.app` and the state file that it reads."""

    def __init__(self, folder: Path, *views: ObjectView, port: int = 0, options: Sequence[str] = ()) -> None:
        self._file, self._options = folder / STATE_FILE, options
        self.log = folder / "gateway.log"
        self.show(*views)
        self.start(port)

    def start(self, port: int = 0) -> None:
        with self.log.open("ab") as log:
            command = [
                sys.executable,
                "-m",
                "camstream_gateway.app",
                "--run",
                str(self._file.parent),
                "--page-port",
                str(port),
                "--exit-with-stdin",
                *self._options,
            ]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = json.loads(line)["doors"].get("page", "") if line else ""
        assert self.url, f"the gateway ended with {self.stop()}: {self.log.read_text()}"

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rsplit(":", 1)[1])

    def show(self, *views: ObjectView, problems: tuple[str, ...] = ()) -> None:
        """Tell it what runs from now on."""
        state = RunState(pid=os.getpid(), started_at=time.time(), paths=[], problems=list(problems), objects=list(views))
        fresh = self._file.with_suffix(".new")
        fresh.write_text(state.model_dump_json(by_alias=True))
        # A file of the future is never old: here nobody writes it again and again as `camstream run` does.
        os.utime(fresh, (time.time() + FAR_FUTURE_S,) * 2)
        fresh.replace(self._file)

    def stop(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


@contextmanager
def gateway(folder: Path, *views: ObjectView, port: int = 0, options: Sequence[str] = ()) -> Iterator[Gateway]:
    """:param options: more words of its command line"""
    found = Gateway(folder, *views, port=port, options=options)
    try:
        yield found
    finally:
        found.stop()


class Viewer:
    """What a page does, without a browser: it reads, and acknowledges when told to."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.status: dict[str, Any] = {}
        self.texts: list[dict[str, Any]] = []

    async def frame(self, timeout_s: float = 15.0) -> "Received":
        """The next frame; what is told in between is kept."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.socket.receive()
                assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
                if message.type is aiohttp.WSMsgType.BINARY:
                    return Received(message.data)
                self._keep(json.loads(message.data))

    async def text(self, kind: str, timeout_s: float = 15.0) -> dict[str, Any]:
        """The next message of a kind; a frame before it is an error."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, message.type
                told = json.loads(message.data)
                self._keep(told)
                if told["type"] == kind:
                    return told

    def _keep(self, told: dict[str, Any]) -> None:
        self.texts.append(told)
        if told["type"] == "status":
            self.status = told

    async def ask(self, **request: Any) -> None:
        await self.socket.send_json(request)

    async def shown(self, received: "Received", busy: float = 0.0) -> None:
        await self.ask(ack=received.header["seq"], busy=busy)


class Received:
    """One binary message, taken apart."""

    def __init__(self, data: bytes) -> None:
        length = int.from_bytes(data[:4], "little")
        self.header: dict[str, Any] = json.loads(data[4 : 4 + length])
        self._data, self._base = data, 4 + length
        self.nbytes = len(data)

    @property
    def pulse_id(self) -> int:
        return int(self.header["pulse"])

    def part(self, name: str) -> tuple[dict[str, Any], bytes]:
        entry = next(entry for entry in self.header["parts"] if entry["name"] == name)
        start = self._base + entry["offset"]
        assert start % 8 == 0
        return entry, self._data[start : start + entry["bytes"]]

    def array(self, name: str) -> npt.NDArray[Any]:
        entry, data = self.part(name)
        assert entry["codec"] == "raw"
        return np.frombuffer(data, entry["dtype"]).reshape(entry["shape"])
