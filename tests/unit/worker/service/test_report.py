"""What a worker tells about itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from ports import free_port
from waiting import wait_for

from camstream.errors import FrameError, ScriptError
from camstream.frame import Frame
from camstream.spec import WorkerConfig
from camstream.spec.report import ConfigReport, WorkerReport
from camstream.spec.status import ExitStatus, Phase
from camstream_operator.cluster.reports import essence
from camstream_worker.counters import Counters
from camstream_worker.pipeline.streams import Made
from camstream_worker.runtime.runner import Runner
from camstream_worker.service.configuration import prepare
from camstream_worker.service.report import Rates, make_report

CONFIG = {
    "kind": "Camera",
    "name": "cam",
    "externalName": "CAM",
    "camera": {"source": {"simulation": {}}},
    "streamAddress": "tcp://127.0.0.1:1",
    "httpPort": 1,
}

STARTED = time.time()
SOURCE = {"simulation": {"width": 16, "height": 12, "frameRate": 50}}


@pytest.mark.parametrize(
    ("how_it_ended", "phase"),
    [(None, Phase.WAITING), (ExitStatus(reason="ScriptError", exit_code=1, message="no beam"), Phase.FAILED)],
)
def test_worker_has_failed_once_it_is_known_how(how_it_ended: ExitStatus | None, phase: Phase) -> None:
    counters = Counters()
    runner = Runner(prepare(WorkerConfig.model_validate(CONFIG)), counters)
    runner.fail(ScriptError("no beam"))
    told = make_report(runner, ConfigReport(applied_hash="0", applied_at=0), time.time(), Rates(), how_it_ended)
    assert (told.phase, told.message, told.exit) == (phase, "no beam", how_it_ended)


class Failing:
    """A plan of which every frame fails, each with other words."""

    def __init__(self, words: str = "too dark") -> None:
        self._words = words

    def prepare(self, example: Frame) -> None:
        pass

    def process(self, frame: Frame) -> Made:
        raise FrameError(f"{self._words} at pulse {frame.pulse_id}")


@contextmanager
def failing() -> Iterator[Runner]:
    config = WorkerConfig.model_validate(CONFIG | {"streamAddress": f"tcp://127.0.0.1:{free_port()}", "camera": {"source": SOURCE}})
    runner = Runner(replace(prepare(config), plan=Failing()), Counters())
    runner.start()
    try:
        yield runner
    finally:
        assert runner.stop(10)


def told(runner: Runner) -> WorkerReport:
    return make_report(runner, ConfigReport(applied_hash="0", applied_at=0), STARTED, Rates(), None)


def wait_for_failures(runner: Runner, number: int) -> None:
    goal = runner.counters.failed + number
    wait_for(f"{number} frames fail", lambda: runner.counters.failed >= goal)


def test_frames_that_all_fail_are_told_once_and_are_no_news_afterwards() -> None:
    with failing() as runner:
        wait_for_failures(runner, 2)
        first = told(runner)
        assert first.phase is Phase.WAITING
        assert "too dark at pulse" in first.message
        wait_for_failures(runner, 5)
        later = told(runner)
        assert runner.state.last_error != first.last_error, "the failures differ"
        assert (later.message, later.last_error) == (first.message, first.last_error)
        assert essence(later) == essence(first)


def test_edit_after_which_frames_fail_otherwise_is_told() -> None:
    with failing() as runner:
        wait_for_failures(runner, 2)
        runner.apply(replace(runner.job, plan=Failing("too bright")))
        wait_for_failures(runner, 2)
        assert "too bright at pulse" in told(runner).message
