"""Prometheus metrics of a worker. Counters are read when they are scraped; only two histograms cost anything per frame."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from camstream import __version__
from camstream_worker.runtime.runner import Observers, Runner

AGE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
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
        self.observers = Observers(processed=self._processing.observe, sent=self._age.observe)

    def watch(self, runner: Runner) -> None:
        """Add the numbers that the runner counts by itself."""
        self.registry.register(_RunnerCollector(runner))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _RunnerCollector:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[Metric]:
        runner, counters, state = self._runner, self._runner.counters, self._runner.state
        for name, text, value in (
            ("camstream_frames_received", "Frames that the source delivered", counters.received),
            ("camstream_frames_processed", "Frames that were processed", counters.processed),
            ("camstream_frames_sent", "Messages that were sent to every client", counters.sent),
            ("camstream_frames_failed", "Frames that could not be processed", counters.failed),
            ("camstream_bytes_received", "Bytes received from the input stream", counters.bytes_received),
            ("camstream_bytes_sent", "Bytes of the messages sent, once however many clients there are", counters.bytes_sent),
            ("camstream_source_reconnects", "Times that the source was opened again", counters.reconnects),
            ("camstream_header_changes", "Times that the data header of the stream changed", counters.header_changes),
        ):
            yield CounterMetricFamily(name, text, value)
        drops = CounterMetricFamily("camstream_frames_dropped", "Frames lost, by hop and reason", labels=["hop", "reason"])
        for key, count in counters.drops().items():
            drops.add_metric(key.split("/", 1), count)
        yield drops
        for name, text, number in (
            ("camstream_clients", "Readers that are connected", runner.clients),
            ("camstream_input_connected", "1 while frames come from the source", int(state.connected)),
            ("camstream_queue_depth", "Frames that wait for processing", runner.queue_depth()),
            ("camstream_last_sent_timestamp_seconds", "When the last message was sent", state.last_sent),
            ("camstream_background_loaded", "1 while a background is in use", int(runner.job.config.background is not None)),
        ):
            yield GaugeMetricFamily(name, text, number)
        info = GaugeMetricFamily("camstream_build_info", "Always 1", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
