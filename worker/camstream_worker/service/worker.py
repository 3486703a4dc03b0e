"""One worker, put together: configuration, runner, reload, HTTP."""

import logging
import threading
import time
from pathlib import Path

from camstream.errors import ScriptTimeout, SpecError
from camstream.spec.status import ExitStatus
from camstream_worker.counters import Counters
from camstream_worker.runtime.job import Job
from camstream_worker.runtime.runner import Runner
from camstream_worker.service.configuration import Reloader, prepare_first, read_config
from camstream_worker.service.ending import end_for_good, expected
from camstream_worker.service.memory import begin_to_collect, release_compiler

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""[s] How often to look whether a new job has loaded its kernels."""

FIRST_S = 0.5
"""[s] How long to wait for the first frame, before that which only tells of the stream is loaded."""

STOP_S = 1.5
"""[s] Time for the stream to end."""


class Worker:
    """Runs until its stream ends, fails, or it is stopped."""

    def __init__(self, path: Path, stopped: threading.Event, stay: bool = False) -> None:
        """
        :param stopped: set when it is to stop
        :param stay: go on to answer when the stream has ended for good, until stopped or edited
        :raises camstream.errors.SpecError: if the configuration file is wrong
        """
        self._stay = stay
        self._stopped = stopped
        self._path = path
        self._config = read_config(path)
        self.ended = ""

    def run(self) -> None:
        """
        :raises camstream.errors.CamstreamError: what ended the stream, if it failed
        :raises OSError: if an address cannot be had
        """
        from camstream_worker.service.metrics import Metrics
        from camstream_worker.service.report import Rates, make_report

        started_at = time.time()
        metrics, rates = Metrics(), Rates()
        runner = Runner(prepare_first(self._config), Counters(), metrics.observers)
        reloader = Reloader(self._path, runner)
        metrics.watch(runner, lambda: reloader.report)
        runner.start()
        threading.Thread(target=self._stop_when_finished, args=(runner,), name="finish", daemon=True).start()
        # They take the processor for a while: the first frame goes before them, if there is one.
        runner.first.wait(FIRST_S)
        from camstream_worker.service.http import HttpService

        http = HttpService(
            runner, metrics, lambda: make_report(runner, reloader.report, started_at, rates, self._only_stays(runner)), rates
        )
        follower = threading.Thread(target=reloader.follow, name="reload", daemon=True)
        try:
            http.start(self._config.http_host, self._config.http_port)
            log.info("stream %s, http://%s:%s", runner.address, self._config.http_host, http.port)
            follower.start()
            begin_to_collect()
            edited = self._run_until_stopped(runner, reloader)
        finally:
            reloader.stop()
            ended_in_time = runner.stop(STOP_S)
            http.stop()
        if edited:
            return  # how it ended was told; the next one begins with the new configuration
        self.ended = runner.state.ended
        if runner.failure is not None:
            told = expected(runner.failure)
            raise told from (None if told is runner.failure else runner.failure)
        if not ended_in_time:
            log.warning("a thread did not end within %s s; leaving without it", STOP_S)

    def _run_until_stopped(self, runner: Runner, reloader: Reloader) -> bool:
        """:returns: whether it ends because something was edited after the stream had ended"""
        lean_since: Job | None = None
        while not self._stopped.wait(LOOK_S):
            if runner.finished.is_set():
                if self._differs(reloader.report.applied_hash):
                    log.info("ended, and edited since: the next worker begins with the new configuration")
                    return True
                continue
            _end_endless_calls(runner)
            if runner.job is not lean_since and runner.counters.processed:
                lean_since = runner.job
                release_compiler()
        return False

    def _differs(self, digest: str) -> bool:
        """Whether the file has another valid configuration by now."""
        try:
            return read_config(self._path).digest() != digest
        except SpecError:
            return False

    def _only_stays(self, runner: Runner) -> ExitStatus | None:
        """How the stream ended, where this process goes on for nothing but to tell."""
        return end_for_good(runner) if self._stay else None

    def _stop_when_finished(self, runner: Runner) -> None:
        runner.finished.wait()
        if self._only_stays(runner) is None:
            self._stopped.set()


def _end_endless_calls(runner: Runner) -> None:
    """End the stream if a call of the user's script has not returned for too long; only a new process gets rid of it."""
    seconds, pulse_id = runner.longest_call()
    limit = runner.job.call_limit_s
    if limit and seconds > limit:
        name = runner.job.script.name if runner.job.script else runner.job.config.name
        then = "" if runner.job.config.fails_for_good else "; the worker is started anew"
        runner.fail(ScriptTimeout(f"script {name!r} has not returned for {limit} s at pulse {pulse_id} (script.timeoutSeconds){then}"))
