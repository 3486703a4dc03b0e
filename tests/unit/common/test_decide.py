from datetime import UTC, datetime
from typing import Any

import pytest
from objects import make_camera, make_pipeline

from camstream.decide import Seen, decide_status, headline
from camstream.errors import BrokenReference, ImmutableField, SpecError
from camstream.spec import Camera, Pipeline, StoredBackground, WorkerConfig
from camstream.spec.report import ConfigReport, InputReport, WorkerReport
from camstream.spec.status import BackgroundUse, CameraStatus, ExitStatus, ImageStatus, Phase, PipelineStatus, StreamStatus

NOW = datetime(2026, 8, 21, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 8, 21, 12, 5, 0, tzinfo=UTC)
SHA = "a" * 64


def config_of(thing: Camera | Pipeline, background: StoredBackground | None = None) -> WorkerConfig:
    return WorkerConfig(
        kind=thing.kind,
        name=thing.name,
        external_name=thing.external_name,
        camera=thing.spec if isinstance(thing, Camera) else None,
        pipeline=thing.spec if isinstance(thing, Pipeline) else None,
        input_name="GUN",
        background=background,
        stream_address="tcp://127.0.0.1:9999",
        http_port=8080,
    )


def report_of(config: WorkerConfig, phase: Phase = Phase.RUNNING, connected: bool = True, **more: Any) -> WorkerReport:
    fields: dict[str, Any] = {
        "kind": config.kind,
        "name": config.name,
        "external_name": config.external_name,
        "pid": 1,
        "started_at": 0.0,
        "phase": phase,
        "config": ConfigReport(applied_hash=config.digest(), applied_at=0.0),
        "stream": StreamStatus(address="tcp://0.0.0.0:9999", mode="Pub"),
        "input": InputReport(address="simulation", connected=connected),
        "image": ImageStatus(width=64, height=48, pixel_type="uint16"),
        "clients": 2,
    }
    return WorkerReport(**(fields | more))


def decide(thing: Camera | Pipeline, config: WorkerConfig | SpecError, seen: Seen, previous: Any = None, now: datetime = NOW) -> Any:
    return decide_status(thing, config, seen, previous or thing.status, now)


def facts(status: CameraStatus | PipelineStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status.value, c.reason) for c in status.conditions}


CAMERA = make_camera(generation=3)
CONFIG = config_of(CAMERA)
REPORT = report_of(CONFIG)
CRASH = ExitStatus(reason="Crashed", exit_code=1, message="it ended with exit code 1")


@pytest.mark.parametrize(
    ("thing", "config", "seen", "phase"),
    [
        pytest.param(CAMERA, CONFIG, Seen(), Phase.STARTING, id="a worker that does not answer yet starts"),
        pytest.param(CAMERA, CONFIG, Seen(report=REPORT), Phase.RUNNING, id="frames flow"),
        pytest.param(CAMERA, CONFIG, Seen(report=report_of(CONFIG, Phase.WAITING, False)), Phase.WAITING, id="the source is silent"),
        pytest.param(CAMERA, CONFIG, Seen(exit=CRASH), Phase.FAILED, id="a crash"),
        pytest.param(CAMERA, CONFIG, Seen(exit=ExitStatus(reason="Completed", exit_code=0)), Phase.COMPLETED, id="the last frame"),
        pytest.param(CAMERA, CONFIG, Seen(exit=ExitStatus(reason="NoAnswer")), Phase.FAILED, id="a worker that hangs"),
        pytest.param(CAMERA, SpecError("wrong"), Seen(), Phase.FAILED, id="a wrong spec"),
        pytest.param(CAMERA, SpecError("wrong"), Seen(report=REPORT), Phase.RUNNING, id="a wrong edit of what runs"),
        pytest.param(CAMERA, BrokenReference("none"), Seen(), Phase.PENDING, id="what it refers to may still come"),
        pytest.param(make_camera(lifecycle={"mode": "Stopped"}), CONFIG, Seen(), Phase.STOPPED, id="stopped"),
        pytest.param(make_camera(lifecycle={"mode": "Stopped"}), CONFIG, Seen(report=REPORT), Phase.STOPPED, id="being stopped"),
        pytest.param(make_camera(lifecycle={"mode": "Stopped"}), CONFIG, Seen(exit=CRASH), Phase.STOPPED, id="stopped after a crash"),
    ],
)
def test_phase_says_in_one_word_how_an_object_is(thing: Camera, config: Any, seen: Seen, phase: Phase) -> None:
    assert decide(thing, config, seen).phase is phase


@pytest.mark.parametrize(
    ("config", "seen", "expected"),
    [
        pytest.param(
            CONFIG,
            Seen(report=REPORT),
            {
                "Accepted": ("True", "Valid"),
                "Active": ("True", "Running"),
                "ConfigApplied": ("True", "Applied"),
                "InputConnected": ("True", "FramesArrive"),
                "Ready": ("True", "FramesFlow"),
            },
            id="all is well",
        ),
        pytest.param(
            CONFIG,
            Seen(),
            {
                "Accepted": ("True", "Valid"),
                "Active": ("False", "Starting"),
                "ConfigApplied": ("Unknown", "Starting"),
                "InputConnected": ("Unknown", "Starting"),
                "Ready": ("False", "Starting"),
            },
            id="the worker starts",
        ),
        pytest.param(
            CONFIG,
            Seen(report=report_of(CONFIG, Phase.WAITING, connected=False)),
            {
                "Accepted": ("True", "Valid"),
                "Active": ("True", "Running"),
                "ConfigApplied": ("True", "Applied"),
                "InputConnected": ("False", "NoFrames"),
                "Ready": ("False", "Waiting"),
            },
            id="the source is silent",
        ),
        pytest.param(
            ImmutableField("no"),
            Seen(report=REPORT),
            {
                "Accepted": ("False", "ImmutableField"),
                "Active": ("True", "Running"),
                "ConfigApplied": ("False", "NotAccepted"),
                "InputConnected": ("True", "FramesArrive"),
                "Ready": ("True", "FramesFlow"),
            },
            id="a refused edit leaves the worker alone",
        ),
        pytest.param(
            CONFIG,
            Seen(exit=CRASH),
            {
                "Accepted": ("True", "Valid"),
                "Active": ("False", "Crashed"),
                "ConfigApplied": ("Unknown", "Crashed"),
                "InputConnected": ("Unknown", "Crashed"),
                "Ready": ("False", "Crashed"),
            },
            id="a crash",
        ),
    ],
)
def test_conditions_tell_each_fact_apart(config: Any, seen: Seen, expected: dict[str, tuple[str, str]]) -> None:
    assert facts(decide(CAMERA, config, seen)) == expected


def test_equal_inputs_at_a_later_time_give_an_equal_status() -> None:
    first = decide(CAMERA, CONFIG, Seen(report=REPORT, address="tcp://gun:9999"))
    assert decide(CAMERA, CONFIG, Seen(report=REPORT, address="tcp://gun:9999"), first, LATER) == first


def test_transition_time_moves_only_for_the_conditions_whose_status_flips() -> None:
    running = decide(CAMERA, CONFIG, Seen(report=REPORT))
    silent = decide(CAMERA, CONFIG, Seen(report=report_of(CONFIG, Phase.WAITING, connected=False)), running, LATER)
    times = {c.type: c.last_transition_time for c in silent.conditions}
    assert times == {
        "Accepted": "2026-08-21T12:00:00Z",
        "Active": "2026-08-21T12:00:00Z",
        "ConfigApplied": "2026-08-21T12:00:00Z",
        "InputConnected": "2026-08-21T12:05:00Z",
        "Ready": "2026-08-21T12:05:00Z",
    }


def test_a_new_message_alone_is_no_transition() -> None:
    first = decide(CAMERA, CONFIG, Seen(exit=CRASH))
    second = decide(CAMERA, CONFIG, Seen(exit=CRASH.model_copy(update={"message": "another"})), first, LATER)
    assert [c.last_transition_time for c in second.conditions] == [c.last_transition_time for c in first.conditions]
    assert headline(second) == "another"


def test_status_tells_stream_image_clients_hashes_and_generation() -> None:
    status = decide(CAMERA, CONFIG, Seen(report=REPORT, address="tcp://gun.default.svc:9999"))
    assert status.stream == StreamStatus(address="tcp://gun.default.svc:9999", mode="Pub")
    assert (status.image.width, status.image.height, status.clients) == (64, 48, 2)
    assert status.config.desired_hash == status.config.applied_hash == CONFIG.digest()
    assert status.observed_generation == 3
    assert {c.observed_generation for c in status.conditions} == {3}


def test_address_and_last_image_stay_while_the_worker_is_down() -> None:
    running = decide(CAMERA, CONFIG, Seen(report=REPORT, address="tcp://gun:9999"))
    down = decide(CAMERA, CONFIG, Seen(exit=CRASH, address="tcp://gun:9999"), running)
    assert down.stream.address == "tcp://gun:9999"
    assert down.image == running.image
    assert down.clients is None


def test_how_the_worker_ended_last_is_kept_when_it_runs_again() -> None:
    crashed = decide(CAMERA, CONFIG, Seen(exit=CRASH))
    assert decide(CAMERA, CONFIG, Seen(report=REPORT), crashed).worker.last_exit == CRASH


def test_rejected_configuration_is_told_with_the_reason_of_the_worker() -> None:
    wanted = config_of(make_camera(pixelType="uint8"))
    report = report_of(CONFIG).model_copy(
        update={
            "config": ConfigReport(applied_hash=CONFIG.digest(), applied_at=0, rejected_hash=wanted.digest(), rejected_reason="too large")
        }
    )
    status = decide(CAMERA, wanted, Seen(report=report))
    assert facts(status)["ConfigApplied"] == ("False", "Rejected")
    assert headline(status) == "too large; the configuration before goes on"


def test_configuration_that_is_on_its_way_is_told() -> None:
    wanted = config_of(make_camera(pixelType="uint8"))
    assert facts(decide(CAMERA, wanted, Seen(report=REPORT)))["ConfigApplied"] == ("False", "Outdated")


STORED = StoredBackground(name="GUN_1", path="/backgrounds/GUN_1.npy", sha256=SHA)


@pytest.mark.parametrize(
    ("background", "found", "used", "expected", "message"),
    [
        pytest.param({}, None, None, ("False", "NotFound"), "there is no background of 'GUN' yet", id="none collected"),
        pytest.param({"name": "dark"}, None, None, ("False", "NotFound"), "background 'dark' does not exist", id="no such name"),
        pytest.param({}, STORED, BackgroundUse(name="GUN_1", sha256=SHA), ("True", "Loaded"), "", id="in use"),
        pytest.param({}, STORED, None, ("False", "NotLoaded"), "does not use the background", id="not in use"),
        pytest.param(
            {}, STORED, BackgroundUse(name="GUN_0", sha256="b" * 64), ("False", "Outdated"), "still uses", id="another one in use"
        ),
    ],
)
def test_background_loaded_says_what_happened_to_the_background(
    background: Any, found: StoredBackground | None, used: BackgroundUse | None, expected: tuple[str, str], message: str
) -> None:
    pipeline = make_pipeline(processing={"background": background})
    config = config_of(pipeline, found)
    status = decide(pipeline, config, Seen(report=report_of(config, background=used)))
    assert facts(status)["BackgroundLoaded"] == expected
    assert message in headline(status)
    assert status.background == used


def test_no_condition_about_a_background_that_nobody_asked_for() -> None:
    assert "BackgroundLoaded" not in facts(decide(CAMERA, CONFIG, Seen(report=REPORT)))


@pytest.mark.parametrize(
    ("config", "seen", "message"),
    [
        pytest.param(CONFIG, Seen(report=REPORT), "", id="nothing is wrong"),
        pytest.param(SpecError("port 1 is taken"), Seen(), "port 1 is taken", id="the cause hides what follows from it"),
        pytest.param(CONFIG, Seen(exit=CRASH), "it ended with exit code 1", id="how it ended"),
        pytest.param(CONFIG, Seen(exit=ExitStatus(reason="?", exit_code=1)), "the worker ended with exit code 1", id="no words"),
    ],
)
def test_headline_is_the_message_that_a_person_needs_first(config: Any, seen: Seen, message: str) -> None:
    assert headline(decide(CAMERA, config, seen)) == message


def test_a_reason_that_kubernetes_would_refuse_is_replaced() -> None:
    assert facts(decide(CAMERA, CONFIG, Seen(exit=ExitStatus(reason="out of memory!", exit_code=137))))["Active"] == ("False", "Failed")
