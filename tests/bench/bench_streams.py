"""Whole chains of worker processes: camera, default analysis, client. Rates, age at overload, memory, CPU per frame, start-up.

The camera shows one unchanging image, and the client copies nothing, so that the chain is measured, and not what is at its ends.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from harness import SIZES, Measurement
from ports import free_port
from workers import Reader, WorkerProcess, camera, pipeline, reader, simulation, store_background, worker

from camstream.frame import Timestamp
from camstream.spec.fields import InputMode
from camstream.spec.output import StreamOutput
from camstream.wire import Message
from camstream_worker.counters import Counters
from camstream_worker.outputs import BsreadOutput
from camstream_worker.service.memory import keep_buffers
from camstream_worker.sources.bsread import Receiver

LOSSLESS = {"mode": "Sub", "backlog": "All", "queueSize": 20, "queueMebibytes": 256}
QUEUE = {"queueSize": 20, "queueMebibytes": 256}


LOADED_S = 1.5
"""[s] By then a worker has loaded what tells of its stream, after the first result."""

TIME_BAR = 0.4
"""For goals that are times and not ratios: a shared machine may well take twice as long on another day."""


@contextmanager
def chain(
    size: str, rate: float, *, background: bool = False, lossless: bool = True, **spec: Any
) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    """A camera of this size and rate, and the default analysis of its frames."""
    height, width = SIZES[size]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cam = stack.enter_context(worker(folder, camera(simulation(width, height, rate, pattern="StaticBeam"), output=QUEUE)))
        stored = None
        if background:
            stored = store_background(folder, "bg", np.full((height, width), 500, np.uint16))
            spec["processing"] = {"background": {"name": "bg"}} | spec.get("processing", {})
        given = {"input": LOSSLESS, "output": QUEUE} if lossless else {}
        config = pipeline(cam.address, background=stored, **given, **spec)
        pipe = stack.enter_context(worker(folder, config))
        pipe.wait_for_status("running", lambda s: s["phase"] == "Running", 60)
        yield cam, pipe


class Client:
    """Reads a stream as the next worker of a chain does."""

    def __init__(self, address: str) -> None:
        self.receiver = Receiver(address, InputMode.SUB, Counters())

    def message(self, timeout_s: float = 15.0) -> Message:
        message = self.receiver.receive(timeout_s)
        assert message is not None, f"no message within {timeout_s} s"
        return message


@contextmanager
def client(address: str) -> Iterator[Client]:
    keep_buffers()
    made = Client(address)
    try:
        yield made
    finally:
        made.receiver.close()


def check(values: dict[str, Any], size: str) -> None:
    """The analysis must have found the simulated beam before any time counts."""
    height, width = SIZES[size]
    # Frame 0 of the simulation: see BeamSimulation.centre.
    for found, expected, scale in ((values["x_fit_mean"], 0.55 * width, width), (values["y_fit_mean"], 0.55 * height, height)):
        if not abs(found - expected) < 0.01 * scale:
            raise RuntimeError(f"wrong result: the fit is at {found}, the beam at {expected}")


def count_gaps(r: Client, seconds: float) -> tuple[int, int, float]:
    """Messages, pulses that are missing between them, and the time they took [s]."""
    first = r.message()
    last, count, start = first.pulse_id, 0, time.perf_counter()
    missing = 0
    while time.perf_counter() - start < seconds:
        pulse_id = r.message().pulse_id
        missing += pulse_id - last - 1
        last, count = pulse_id, count + 1
    return count, missing, time.perf_counter() - start


def lossless_rate(size: str, rate: float, seconds: float) -> Measurement:
    """Do all frames of a camera come through analysis with background to a client, on two cores?"""
    with chain(size, rate, background=True) as (_, pipe), client(pipe.address) as r:
        check(r.message().values, size)
        for _ in range(int(rate)):
            r.message()
        count, missing, took = count_gaps(r, seconds)
        pss = memory(pipe)
    raw = {"frames": count, "missing": missing, "rate [Hz]": round(count / took, 1), "worker PSS [MB]": round(pss, 1)}
    # Not their product: a pulse that the camera did not make in time is missing in both.
    arrived = min(count / (count + missing), count / took / rate)
    return Measurement(
        f"camera to client at {rate:.0f} Hz, share that arrives", size, arrived, goal=0.99, baseline="frames of the camera", raw=raw
    )


def memory(process: WorkerProcess) -> float:
    """Proportional set size [MB] of a worker."""
    text = Path(f"/proc/{process.process.pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1000


def worker_memory(size: str, limit_mb: float, seconds: float) -> Measurement:
    """Memory of a pipeline worker that gets twice as many frames as it can take."""
    with chain(size, overload_rate(size), lossless=False, background=True) as (_, pipe), client(pipe.address) as r:
        check(r.message().values, size)
        count_gaps(r, seconds)
        pss = memory(pipe)
    return Measurement(
        "worker PSS under full load, limit over found",
        size,
        limit_mb / pss,
        goal=1.0,
        baseline=f"{limit_mb} MB",
        raw={"PSS [MB]": round(pss, 1)},
    )


def overload_rate(size: str) -> float:
    return {"640x480": 4000.0, "1280x1024": 1000.0, "2560x2160": 250.0}[size]


def age_at_overload(size: str, seconds: float) -> Measurement:
    """Age of the newest result when twice as many frames come as can be processed, in times between results."""
    with (
        chain(size, 20, lossless=False, processing={"rotation": {"angle": 3, "order": 3}}) as (cam, pipe),
        client(pipe.address) as r,
    ):
        r.message()
        frame_time = _processing_seconds(pipe)
        faster = cam.config | {
            "camera": cam.config["camera"] | {"source": simulation(*SIZES[size][::-1], 2 / frame_time, pattern="StaticBeam")}
        }
        cam.apply(faster)
        pipe.wait_for_status("overloaded", lambda s: sum(s["frames"]["dropped"].values()) > 10)
        ages, times = [], []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            message = r.message()
            times.append(time.perf_counter())
            ages.append(time.time() - message.timestamp.seconds())
        dropped = pipe.status()["frames"]["dropped"]
    between = float(np.median(np.diff(times)))
    found = statistics.median(ages) / between
    raw = {
        "age [ms]": round(statistics.median(ages) * 1e3, 1),
        "frame time [ms]": round(between * 1e3, 1),
        "dropped": sum(dropped.values()),
    }
    return Measurement("age at twofold overload, 4 frame times over found", size, 4 / found, goal=1.0, baseline="4 frame times", raw=raw)


def _processing_seconds(pipe: WorkerProcess) -> float:
    """Mean time of processing one frame [s], from the worker's own histogram."""

    def totals() -> tuple[float, float]:
        text = pipe.get("/metrics")[1].decode()
        values = {
            line.split()[0]: float(line.split()[1])
            for line in text.splitlines()
            if line.startswith("camstream_processing_seconds_") and "{" not in line
        }
        return values["camstream_processing_seconds_sum"], values["camstream_processing_seconds_count"]

    seconds, frames = totals()
    pipe.wait_for_status("more frames", lambda s: s["frames"]["processed"] > frames + 20)
    later, more = totals()
    return (later - seconds) / (more - frames)


def results_only(size: str, seconds: float, *, background: bool) -> Measurement:
    """Frames per CPU second of a pipeline that leaves the image out, over one that sends it, both nearly as busy as they can be: a
    processor that slept between two frames does everything more slowly, and what a frame costs says less of what the pipeline does.

    With a background there is more to leave out: the corrected image is not written, either.
    """

    def frames_per_cpu_second(**spec: Any) -> float:
        rate = {"640x480": 800.0, "1280x1024": 300.0, "2560x2160": 80.0}[size]
        with chain(size, rate, background=background, **spec) as (_, pipe), client(pipe.address) as r:
            check(r.message().values, size)
            # What is loaded after the first frame is no frame's cost.
            count_gaps(r, LOADED_S)
            start = cpu_seconds(pipe)
            count, _, _ = count_gaps(r, seconds)
            return count / (cpu_seconds(pipe) - start)

    lean, whole = frames_per_cpu_second(selection={"exclude": ["image"]}), frames_per_cpu_second()
    raw = {"frames per CPU second without image": round(lean), "with image": round(whole)}
    name = "results only with background" if background else "results only"
    return Measurement(f"{name}, frames per CPU second", size, lean / whole, goal=1.5, baseline="the same pipeline with its image", raw=raw)


def cpu_seconds(process: WorkerProcess) -> float:
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_up(repeats: int) -> Measurement:
    """From exec to the first result of the default analysis, with warm files and a stream that is already there."""
    took = []
    with tempfile.TemporaryDirectory() as folder, worker(Path(folder), camera(simulation(1280, 1024, 100, pattern="StaticBeam"))) as cam:
        cam.wait_for_status("running", lambda s: s["phase"] == "Running")
        for i in range(repeats + 1):
            config = pipeline(cam.address, f"pipe{i}")
            with client(config["streamAddress"]) as r:
                start = time.perf_counter()
                with worker(Path(folder), config):
                    check(r.message(60).values, "1280x1024")
                    took.append(time.perf_counter() - start)
    seconds = statistics.median(took[1:])
    return Measurement(
        "exec to first result, 1 s over found",
        "1280x1024",
        1 / seconds,
        goal=1.0,
        baseline="1 s",
        raw={"median [s]": round(seconds, 3)},
        bar=TIME_BAR,
    )


def torn(count: int) -> Measurement:
    """Non-blocking sends against a full queue: is any message that arrives not whole?"""
    counters, stop = Counters(), threading.Event()
    spec = StreamOutput.model_validate({"mode": "Push", "block": False, "queueSize": 1})
    output = BsreadOutput(spec, f"tcp://127.0.0.1:{free_port()}", counters, stop)
    attending = attend(output)
    values = {f"c{i}": float(i) for i in range(40)} | {"image": np.zeros((480, 640), np.uint16)}
    found = {"whole": 0, "torn": 0}
    done = threading.Event()

    def read(r: Reader) -> None:
        while not done.is_set():
            if r.socket.poll(100):
                parts = r.socket.recv_multipart(copy=False)
                found["whole" if len(parts) == 2 + 2 * len(values) else "torn"] += 1

    with reader(output.address, zmq.PULL, hwm=1) as r:
        consumer = threading.Thread(target=read, args=(r,))
        consumer.start()
        sent = sum(output.send(values, i, Timestamp(1, i)) for i in range(count))
        done.set()
        consumer.join()
    output.close()
    attending.join()
    dropped = counters.output_drops["no_room"]
    if sent + dropped != count or not dropped:
        raise RuntimeError(f"{count} sends, {sent} sent and {dropped} dropped: the counts do not add up, or the queue was never full")
    raw = {"sends": count, "sent": sent, "dropped and counted": dropped} | found
    return Measurement(
        "whole messages of non-blocking sends",
        "640x480",
        1 - found["torn"] / max(sum(found.values()), 1),
        goal=1.0,
        baseline="all",
        raw=raw,
    )


def attend(output: BsreadOutput) -> threading.Thread:
    """What a worker's clients thread does."""

    def until_closed() -> None:
        while not output.readers.closed:
            output.readers.attend(0.1)

    thread = threading.Thread(target=until_closed, daemon=True)
    thread.start()
    return thread


def run(short: bool) -> list[Measurement]:
    seconds = 3.0 if short else 10.0
    found = [torn(20_000 if short else 100_000)]
    # A thousand a second are as much as two cores can do: on another day that is a time.
    found += [lossless_rate("2560x2160", 100, seconds), replace(lossless_rate("640x480", 1000, seconds), bar=TIME_BAR)]
    found.append(age_at_overload("1280x1024", seconds))
    found += [results_only(size, seconds, background=True) for size in (["1280x1024"] if short else SIZES)]
    if not short:
        found += [results_only(size, seconds, background=False) for size in SIZES]
    found += [worker_memory("1280x1024", 150, seconds), worker_memory("2560x2160", 220, seconds)]
    return [*found, start_up(3 if short else 7)]


if __name__ == "__main__":
    for measurement in run("--short" in sys.argv):
        print(measurement)
