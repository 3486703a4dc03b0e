"""What metrics cost: the calls that a worker makes for each frame, and its share of a scrape, of its processor time per frame.

The workers are real processes with one reader, of the smallest camera size; with larger images the share is less. What they do for a
frame is told by their own metrics. The calls are too short to be seen in that: they are timed alone, between two looks at the workers.
A scrape is asked of a real worker that does next to nothing else.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bench_streams import LOSSLESS, QUEUE, check
from harness import SIZES, Measurement
from prometheus_client.parser import text_string_to_metric_families
from workers import WorkerProcess, camera, pipeline, reader, simulation, worker

from camstream_worker.counters import Counters
from camstream_worker.runtime.gaps import PulseGaps
from camstream_worker.service.metrics import Metrics

SMALLEST = "640x480"
RATE_HZ = 100.0
CALLS = 2000
SCRAPES = 300
SCRAPE_PERIOD_S = 15.0
"""As the chart has it: `monitoring.podMonitor.interval`."""


def run(short: bool) -> list[Measurement]:
    rounds, seconds = (3, 2.0) if short else (7, 5.0)
    height, width = SIZES[SMALLEST]
    times: dict[str, list[float]] = {"camera": [], "default analysis": [], "calls": [], "scrape": []}
    with tempfile.TemporaryDirectory() as folder:
        source = simulation(width, height, RATE_HZ, pattern="StaticBeam")
        with worker(Path(folder), camera(source, output=QUEUE)) as cam:
            config = pipeline(cam.address, input=LOSSLESS, output=QUEUE)
            idle = camera(simulation(64, 48, 1.0), name="idle")
            with worker(Path(folder), config) as pipe, reader(pipe.address) as results, worker(Path(folder), idle) as scraped:
                values = results.message(60).values
                check(values, SMALLEST)
                for process in (cam, pipe, scraped):
                    process.wait_for_status("running", lambda status: status["phase"] == "Running")
                for _ in range(rounds):
                    before = [used(process) for process in (cam, pipe)]
                    end = time.monotonic() + seconds
                    while time.monotonic() < end:
                        results.message()
                    after = [used(process) for process in (cam, pipe)]
                    for name, (cpu0, frames0), (cpu1, frames1) in zip(times, before, after, strict=False):
                        times[name].append((cpu1 - cpu0) / (frames1 - frames0))
                    times["calls"].append(calls_s(values))
                    times["scrape"].append(scrape_s(scraped))
    medians = {name: statistics.median(found) for name, found in times.items()}
    medians["metrics"] = medians["calls"] + medians["scrape"] / (SCRAPE_PERIOD_S * RATE_HZ)
    return [
        Measurement(
            f"metrics, percent of a {name}",
            SMALLEST,
            100 * medians["metrics"] / medians[name],
            goal=1.0,
            higher_is_better=False,
            baseline="processor time of the worker per frame",
            raw={f"{kind} [us]": round(medians[kind] * 1e6, 2) for kind in (name, "calls", "scrape")},
            bar=1.0,
        )
        for name in ("camera", "default analysis")
    ]


def used(process: WorkerProcess) -> tuple[float, float]:
    """Processor time of a worker so far [s], and the frames that it has sent."""
    code, text = process.get("/metrics")
    if code != 200:
        raise RuntimeError(f"a worker answers {code} to /metrics:\n{process.log.read_text()[-2000:]}")
    found = {sample.name: sample.value for family in text_string_to_metric_families(text.decode()) for sample in family.samples}
    return found["camstream_process_cpu_seconds_total"], found["camstream_frames_sent_total"]


def scrape_s(process: WorkerProcess) -> float:
    """Processor time that one scrape takes a worker [s]."""
    before, _ = used(process)
    for _ in range(SCRAPES - 1):
        process.get("/metrics")
    after, _ = used(process)
    return (after - before) / SCRAPES


def calls_s(values: Mapping[str, Any]) -> float:
    """Time of all that a worker does for the metrics of one frame [s], as `Runner` does it.

    :param values: of a message
    """
    metrics, counters, gaps = Metrics(), Counters(), PulseGaps()
    observers = metrics.observers
    ages = np.random.default_rng(0).uniform(0, 0.1, CALLS).tolist()
    # Processor time, as of the workers: on a busy machine the clock of the wall counts others, too.
    start = time.thread_time()
    for pulse_id, age in enumerate(ages):
        counters.pulse_id_gaps += gaps.missing(pulse_id)
        began = time.monotonic()
        observers.processed(time.monotonic() - began)
        observers.sent(age)
        counters.count_fits(values)
    took = time.thread_time() - start
    if metrics.registry.get_sample_value("camstream_processing_seconds_count") != CALLS:
        raise RuntimeError("the metrics have not seen every frame")
    return took / CALLS
