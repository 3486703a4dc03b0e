"""Makes the worker's report from the state of its runner."""

import os
import time
from collections import deque

from camstream.spec.report import ConfigReport, FrameCounts, InputReport, LastFrame, WorkerReport
from camstream.spec.status import BackgroundUse, ExitStatus, ImageStatus, Phase, ScriptUse, StreamStatus
from camstream_worker.pipeline.streams import Refusal
from camstream_worker.runtime.own_program import OwnProgram
from camstream_worker.runtime.runner import FORGOTTEN_S, NO_FRAME_YET, Runner

SLOW_CALL_S = 3.0
"""[s] A call of a script that takes longer is told."""

WINDOW_S = 5.0
"""[s] Rates are means over this time."""

FIRST_FRAME_S = 10.0
"""[s] A first frame that takes longer is waited for. Sources that know what is wrong say so sooner."""

FAILING_S = 2.0
"""[s] After nothing but frames that failed for so long, none flow."""


class Rates:
    """Frames per second over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def sample(self, now: float, received: int, sent: int) -> None:
        self._samples.append((now, received, sent))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW_S:
            self._samples.popleft()

    def rates(self) -> tuple[float, float]:
        """Received and sent [Hz]."""
        if len(self._samples) < 2:
            return 0.0, 0.0
        (t0, received0, sent0), (t1, received1, sent1) = self._samples[0], self._samples[-1]
        span = max(t1 - t0, 1e-6)
        return round((received1 - received0) / span, 3), round((sent1 - sent0) / span, 3)


def make_report(runner: Runner, config: ConfigReport, started_at: float, rates: Rates, how_it_ended: ExitStatus | None) -> WorkerReport:
    """:param how_it_ended: where it only stays to tell that"""
    state, counters, job = runner.state, runner.counters, runner.job
    used = job.config.background if not job.problem else None
    receive_rate, send_rate = rates.rates()
    phase, message = _phase(runner, time.time() - started_at, how_it_ended)
    return WorkerReport(
        kind=job.config.kind,
        name=job.config.name,
        external_name=job.config.external_name,
        pid=os.getpid(),
        started_at=started_at,
        phase=phase,
        message=message,
        config=config,
        stream=StreamStatus(address=runner.address, mode=job.config.spec.output.mode),
        image=_image(runner),
        input=InputReport(address=state.source, connected=state.connected, message=state.input_message),
        frames=FrameCounts(
            received=counters.received,
            processed=counters.processed,
            sent=counters.sent,
            dropped=counters.drops(),
            failed=counters.failed,
        ),
        receive_rate=receive_rate,
        send_rate=send_rate,
        bytes_sent=counters.bytes_sent,
        clients=runner.clients,
        idle_seconds=_rounded(runner.idle_s),
        last_frame=None
        if state.last_pulse_id is None
        else LastFrame(pulse_id=state.last_pulse_id, age_seconds=round(max(time.time() - state.last_sent, 0), 3)),
        background=BackgroundUse(name=used.name, sha256=used.sha256) if used else None,
        script=_script(runner),
        last_error=_last_error(runner),
        exit=how_it_ended,
    )


def _last_error(runner: Runner) -> str:
    """Why its job lacks something is worth more than that frames fail without it."""
    return runner.job.problem or runner.state.failing_with or runner.state.last_error


def _script(runner: Runner) -> ScriptUse | None:
    job, state = runner.job, runner.state
    if job.config.pipeline is None or job.config.pipeline.script is None:
        return None
    recent = time.monotonic() - state.script_failed_at < FORGOTTEN_S
    error = state.script_error if recent else ""
    if isinstance(job.plan, Refusal):
        error = job.problem
    elif _has_not_returned(runner):
        error = _waits_for_call(runner)
    return ScriptUse(sha256=job.script.sha256 if job.script else None, error=error)


def _has_not_returned(runner: Runner) -> bool:
    return runner.job.call_limit_s > 0 and runner.longest_call()[0] > SLOW_CALL_S


def _waits_for_call(runner: Runner) -> str:
    name = runner.job.script.name if runner.job.script else runner.job.config.name
    then = "ends" if runner.job.config.fails_for_good else "is started anew"
    return f"script {name!r} has not returned yet; if it does not within {runner.job.call_limit_s} s, the worker {then}"


def _phase(runner: Runner, running_s: float, how_it_ended: ExitStatus | None) -> tuple[Phase, str]:
    state = runner.state
    if runner.failure is not None:
        # It is about to end. Who hears that it has failed asks how, and until it has ended nobody knows.
        return Phase.FAILED if how_it_ended else Phase.WAITING, str(runner.failure)
    if state.ended and runner.finished.is_set():
        return Phase.COMPLETED, state.ended
    if not runner.ready.is_set():
        return Phase.STARTING, "the stream is being opened"
    if _has_not_returned(runner):
        return Phase.WAITING, _waits_for_call(runner)
    if isinstance(runner.job.plan, Refusal):
        return Phase.WAITING, runner.job.problem
    if isinstance(runner.job.plan, OwnProgram):
        return Phase.RUNNING, ""
    if not state.connected:
        fresh = state.input_message == NO_FRAME_YET and running_s < FIRST_FRAME_S
        return Phase.STARTING if fresh else Phase.WAITING, state.input_message
    if runner.job.selection.pause:
        return Phase.WAITING, "paused: selection.pause drops every frame"
    failing_since = state.failing_since
    if failing_since is not None and time.monotonic() - failing_since > FAILING_S:
        return Phase.WAITING, _last_error(runner)
    if state.last_pulse_id is None and runner.counters.failed:
        return Phase.WAITING, _last_error(runner)
    if state.last_pulse_id is None and not runner.counters.processed:
        return Phase.STARTING, "the first frame is being processed"
    return Phase.RUNNING, runner.job.problem


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _image(runner: Runner) -> ImageStatus:
    image = runner.state.image
    if image is None:
        return ImageStatus()
    return ImageStatus(width=image.shape[1], height=image.shape[0], pixel_type=str(image.dtype))
