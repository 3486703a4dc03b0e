"""From the camera's timestamp to the message in the hand of the client, through the default analysis, on a chain that is mostly idle.

Beside it runs what somebody writes without camstream: psi-bsread's sender and receiver, numpy and curve_fit, as three processes, too. Both
chains send the image on, and neither has anything to wait for but the machine. The limit runs in the same loop: three processes that do
nothing but hand the same number of bytes on, by plain sockets. Where these two hops take longer than 4 ms, no chain over TCP takes less.

At 25 Hz processors sleep between frames, and everything takes longer at first, plain sockets, too; at 100 Hz, the rate of the machines
that such cameras look at, psi-bsread's chain would be busy all the time, and is left out.
"""

import itertools
import multiprocessing
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import baseline
import bsread
import numpy as np
from bench_streams import chain, check, client
from harness import SIZES, Measurement, beam
from ports import free_port

SIZE, SLOW_HZ, FAST_HZ = "1280x1024", 25.0, 100.0

Age = Callable[[], float]
"""Waits for the next message, and says how old it is [s]."""


def _every(rate_hz: float) -> Iterator[int]:
    """Counts from 1, at a rate."""
    start = time.monotonic()
    for i in itertools.count(1):
        time.sleep(max(start + i / rate_hz - time.monotonic(), 0))
        yield i


@contextmanager
def _processes(*calls: tuple[Any, ...]) -> Iterator[None]:
    """:param calls: a function and its arguments, for each"""
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=function, args=arguments, daemon=True) for function, *arguments in calls]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _plain_camera(port: int, shape: tuple[int, int], rate_hz: float) -> None:
    sender = bsread.Sender(address="tcp://127.0.0.1", port=port, mode=bsread.PUB, queue_size=10)
    sender.open()
    height, width = shape
    values = {"width": width, "height": height, "timestamp": 1.5, "image": beam(shape)}
    values |= {"x_axis": np.arange(width, dtype=np.float32), "y_axis": np.arange(height, dtype=np.float32)}
    for i in _every(rate_hz):
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
def plain_chain(shape: tuple[int, int], rate_hz: float) -> Iterator[Age]:
    """What a user would write."""
    ports = free_port(), free_port()
    with (
        _processes((_plain_camera, ports[0], shape, rate_hz), (_plain_pipeline, *ports)),
        bsread.Source(host="127.0.0.1", port=ports[1], mode=bsread.SUB, queue_size=10, receive_timeout=60_000) as source,
    ):
        found = source.receive().data.data["x_fit_mean"].value
        if not abs(found - 0.47 * shape[1]) < 1:
            raise RuntimeError(f"wrong result: the fit of the plain chain is at {found}, the beam at {0.47 * shape[1]}")

        def age() -> float:
            message = source.receive().data
            return time.time() - message.global_timestamp - message.global_timestamp_offset * 1e-9

        yield age


STAMP = struct.Struct("d")
"""When it was sent, before the bytes of the image."""


def _bare_receiver(port: int) -> socket.socket:
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(60)
        return listener.accept()[0]


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
            raise ConnectionError("the bare chain has ended before its time")
        done += count


def _bare_camera(port: int, size: int, rate_hz: float) -> None:
    sender, image = _bare_sender(port), np.zeros(size, np.uint8)
    image[:] = 1  # pages of its own
    for _ in _every(rate_hz):
        sender.sendall(STAMP.pack(time.time()))
        sender.sendall(image)


def _bare_pipeline(port: int, out: int, size: int) -> None:
    receiver = _bare_receiver(port)
    sender, message = _bare_sender(out), bytearray(STAMP.size + size)
    while True:
        _fill(receiver, message)
        sender.sendall(message)


@contextmanager
def bare_chain(shape: tuple[int, int], rate_hz: float) -> Iterator[Age]:
    """Two hops of as many bytes as an image has, and nothing else."""
    ports, size = (free_port(), free_port()), 2 * shape[0] * shape[1]
    with (
        _processes((_bare_camera, ports[0], size, rate_hz), (_bare_pipeline, *ports, size)),
        _bare_receiver(ports[1]) as receiver,
    ):
        message = bytearray(STAMP.size + size)

        def age() -> float:
            _fill(receiver, message)
            return time.time() - float(STAMP.unpack_from(message)[0])

        yield age


@contextmanager
def our_chain(size: str, rate_hz: float) -> Iterator[Age]:
    with chain(size, rate_hz) as (_, pipe), client(pipe.address) as r:
        check(r.message().values, size)

        def age() -> float:
            timestamp = r.message().timestamp
            # The last six digits of the nanoseconds are the pulse id and no time: on average they stand for half a millisecond.
            return time.time() - timestamp.sec - (timestamp.ns // 1_000_000 + 0.5) * 1e-3

        yield age


def _latencies(chains: Mapping[str, Callable[[], AbstractContextManager[Age]]], rounds: int, seconds: float) -> dict[str, float]:
    """Medians [ms], by name; a round runs every chain once."""
    found: dict[str, list[float]] = {name: [] for name in chains}
    for _ in range(rounds):
        for name, opened in chains.items():
            with opened() as age:
                end = time.perf_counter() + seconds
                while time.perf_counter() < end:
                    found[name].append(age())
    return {name: statistics.median(values) * 1e3 for name, values in found.items()}


def _against_the_limit(rate_hz: float, medians: Mapping[str, float]) -> list[Measurement]:
    ours, raw = medians["camstream"], _raw(medians)
    what = f"latency camera to client at {rate_hz:.0f} Hz"
    return [
        Measurement(f"{what}, share of the limit", SIZE, medians["bare sockets"] / ours, goal=0.5, baseline="two bare hops", raw=raw),
        # A time and no ratio: where caches belong to neighbours the same program takes three times as long. It is told, and not judged.
        Measurement(f"{what}, 4 ms over found", SIZE, 4 / ours, goal=1.0, baseline="4 ms", raw=raw, bar=0.0),
    ]


def _raw(medians: Mapping[str, float]) -> dict[str, float]:
    return {f"{name} [ms]": round(value, 2) for name, value in medians.items()}


def run(short: bool) -> list[Measurement]:
    rounds, seconds = (2, 2.0) if short else (4, 4.0)
    shape = SIZES[SIZE]
    slow = _latencies(
        {
            "camstream": lambda: our_chain(SIZE, SLOW_HZ),
            "psi-bsread and numpy": lambda: plain_chain(shape, SLOW_HZ),
            "bare sockets": lambda: bare_chain(shape, SLOW_HZ),
        },
        rounds,
        seconds,
    )
    fast = _latencies(
        {"camstream": lambda: our_chain(SIZE, FAST_HZ), "bare sockets": lambda: bare_chain(shape, FAST_HZ)},
        rounds,
        seconds,
    )
    plain = slow["psi-bsread and numpy"] / slow["camstream"]
    against = "psi-bsread, numpy and curve_fit"
    return [
        Measurement(f"latency camera to client at {SLOW_HZ:.0f} Hz", SIZE, plain, goal=2.0, baseline=against, raw=_raw(slow)),
        *_against_the_limit(SLOW_HZ, slow),
        *_against_the_limit(FAST_HZ, fast),
    ]
