"""From the camera's timestamp to the message in the hand of the client, through the default analysis, on a chain that is mostly idle.

Beside it runs what somebody writes without camstream: psi-bsread's sender and receiver, numpy and curve_fit, as three processes, too. Both
chains send the image on, and neither has anything to wait for but the machine. The limit runs in the same loop: three processes that do
nothing but hand the same number of bytes on, by plain sockets. Where these two hops take longer than 4 ms, no chain over TCP takes less.
"""

import multiprocessing
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import baseline
import bsread
import numpy as np
from bench_streams import chain, check, client
from harness import SIZES, Measurement, beam
from ports import free_port

SIZE, RATE_HZ = "1280x1024", 25.0

Ages = Callable[[float], list[float]]
"""Ages of the messages of so many seconds [s]."""


def _plain_camera(port: int, shape: tuple[int, int], rate_hz: float) -> None:
    sender = bsread.Sender(address="tcp://127.0.0.1", port=port, mode=bsread.PUB, queue_size=10)
    sender.open()
    height, width = shape
    values = {"width": width, "height": height, "timestamp": 1.5, "image": beam(shape)}
    values |= {"x_axis": np.arange(width, dtype=np.float32), "y_axis": np.arange(height, dtype=np.float32)}
    start = time.monotonic()
    for i in range(1, 1_000_000):
        time.sleep(max(start + i / rate_hz - time.monotonic(), 0))
        sender.send(data=values, pulse_id=i, timestamp=divmod(time.time_ns(), 1_000_000_000))


def _plain_pipeline(port: int, out: int) -> None:
    sender = bsread.Sender(address="tcp://127.0.0.1", port=out, mode=bsread.PUB, queue_size=10)
    sender.open()
    with bsread.Source(host="127.0.0.1", port=port, mode=bsread.SUB, queue_size=10) as source:
        while True:
            message = source.receive().data
            values = {name: channel.value for name, channel in message.data.items()}
            values |= baseline.analyse(values["image"], values["x_axis"].astype(float), values["y_axis"].astype(float))
            timestamp = message.global_timestamp, message.global_timestamp_offset
            sender.send(data=values, pulse_id=message.pulse_id, timestamp=timestamp)


@contextmanager
def plain_chain(shape: tuple[int, int], rate_hz: float) -> Iterator[Ages]:
    """What a user would write."""
    spawn, ports = multiprocessing.get_context("spawn"), (free_port(), free_port())
    processes = [
        spawn.Process(target=_plain_camera, args=(ports[0], shape, rate_hz), daemon=True),
        spawn.Process(target=_plain_pipeline, args=ports, daemon=True),
    ]
    for process in processes:
        process.start()
    try:
        with bsread.Source(host="127.0.0.1", port=ports[1], mode=bsread.SUB, queue_size=10, receive_timeout=60_000) as source:
            found = source.receive().data.data["x_fit_mean"].value
            if not abs(found - 0.47 * shape[1]) < 1:
                raise RuntimeError(f"wrong result: the fit of the plain chain is at {found}, the beam at {0.47 * shape[1]}")

            def ages(seconds: float) -> list[float]:
                end, found = time.perf_counter() + seconds, []
                while time.perf_counter() < end:
                    message = source.receive().data
                    found.append(time.time() - message.global_timestamp - message.global_timestamp_offset * 1e-9)
                return found

            yield ages
    finally:
        for process in processes:
            process.kill()


STAMP = struct.Struct("d")
"""When it was sent, before the bytes of the image."""


def _bare_receiver(port: int) -> tuple[socket.socket, socket.socket]:
    listener = socket.create_server(("127.0.0.1", port))
    return listener, listener.accept()[0]


def _bare_sender(port: int) -> socket.socket:
    while True:
        try:
            sender = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sender


def _fill(receiver: socket.socket, message: bytearray) -> None:
    view, done = memoryview(message), 0
    while done < len(message):
        count = receiver.recv_into(view[done:], 0, socket.MSG_WAITALL)
        if not count:
            raise SystemExit
        done += count


def _bare_camera(port: int, size: int, rate_hz: float) -> None:
    sender, image = _bare_sender(port), np.zeros(size, np.uint8)
    image[:] = 1  # pages of its own
    start = time.monotonic()
    for i in range(1, 1_000_000):
        time.sleep(max(start + i / rate_hz - time.monotonic(), 0))
        sender.sendall(STAMP.pack(time.time()))
        sender.sendall(image)


def _bare_pipeline(port: int, out: int, size: int) -> None:
    _, receiver = _bare_receiver(port)
    sender, message = _bare_sender(out), bytearray(STAMP.size + size)
    while True:
        _fill(receiver, message)
        sender.sendall(message)


@contextmanager
def bare_chain(shape: tuple[int, int], rate_hz: float) -> Iterator[Ages]:
    """Two hops of as many bytes as an image has, and nothing else."""
    spawn, ports = multiprocessing.get_context("spawn"), (free_port(), free_port())
    size = 2 * shape[0] * shape[1]
    processes = [
        spawn.Process(target=_bare_camera, args=(ports[0], size, rate_hz), daemon=True),
        spawn.Process(target=_bare_pipeline, args=(*ports, size), daemon=True),
    ]
    for process in processes:
        process.start()
    try:
        listener, receiver = _bare_receiver(ports[1])
        with listener, receiver:
            message = bytearray(STAMP.size + size)

            def ages(seconds: float) -> list[float]:
                end, found = time.perf_counter() + seconds, []
                while time.perf_counter() < end:
                    _fill(receiver, message)
                    found.append(time.time() - STAMP.unpack_from(message)[0])
                return found

            yield ages
    finally:
        for process in processes:
            process.kill()


@contextmanager
def our_chain(size: str, rate_hz: float) -> Iterator[Ages]:
    with chain(size, rate_hz) as (_, pipe), client(pipe.address) as r:
        check(r.message().values, size)

        def ages(seconds: float) -> list[float]:
            end, found = time.perf_counter() + seconds, []
            while time.perf_counter() < end:
                timestamp = r.message().timestamp
                # The last six digits of the nanoseconds are the pulse id and no time: on average they stand for half a millisecond.
                found.append(time.time() - timestamp.sec - (timestamp.ns // 1_000_000 + 0.5) * 1e-3)
            return found

        yield ages


def run(short: bool) -> list[Measurement]:
    rounds, seconds = (2, 2.0) if short else (4, 4.0)
    chains = {
        "camstream": lambda: our_chain(SIZE, RATE_HZ),
        "psi-bsread and numpy": lambda: plain_chain(SIZES[SIZE], RATE_HZ),
        "bare sockets": lambda: bare_chain(SIZES[SIZE], RATE_HZ),
    }
    found: dict[str, list[float]] = {name: [] for name in chains}
    for _ in range(rounds):
        for name, opened in chains.items():
            with opened() as ages:
                found[name] += ages(seconds)
    medians = {name: statistics.median(values) * 1e3 for name, values in found.items()}
    raw: dict[str, Any] = {f"{name} [ms]": round(value, 2) for name, value in medians.items()}
    ours, plain, bare = (medians[name] for name in ("camstream", "psi-bsread and numpy", "bare sockets"))
    return [
        Measurement("latency camera to client", SIZE, plain / ours, goal=2.0, baseline="psi-bsread, numpy and curve_fit", raw=raw),
        Measurement("latency camera to client, share of the limit", SIZE, bare / ours, goal=0.5, baseline="two bare hops", raw=raw),
        # A time and no ratio: where caches belong to neighbours the same program takes three times as long. It is told, and not judged.
        Measurement("latency camera to client, 4 ms over found", SIZE, 4 / ours, goal=1.0, baseline="4 ms", raw=raw, bar=0.0),
    ]
