"""One hop of a bsread stream, sender process to receiver process: ours, psi-bsread's, and a bare ZMQ socket, in turn.

Equal frames, equal channels, one core each. A round runs every variant once; what counts is the ratio of medians over the rounds.
"""

import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import Any

import bsread
import numpy as np
import zmq
from bench_streams import attend
from harness import SIZES, Measurement, beam, cold_frames, interleaved, microseconds, require_equal
from ports import free_port

from camstream.frame import Timestamp
from camstream.spec.fields import InputMode
from camstream.spec.output import StreamOutput
from camstream.wire import compression as library
from camstream_worker.counters import Counters
from camstream_worker.image import compression
from camstream_worker.outputs import BsreadOutput
from camstream_worker.service.memory import keep_buffers
from camstream_worker.sources.bsread import Receiver

FRAMES = 8
"""Different images that are sent in turn, so that none stays in a cache."""

Values = dict[str, Any]
Send = Callable[[int], None]
Receive = Callable[[], np.ndarray[Any, Any] | None]


def payload(image: np.ndarray[Any, Any]) -> Values:
    """What a camera of cam_server sends."""
    height, width = image.shape
    axes = {"x_axis": np.arange(width, dtype=np.float32), "y_axis": np.arange(height, dtype=np.float32)}
    return {"width": width, "height": height, "timestamp": 1.5, "image": image} | axes


def images(shape: tuple[int, int]) -> list[np.ndarray[Any, Any]]:
    """One beam in different places."""
    one = beam(shape)
    return [np.roll(one, i, axis=1) for i in range(FRAMES)]


# ------------------------------------------------------------------ variants: a sender and a receiver each


def ours_sender(port: int, frames: list[Values], compression: str) -> Send:
    keep_buffers()  # as every worker does
    spec = StreamOutput.model_validate({"mode": "Push", "queueSize": 10, "compression": compression})
    output = BsreadOutput(spec, f"tcp://127.0.0.1:{port}", Counters(), threading.Event())
    attend(output)
    return lambda i: output.send(frames[i % FRAMES], i, Timestamp(1, i)) and None


def ours_receiver(port: int) -> Receive:
    keep_buffers()
    receiver = Receiver(f"tcp://127.0.0.1:{port}", InputMode.PULL, Counters())

    def receive() -> np.ndarray[Any, Any] | None:
        message = receiver.receive(1)
        return None if message is None else message.values["image"]

    return receive


def psi_sender(port: int, frames: list[Values], compression: str) -> Send:
    packed = "bitshuffle_lz4" if compression == "BitshuffleLz4" else None
    sender = bsread.Sender(address="tcp://127.0.0.1", port=port, mode=bsread.PUSH, queue_size=10, data_compression=packed)
    sender.open()
    return lambda i: sender.send(data=frames[i % FRAMES], pulse_id=i, timestamp=(1, i))


def psi_receiver(port: int) -> Receive:
    source = bsread.Source(host="127.0.0.1", port=port, mode=bsread.PULL, queue_size=10, receive_timeout=1000)
    source.connect()

    def receive() -> np.ndarray[Any, Any] | None:
        message = source.receive()
        return None if message is None else message.data.data["image"].value

    return receive


def bare_sender(port: int, frames: list[Values], _compression: str) -> Send:
    socket = zmq.Context.instance().socket(zmq.PUSH)
    socket.sndhwm, socket.linger = 10, 0
    socket.bind(f"tcp://127.0.0.1:{port}")
    images = [frame["image"] for frame in frames]

    def send(i: int) -> None:
        socket.send(images[i % FRAMES], copy=False)

    return send


def bare_receiver(port: int) -> Receive:
    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.rcvhwm, socket.rcvtimeo, socket.linger = 10, 1000, 0
    socket.connect(f"tcp://127.0.0.1:{port}")

    def receive() -> np.ndarray[Any, Any] | None:
        try:
            return np.frombuffer(socket.recv(copy=False).buffer, np.uint16)
        except zmq.Again:
            return None

    return receive


VARIANTS: dict[str, tuple[Callable[[int, list[Values], str], Send], Callable[[int], Receive]]] = {
    "ours": (ours_sender, ours_receiver),
    "psi-bsread": (psi_sender, psi_receiver),
    "bare zmq": (bare_sender, bare_receiver),
}


UNSTEADY_BAR = 0.2
"""The threads of two psi-bsread processes spin against each other: on one quiet machine its packed rate was found anywhere between 11 and
121 Hz at 1280x1024, and the ratio between 3 and 30. Ours stayed within a factor of two."""

DEFAULT_THREADS = ("psi-bsread",)
"""Variants that run with the number of compression threads that their library chooses; a worker of ours sets its own."""


def _send_for_ever(variant: str, port: int, shape: tuple[int, int], compression: str) -> None:
    frames = [payload(image) for image in images(shape)]
    send, i = VARIANTS[variant][0](port, frames, compression), 0
    while True:
        send(i)
        i += 1


def _count(variant: str, port: int, shape: tuple[int, int], seconds: float, result: "Queue[float]") -> None:
    receive = VARIANTS[variant][1](port)
    _await_right_image(receive, images(shape))
    start, count = time.perf_counter(), 0
    while (now := time.perf_counter()) - start < seconds:
        count += receive() is not None
    result.put(count / (now - start))


def rate(variant: str, shape: tuple[int, int], compression: str, seconds: float) -> float:
    """Frames per second that arrive, whole and right."""
    port, spawn = free_port(), multiprocessing.get_context("spawn")
    result: Queue[float] = spawn.Queue()
    processes = [
        spawn.Process(target=_send_for_ever, args=(variant, port, shape, compression), daemon=True),
        spawn.Process(target=_count, args=(variant, port, shape, seconds, result), daemon=True),
    ]
    with threads(None if variant in DEFAULT_THREADS else 1):
        for process in processes:
            process.start()
    try:
        return result.get(timeout=60)
    finally:
        for process in processes:
            process.kill()
            process.join()


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Environment of processes that are started inside: how many threads compression may use."""
    before = os.environ.pop("OMP_NUM_THREADS", None)
    if count is not None:
        os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        os.environ.pop("OMP_NUM_THREADS", None)
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def _await_right_image(receive: Receive, expected: list[np.ndarray[Any, Any]]) -> None:
    deadline = time.perf_counter() + 20
    while (image := receive()) is None:
        if time.perf_counter() > deadline:
            raise RuntimeError("no frame arrived within 20 s")
    if not any(np.array_equal(image.ravel(), one.ravel()) for one in expected):
        raise RuntimeError("the image that arrived is not one of those that were sent")


def packing(size: str, rounds: int) -> Measurement:
    """An image alone, as a worker packs it, and as the library does on one thread."""
    frames, packed = cold_frames(SIZES[size]), "bitshuffle_lz4"
    lengths = {}
    for name, pack in (("ours", compression.compress), ("bitshuffle", library.compress)):
        part = pack(packed, frames[0], "little")
        lengths[name] = len(part)
        found = library.decompress(packed, part, frames[0].dtype, frames[0].nbytes, frames[0].nbytes, name)
        require_equal(("image",), {"image": frames[0].ravel()}, {"image": found})
    medians = interleaved(
        {
            "ours": lambda i: compression.compress(packed, frames[i % len(frames)], "little"),
            "bitshuffle": lambda i: library.compress(packed, frames[i % len(frames)], "little"),
        },
        rounds,
    )
    raw = microseconds(medians) | {f"{name} [kB]": round(length / 1000) for name, length in lengths.items()}
    return Measurement(
        "bitshuffle_lz4 of an image", size, medians["bitshuffle"] / medians["ours"], goal=2, baseline="bitshuffle, one thread", raw=raw
    )


def run(short: bool) -> list[Measurement]:
    rounds, seconds = (3, 0.7) if short else (5, 1.0)
    goals = {"640x480": 10.0, "1280x1024": 10.0, "2560x2160": 3.0}
    found: list[Measurement] = []
    for size, shape in SIZES.items():
        found.append(packing(size, 15 if short else 101))
        rates: dict[str, list[float]] = {}
        for _ in range(rounds):
            for variant in VARIANTS:
                rates.setdefault(variant, []).append(rate(variant, shape, "None", seconds))
            for variant in ("ours", "psi-bsread"):
                rates.setdefault(variant + " packed", []).append(rate(variant, shape, "BitshuffleLz4", seconds))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        raw = {f"{name} [Hz]": round(value, 1) for name, value in medians.items()}
        found += [
            Measurement(
                "hop", size, medians["ours"] / medians["psi-bsread"], goal=1.35, baseline="psi-bsread sender and receiver", raw=raw
            ),
            Measurement(
                "hop share of a bare socket", size, medians["ours"] / medians["bare zmq"], goal=0.8, baseline="bare ZMQ socket", raw=raw
            ),
            Measurement(
                "hop, bitshuffle_lz4",
                size,
                medians["ours packed"] / medians["psi-bsread packed"],
                goal=goals[size],
                baseline="psi-bsread with its default threads",
                bar=UNSTEADY_BAR,
                raw=raw,
            ),
        ]
    return found
