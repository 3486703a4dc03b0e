"""What a worker tells about itself."""

import time

import pytest

from camstream.errors import ScriptError
from camstream.spec import WorkerConfig
from camstream.spec.report import ConfigReport
from camstream.spec.status import ExitStatus, Phase
from camstream_worker.counters import Counters
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
