"""Prometheus metrics of a worker. Counters are read when they are scraped; only two histograms and the fits cost anything per frame.

Nothing here names the object: whoever scrapes knows whom it asks, and adds the labels ``namespace``, ``kind`` and ``name``.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from camstream import __version__
from camstream.spec.report import ConfigReport
from camstream_worker.counters import APPLIES, FITS, HOPS
from camstream_worker.runtime.own_program import OwnProgram
from camstream_worker.runtime.runner import Observers, Runner

AGE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
INPUT_CONNECTED = "camstream_input_connected"
PROCESSING_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class Metrics:
    """All metrics of one worker, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._age = Histogram(
            "camstream_frame_age_seconds",
            "Time from a frame's own timestamp until its message was sent",
            buckets=AGE_BUCKETS,
            registry=self.registry,
        )
        self._processing = Histogram(
            "camstream_processing_seconds",
            "Time that the processing of one frame took",
            buckets=PROCESSING_BUCKETS,
            registry=self.registry,
        )
        ProcessCollector(namespace="camstream", registry=self.registry)
        self.observers = Observers(processed=self._processing.observe, sent=self._age.observe)

    def watch(self, runner: Runner, config: Callable[[], ConfigReport]) -> None:
        """Add the numbers that the runner counts by itself.

        :param config: tells which configuration runs
        """
        self.registry.register(_RunnerCollector(runner, config))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _RunnerCollector:
    def __init__(self, runner: Runner, config: Callable[[], ConfigReport]) -> None:
        self._runner, self._config = runner, config

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._gauges()
        yield from self._infos()

    def _counters(self) -> Iterator[Metric]:
        counters = self._runner.counters
        for name, text, value in (
            ("camstream_frames_received", "Frames that the source delivered", counters.received),
            ("camstream_frames_processed", "Frames that were processed", counters.processed),
            ("camstream_frames_sent", "Messages that were sent to every client", counters.sent),
            ("camstream_frames_failed", "Frames that could not be processed", counters.failed),
            (
                "camstream_script_errors",
                "Frames that failed because the user's script did",
                counters.script_errors,
            ),
            ("camstream_pulse_id_gaps", "Frames that never came, as the pulse ids of the others tell", counters.pulse_id_gaps),
            ("camstream_bytes_received", "Bytes received from the input stream", counters.bytes_received),
            ("camstream_bytes_sent", "Bytes of the messages sent, once however many clients there are", counters.bytes_sent),
            ("camstream_source_reconnects", "Times that the source was opened again", counters.reconnects),
            ("camstream_header_changes", "Times that the data header of the stream changed", counters.header_changes),
        ):
            yield CounterMetricFamily(name, text, value)
        drops = CounterMetricFamily("camstream_frames_dropped", "Frames lost, by hop and reason", labels=["hop", "reason"])
        # All from zero, so that the first drop is seen as an increase, and not as a series that begins.
        never = {f"{hop}/{reason}": 0 for hop, reasons in HOPS.items() for reason in reasons}
        for key, count in (never | counters.drops()).items():
            drops.add_metric(key.split("/", 1), count)
        yield drops
        applies = CounterMetricFamily("camstream_config_applies", "New configurations of a running worker, by result", labels=["result"])
        for result in APPLIES:
            applies.add_metric([result], counters.config_applies[result])
        yield applies
        fits = CounterMetricFamily("camstream_fit_failures", "Messages with a fit that did not converge, by fit", labels=["fit"])
        for fit in FITS:
            fits.add_metric([fit], counters.fit_failures[fit])
        yield fits

    def _gauges(self) -> Iterator[Metric]:
        runner, state = self._runner, self._runner.state
        completed = bool(state.ended) and runner.finished.is_set()
        if not isinstance(runner.job.plan, OwnProgram):
            # A script that reads and sends by itself has no source that could be down, and no stream that could stand still.
            connected = int(state.connected and not completed)
            yield GaugeMetricFamily(INPUT_CONNECTED, "1 while frames come from the source; not of pipelines of type Script", connected)
        for name, text, number in (
            ("camstream_clients", "Readers that are connected", runner.clients),
            ("camstream_completed", "1 once the last frame has been sent, and no more will come", int(completed)),
            ("camstream_queue_depth", "Frames that wait for processing", runner.queue_depth()),
            ("camstream_last_sent_timestamp_seconds", "When the last message was sent; 0 before the first", state.last_sent),
            ("camstream_background_loaded", "1 while a background is in use", int(self._background() is not None)),
            (
                "camstream_config_rejected",
                "1 while the newest configuration is refused, and the one before goes on",
                int(self._config().rejected_reason is not None),
            ),
        ):
            yield GaugeMetricFamily(name, text, number)

    def _infos(self) -> Iterator[Metric]:
        background = GaugeMetricFamily("camstream_background_info", "Always 1; the background in use, by its id", labels=["background"])
        if (used := self._background()) is not None:
            background.add_metric([used], 1)
        yield background
        info = GaugeMetricFamily("camstream_build_info", "Always 1", labels=["version"])
        info.add_metric([__version__], 1)
        yield info

    def _background(self) -> str | None:
        """Id of the background in use."""
        job = self._runner.job
        return job.config.background.name if job.config.background is not None and not job.problem else None
