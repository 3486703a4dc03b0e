"""Source, queue, processing and output of one worker, each in its thread, and how they start, change and stop.

.. code-block:: text

    reader thread                       sender thread
    source.receive ──> Ring ──> selection ──> plan.process ──> filter ──> output.send
                                                   (with threads > 1: in a pool, results in the order of the frames)
    clients thread
    who comes and goes, and what did not find room at once

The job (configuration and plan) is one reference that is read once per frame: a change takes effect between two frames.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from camstream.errors import CamstreamError, FrameError, ScriptError, SourceError, SourceTimeout
from camstream.frame import Frame, Image, Timestamp
from camstream.names import IMAGE
from camstream.spec import WorkerConfig
from camstream_worker.counters import Counters
from camstream_worker.outputs import Output, open_output
from camstream_worker.pipeline.streams import Made
from camstream_worker.runtime.gaps import PulseGaps
from camstream_worker.runtime.job import Job
from camstream_worker.runtime.own_program import OwnProgram
from camstream_worker.runtime.ring import Ring
from camstream_worker.runtime.selection import EndReached, ResultFilter, Selector
from camstream_worker.sockets import SendingSocket
from camstream_worker.sources import EndOfSource, Source, open_source

log = logging.getLogger(__name__)

Result = Mapping[str, Any] | Made
"""What becomes a message."""

WAIT_S = 0.1
"""[s] Longest wait after which a thread looks whether it shall stop."""

NO_FRAME_YET = "no frame yet"

FORGOTTEN_S = 60.0
"""[s] Time without a failure of the script after which the last one is not told any more."""

REOPEN_S = 1.0
"""[s] Pause before a source that failed is opened again."""


@dataclass(slots=True)
class StreamState:
    """What people want to know of a running stream. Each field is written by one thread and read by others."""

    source: str = ""
    connected: bool = False
    input_message: str = NO_FRAME_YET
    last_error: str = ""
    failing_since: float | None = None
    """[s] Monotonic time since when no frame could be processed; None while they can."""
    failing_with: str = ""
    """What was wrong with the first of these frames that the job of now has processed: a text that changes with every frame is news all
    the time."""
    last_pulse_id: int | None = None
    last_sent: float = 0.0
    """[s] since 1970"""
    image: Image | None = None
    """The image of the newest message."""
    ended: str = ""
    """Why the stream is complete."""
    script_error: str = ""
    """What was wrong with the script first, of the failures that came one after the other."""
    script_failed_at: float = 0.0
    """[s] Monotonic time of the last failure of the script."""

    def script_failed(self, message: str, now: float) -> None:
        """Keep the first of several failures: a text that changes with every frame cannot be read."""
        if not self.script_error or now - self.script_failed_at > FORGOTTEN_S:
            self.script_error = message
        self.script_failed_at = now


@dataclass(frozen=True, slots=True)
class Observers:
    """Told for every frame; each call must be short."""

    processed: Callable[[float], None] = field(default=lambda _seconds: None)
    """Time that processing took [s]."""
    sent: Callable[[float], None] = field(default=lambda _seconds: None)
    """Age of the frame when it was sent [s]."""


class Runner:
    """Runs one job until it is told to stop, the source ends, or something fails for good."""

    def __init__(self, job: Job, counters: Counters, observers: Observers | None = None) -> None:
        self.job = job
        self.counters = counters
        self.state = StreamState()
        self.failure: BaseException | None = None
        self.finished = threading.Event()
        """Set when nothing will come any more: completed, failed or stopped."""
        self.ready = threading.Event()
        """Set when clients can connect."""
        self.first = threading.Event()
        """Set when the first frame has gone through, whatever became of it; or when there will be none."""
        self.address = job.config.stream_address
        self._observers = observers or Observers()
        self._stop = threading.Event()
        capacity, max_bytes = job.queue
        self._ring: Ring[Frame] = Ring(capacity, max_bytes, newest_first=job.newest_first)
        self._readers: SendingSocket | None = None
        self._selector, self._filter = Selector(), ResultFilter()
        self._last_pulse = 0
        self._gaps = PulseGaps()
        self._example: Frame | None = None
        """The newest frame: others will be like it."""
        self._threads: list[threading.Thread] = []
        self._calls: dict[int, tuple[float, int]] = {}
        """What each thread works on: since when, and at which pulse."""

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        for name, target in (("reader", self._read), ("sender", self._send)):
            self._start_thread(name, target)

    def _start_thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(target,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, target: Callable[[], None]) -> None:
        """Run a thread; whatever ends it unexpectedly ends the worker, with the reason kept."""
        try:
            target()
        except Exception as error:  # kept, told, and the process ends with it
            self.failure = self.failure or error
            if not isinstance(error, (CamstreamError, OSError)):
                log.exception("a promise of our own code is broken")
            self._end()

    @contextmanager
    def _failure_is_known_first(self) -> Iterator[None]:
        """Keep a failure before the end of a thread ends others: who waits for the end then asks for the reason."""
        try:
            yield
        except Exception as error:
            self.failure = self.failure or error
            raise

    def apply(self, job: Job) -> None:
        """Take over a new job at the next frame boundary.

        :raises CamstreamError: if it could not process a frame of this camera
        """
        if self._example is not None:
            self._prepare(job, self._example, check=_same_source(job.config, self.job.config))
        self._ring.newest_first = job.newest_first
        if isinstance(self.job.plan, OwnProgram) and isinstance(job.plan, OwnProgram):
            # It runs already, and goes on.
            self.job.plan.tell(job.plan.parameters)
            job = replace(job, plan=self.job.plan)
        if job.script is not self.job.script:
            self.state.script_error = ""
        self.job = job
        self.state.failing_with = ""

    def stop(self, timeout_s: float) -> bool:
        """End all threads; tell whether they did within ``timeout_s`` [s]."""
        self._end()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def fail(self, error: CamstreamError) -> None:
        """End all threads, with a reason from outside of them."""
        self.failure = self.failure or error
        self._end()

    def _end(self) -> None:
        self._stop.set()
        if isinstance(self.job.plan, OwnProgram):
            self.job.plan.stop()
        self._ring.close()
        self.first.set()
        self.finished.set()

    @property
    def clients(self) -> int:
        return self._readers.clients if self._readers else 0

    @property
    def idle_s(self) -> float | None:
        """For how long there has been no reader [s]; None while there is one, or no stream yet."""
        return self._readers.idle_s if self._readers else None

    def longest_call(self) -> tuple[float, int]:
        """How long the oldest frame has been in processing [s], and its pulse id."""
        since, pulse_id = min(self._calls.copy().values(), default=(time.monotonic(), 0))
        return time.monotonic() - since, pulse_id

    def queue_depth(self) -> int:
        return self._ring.statistics().depth

    # ------------------------------------------------------------------ reader thread

    def _read(self) -> None:
        source: Source | None = None
        try:
            with self._failure_is_known_first():
                while not self._stop.is_set():
                    try:
                        source = source or self._open()
                        source = self._read_while_it_lasts(source)
                    except EndOfSource as end:
                        self.state.ended = str(end)
                        return
                    except SourceError as error:
                        self._lost(error)
                        if source is not None:
                            source.close()
                            source = None
                            self.counters.reconnects += 1
                        self._stop.wait(REOPEN_S)
        finally:
            if source is not None:
                source.close()
            self._ring.close()

    def _open(self) -> Source:
        source = open_source(self.job.config, self.counters)
        self.state.source = source.description
        return source

    def _lost(self, error: SourceError) -> None:
        message = str(error)
        if self.state.connected or message != self.state.input_message:
            log.warning("input: %s", message)
        self.state.connected, self.state.input_message = False, message
        if isinstance(error, SourceTimeout) and self.job.failure.abort_on_timeout:
            raise FrameError(f"aborted, as failure.abortOnTimeout asks: {message}") from error

    def _read_while_it_lasts(self, source: Source) -> Source | None:
        """Read until the source has to be opened anew (returns None) or fails (raises)."""
        applied = self.job.config
        last = time.monotonic()
        while not self._stop.is_set():
            job = self.job
            if job.config is not applied:
                applied = job.config
                if not source.apply(applied):
                    source.close()
                    return None
                self.state.source = source.description
            try:
                frame = source.receive(WAIT_S)
            except FrameError as error:
                self._note(error)
                last = time.monotonic()
                continue
            except SourceTimeout as error:
                self._lost(error)
                last = time.monotonic()
                continue
            if frame is None:
                silent = time.monotonic() - last
                if job.timeout_s and silent > job.timeout_s:
                    raise SourceTimeout(f"nothing for {silent:.0f} s from {source.description}; is it running?")
                continue
            self._received(job, frame)
            # Only now: waiting for room in the queue is no silence of the source.
            last = time.monotonic()
        return source

    def _received(self, job: Job, frame: Frame) -> None:
        self.counters.received += 1
        if not self.state.connected:
            self.state.connected, self.state.input_message = True, ""
            self._gaps.restart()
        if job.simulates_pulse_id:
            self._last_pulse = max(int(time.time() * 100), self._last_pulse + 1)
            frame = replace(frame, pulse_id=self._last_pulse)
        else:
            self.counters.pulse_id_gaps += self._gaps.missing(frame.pulse_id)
        if self._example is None:
            self._prepare(job, frame, check=False)
        self._example = frame
        while not self._stop.is_set():
            dropped = self._ring.put(frame, frame.nbytes, WAIT_S)
            if dropped is not None:
                if dropped:
                    self.counters.input_drops["queue_full"] += dropped
                return

    def _prepare(self, job: Job, example: Frame, *, check: bool) -> None:
        """Load what the plan needs for such frames now, and not while one waits.

        :param check: raise what is wrong, instead of telling it
        """
        try:
            job.plan.prepare(example)
        except CamstreamError as error:
            if check:
                raise
            self._note(error)

    def _note(self, error: CamstreamError) -> None:
        """Log an error once, however often it repeats."""
        kind = type(error).__name__
        if not self.state.last_error.startswith(kind):
            log.warning("%s: %s", kind, error)
        self.state.last_error = f"{kind}: {error}"

    # ------------------------------------------------------------------ sender thread

    def _send(self) -> None:
        output = open_output(self.job.config, self.counters, self._stop)
        self.address = output.address
        self._readers = output.readers
        if output.readers is not None:
            self._start_thread("clients", partial(self._attend, output.readers))
        self.ready.set()
        try:
            with self._failure_is_known_first():
                try:
                    for job, frame, values in self._results():
                        if values is not None:
                            self._deliver(output, job, frame, values)
                        if not self.first.is_set():
                            self.first.set()
                except EndReached as end:
                    self.state.ended = str(end)
        finally:
            output.close()
            self._end()

    def _attend(self, readers: SendingSocket) -> None:
        """The clients thread: who comes and goes, and what waits for room."""
        while not readers.closed:
            readers.attend(WAIT_S)

    def _wanted(self) -> Iterator[tuple[Job, Frame]]:
        """Frames of the queue that the selection lets through."""
        while not self._stop.is_set() or not self._ring.finished:
            frame = self._ring.get(WAIT_S)
            if frame is None:
                if self._ring.finished:
                    return
                continue
            if self._stop.is_set():
                return
            job = self.job
            reason = self._selector.refusal(job.selection, frame.pulse_id, time.monotonic())
            if reason is None:
                yield job, frame
            else:
                self.counters.selection_drops[reason] += 1

    def _results(self) -> Iterator[tuple[Job, Frame, Result | None]]:
        if self.job.threads == 1:
            for job, frame in self._wanted():
                yield job, frame, self._process(job, frame)
        else:
            yield from self._parallel_results(self.job.threads)

    def _parallel_results(self, threads: int) -> Iterator[tuple[Job, Frame, Result | None]]:
        """Process in a pool. Futures wait in the order of their frames, so results cannot overtake each other."""
        waiting: queue.Queue[tuple[Job, Frame, Future[Result | None]] | None] = queue.Queue(maxsize=threads)

        def dispatch() -> None:
            try:
                for job, frame in self._wanted():
                    waiting.put((job, frame, pool.submit(self._process, job, frame)))
            except EndReached as end:
                self.state.ended = str(end)
            finally:
                waiting.put(None)

        with ThreadPoolExecutor(threads, thread_name_prefix="processing") as pool:
            self._start_thread("dispatcher", dispatch)
            try:
                while (item := waiting.get()) is not None:
                    job, frame, future = item
                    yield job, frame, future.result()
            finally:
                self._stop.set()
                while item is not None:
                    item = waiting.get()

    def _process(self, job: Job, frame: Frame) -> Result | None:
        start = time.monotonic()
        self._calls[threading.get_ident()] = (start, frame.pulse_id)
        try:
            values = job.plan.process(frame)
        except CamstreamError as error:
            self.counters.failed += 1
            self.state.failing_since = self.state.failing_since or start
            self._note(error)
            if job is self.job:
                self.state.failing_with = self.state.failing_with or self.state.last_error
            if isinstance(error, ScriptError):
                self.counters.script_errors += 1
                self.state.script_failed(str(error), start)
            if isinstance(job.plan, OwnProgram):
                # It was the whole program, and there is no next frame.
                raise
            if job.failure.abort_on_error:
                kind = ScriptError if isinstance(error, ScriptError) else FrameError
                raise kind(f"aborted, as failure.abortOnError asks, at pulse {frame.pulse_id}: {error}") from error
            return None
        finally:
            del self._calls[threading.get_ident()]
        self.counters.processed += 1
        self.state.failing_since, self.state.failing_with = None, ""
        self._observers.processed(time.monotonic() - start)
        return values

    def _deliver(self, output: Output, job: Job, frame: Frame, values: Result) -> None:
        if isinstance(values, Made):
            frame, values = replace(frame, pulse_id=values.pulse_id, timestamp=values.timestamp), values.values
        reason = self._filter.refusal(job.selection, frame.pulse_id, frame.timestamp)
        if reason is not None:
            self.counters.selection_drops[reason] += 1
            return
        try:
            sent = output.send(values, frame.pulse_id, frame.timestamp)
        except CamstreamError as error:
            self.counters.failed += 1
            self._note(error)
            return
        now = time.time()
        self.state.image = seen_image(values.get(IMAGE, frame.image))
        self.state.last_pulse_id, self.state.last_sent = frame.pulse_id, now
        self._observers.sent(_age(frame.timestamp, now))
        self.counters.count_fits(values)
        if sent:
            self._filter.sent(job.selection)


def seen_image(value: Any) -> Image | None:
    """What can be looked at of an image channel."""
    return value if isinstance(value, np.ndarray) and value.ndim == 2 and value.size and value.dtype.kind in "biuf" else None


def _same_source(one: WorkerConfig, other: WorkerConfig) -> bool:
    """Whether both are of a camera whose frames stay as they are. The frames of a pipeline may be changing at the same time."""
    return one.camera is not None and other.camera is not None and one.camera.source == other.camera.source


def _age(timestamp: Timestamp, now: float) -> float:
    return max(now - timestamp.seconds(), 0.0)
