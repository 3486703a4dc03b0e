from datetime import UTC, datetime
from typing import Any

import pytest
from objects import make_camera, make_pipeline

from camstream.decide import FALSE, TRUE, Finding, Seen, decide_invalid, decide_status, ended_for_good, headline, stopped
from camstream.errors import BrokenReference, ClassNotAllowed, ImmutableField, NameConflict, SpecError
from camstream.spec import Camera, Pipeline, StoredBackground, WorkerConfig
from camstream.spec.report import ConfigReport, InputReport, WorkerReport
from camstream.spec.status import (
    BackgroundUse,
    CameraStatus,
    ConditionType,
    ConfigStatus,
    ExitStatus,
    ImageStatus,
    Phase,
    PipelineStatus,
    ScriptUse,
    StreamStatus,
    WorkerStatus,
)

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


def test_background_is_not_told_to_be_missing_before_the_worker_has_heard_of_it() -> None:
    pipeline = make_pipeline(processing={"background": {}})
    config = config_of(pipeline, STORED)
    status = decide(pipeline, config, Seen(report=report_of(config_of(pipeline))))
    assert facts(status)["BackgroundLoaded"] == ("False", "Outdated")


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


# ---------------------------------------------------------------------- on a cluster

APPLIED = Finding(TRUE, "Applied")
REFUSED = Finding(FALSE, "Forbidden", "the operator may not do this")
NO_IMAGE = Finding(FALSE, "ImagePullBackOff", "image 'x' cannot be pulled")


@pytest.mark.parametrize(
    ("config", "seen", "phase", "expected"),
    [
        pytest.param(
            CONFIG,
            Seen(report=REPORT, deployed=APPLIED),
            Phase.RUNNING,
            {"Deployed": ("True", "Applied"), "Active": ("True", "Running"), "Ready": ("True", "FramesFlow")},
            id="all is well",
        ),
        pytest.param(
            CONFIG,
            Seen(deployed=APPLIED),
            Phase.STARTING,
            {"Deployed": ("True", "Applied"), "Active": ("False", "Starting"), "Ready": ("False", "Starting")},
            id="the worker starts",
        ),
        pytest.param(
            CONFIG,
            Seen(deployed=REFUSED),
            Phase.FAILED,
            {"Deployed": ("False", "Forbidden"), "Active": ("False", "NotDeployed"), "Ready": ("False", "NotDeployed")},
            id="what it needs was refused",
        ),
        pytest.param(
            CONFIG,
            Seen(deployed=REFUSED, report=REPORT),
            Phase.RUNNING,
            {"Deployed": ("False", "Forbidden"), "Active": ("True", "Running"), "Ready": ("True", "FramesFlow")},
            id="an edit was refused while the worker goes on",
        ),
        pytest.param(
            CONFIG,
            Seen(deployed=APPLIED, obstacle=NO_IMAGE),
            Phase.FAILED,
            {"Deployed": ("True", "Applied"), "Active": ("False", "ImagePullBackOff"), "Ready": ("False", "ImagePullBackOff")},
            id="it cannot start",
        ),
        pytest.param(
            CONFIG,
            Seen(deployed=APPLIED, obstacle=NO_IMAGE, exit=CRASH),
            Phase.FAILED,
            {"Deployed": ("True", "Applied"), "Active": ("False", "ImagePullBackOff"), "Ready": ("False", "ImagePullBackOff")},
            id="what is in the way now says more than how it ended before",
        ),
        pytest.param(
            ClassNotAllowed("no such class"),
            Seen(deployed=Finding(FALSE, "NotAccepted")),
            Phase.FAILED,
            {"Accepted": ("False", "ClassNotAllowed"), "Deployed": ("False", "NotAccepted"), "Active": ("False", "NotAccepted")},
            id="nothing is made of a spec that is not accepted",
        ),
        pytest.param(
            NameConflict("taken"),
            Seen(deployed=APPLIED, report=REPORT),
            Phase.RUNNING,
            {"Accepted": ("False", "NameConflict"), "Deployed": ("True", "Applied"), "ConfigApplied": ("False", "NotAccepted")},
            id="its name was taken while it runs",
        ),
    ],
)
def test_on_a_cluster_it_is_told_whether_kubernetes_has_what_the_worker_needs(
    config: Any, seen: Seen, phase: Phase, expected: dict[str, tuple[str, str]]
) -> None:
    status = decide(CAMERA, config, seen)
    assert status.phase is phase
    assert facts(status).items() >= expected.items()


def test_outside_a_cluster_nothing_is_told_about_one() -> None:
    assert {"Deployed", "ReconciliationPaused"} & set(facts(decide(CAMERA, CONFIG, Seen(report=REPORT)))) == set()


def test_what_was_refused_is_the_first_thing_to_read() -> None:
    status = decide(CAMERA, CONFIG, Seen(deployed=REFUSED))
    assert headline(status) == REFUSED.message
    assert {c.message for c in status.conditions if c.type in ("Active", "Ready")} == {REFUSED.message}


@pytest.mark.parametrize("seen", [Seen(deployed=REFUSED), Seen(obstacle=NO_IMAGE)], ids=["refused", "no image"])
def test_a_stopped_object_is_stopped_whatever_is_in_the_way(seen: Seen) -> None:
    camera = make_camera(lifecycle={"mode": "Stopped"})
    status = decide(camera, config_of(camera), seen)
    assert (status.phase, facts(status)["Active"]) == (Phase.STOPPED, ("False", "Stopped"))


def test_conditions_come_in_the_order_in_which_one_explains_the_next() -> None:
    pipeline = make_pipeline(processing={"background": {}}, script={"source": "pass"})
    status = decide(pipeline, config_of(pipeline), Seen(deployed=APPLIED, paused=True))
    assert [condition.type for condition in status.conditions] == [
        "Accepted",
        "Deployed",
        "Active",
        "ConfigApplied",
        "InputConnected",
        "BackgroundLoaded",
        "ScriptRuns",
        "Ready",
        "ReconciliationPaused",
    ]
    assert {condition.type for condition in status.conditions} == set(ConditionType)


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (ScriptUse(sha256="a" * 64), ("True", "Runs", "")),
        (
            ScriptUse(error="script 'fit': mine.py:3: KeyError"),
            ("False", "ScriptError", "script 'fit': mine.py:3: KeyError"),
        ),
        (None, ("Unknown", "NotRunning", "")),
    ],
)
def test_what_is_wrong_with_a_script_is_told_with_its_place(use: ScriptUse | None, expected: tuple[str, str, str]) -> None:
    pipeline = make_pipeline(script={"source": "pass"})
    status = decide(pipeline, config_of(pipeline), Seen(report=report_of(config_of(pipeline), script=use)))
    [found] = [condition for condition in status.conditions if condition.type == "ScriptRuns"]
    assert (found.status, found.reason, found.message) == expected
    assert status.script == use


WANTED = config_of(make_camera(output={"queueSize": 5}))


def test_a_worker_that_is_about_to_be_replaced_is_told_as_such() -> None:
    status = decide(CAMERA, WANTED, Seen(report=REPORT, replaced=True, deployed=APPLIED))
    assert facts(status)["ConfigApplied"] == ("False", "RollingOut")
    assert (status.phase, facts(status)["Ready"]) == (Phase.RUNNING, ("True", "FramesFlow"))
    assert (status.config.desired_hash, status.config.applied_hash) == (WANTED.digest(), CONFIG.digest())


def test_a_worker_that_is_replaced_for_its_pod_alone_has_the_wanted_configuration() -> None:
    assert facts(decide(CAMERA, CONFIG, Seen(report=REPORT, replaced=True)))["ConfigApplied"] == ("True", "Applied")


def test_a_worker_that_refused_the_edit_for_which_it_is_replaced_is_not_told_as_refusing() -> None:
    refusing = ConfigReport(applied_hash=CONFIG.digest(), applied_at=0, rejected_hash=WANTED.digest(), rejected_reason="needs a restart")
    status = decide(CAMERA, WANTED, Seen(report=REPORT.model_copy(update={"config": refusing}), replaced=True))
    assert facts(status)["ConfigApplied"] == ("False", "RollingOut")


def test_a_pause_is_told_and_how_it_ends() -> None:
    status = decide(CAMERA, CONFIG, Seen(report=REPORT, deployed=APPLIED, paused=True))
    assert facts(status)["ReconciliationPaused"] == ("True", "AnnotationSet")
    assert "remove the annotation camstream.dev/pause-reconciliation" in status.conditions[-1].message
    assert headline(status) == ""
    assert "ReconciliationPaused" not in facts(decide(CAMERA, CONFIG, Seen(report=REPORT, deployed=APPLIED), status))


def test_no_new_worker_is_promised_during_a_pause() -> None:
    status = decide(CAMERA, WANTED, Seen(report=REPORT, deployed=APPLIED, replaced=True, paused=True))
    assert facts(status)["ConfigApplied"] == ("False", "Outdated")


def test_pod_node_and_address_from_outside_are_told() -> None:
    worker = WorkerStatus(pod_name="cam-gun-1", node_name="node-1", restarts=2)
    seen = Seen(report=REPORT, address="tcp://cam-gun.default.svc:9999", external_address="tcp://192.168.0.7:30123", worker=worker)
    status = decide(CAMERA, CONFIG, seen)
    assert status.worker == worker
    assert status.stream.external_address == "tcp://192.168.0.7:30123"
    ended = decide(CAMERA, CONFIG, Seen(exit=CRASH, worker=worker), status)
    assert ended.worker == worker.model_copy(update={"last_exit": CRASH})


# ---------------------------------------------------------------------- stopped and ended for good


def test_stopped_is_what_asks_for_no_worker() -> None:
    assert stopped(make_camera(lifecycle={"mode": "Stopped"})) is True
    assert stopped(make_camera()) is False


DONE = ExitStatus(reason="Completed", exit_code=0)
BROKEN = ExitStatus(reason="ScriptError", exit_code=1, message="script 'fit', line 2: ValueError: no beam")


def status_of_ended(config: WorkerConfig) -> CameraStatus:
    return CameraStatus(phase=Phase.COMPLETED, config=ConfigStatus(desired_hash=config.digest(), ended_hash=config.digest()))


def test_an_end_is_for_good_with_exactly_this_configuration() -> None:
    assert ended_for_good(CAMERA, CONFIG, status_of_ended(CONFIG)) is True
    assert ended_for_good(CAMERA, WANTED, status_of_ended(CONFIG)) is False
    assert ended_for_good(CAMERA, CONFIG, CAMERA.status) is False
    stop = make_camera(lifecycle={"mode": "Stopped"})
    assert ended_for_good(stop, config_of(stop), status_of_ended(config_of(stop))) is False


@pytest.mark.parametrize(("how", "phase"), [(DONE, Phase.COMPLETED), (BROKEN, Phase.FAILED)], ids=["completed", "failed"])
def test_what_is_told_of_an_end_for_good_keeps_the_worker_from_starting_until_an_edit(how: ExitStatus, phase: Phase) -> None:
    status = decide(CAMERA, CONFIG, Seen(exit=how, final=True, deployed=APPLIED))
    assert (status.phase, status.config.ended_hash) == (phase, CONFIG.digest())
    assert ended_for_good(CAMERA, CONFIG, status)
    edited = decide(CAMERA, WANTED, Seen(deployed=APPLIED), status)
    assert (edited.phase, edited.config.ended_hash) == (Phase.STARTING, None)


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(make_camera(lifecycle={"mode": "Stopped"}), id="stopped"),
        pytest.param(make_camera(lifecycle={"mode": "OnDemand"}), id="idle"),
    ],
)
def test_what_has_ended_and_is_not_wanted_runs_when_it_is_wanted_again(thing: Camera) -> None:
    config = config_of(thing)
    status = decide(thing, config, Seen(exit=BROKEN, final=True, idle=not stopped(thing), deployed=APPLIED))
    assert status.config.ended_hash is None


def test_a_failure_for_good_says_why_and_what_to_do_and_another_one_promises_nothing() -> None:
    status = decide(CAMERA, CONFIG, Seen(exit=BROKEN, final=True, deployed=APPLIED))
    assert facts(status)["Active"] == facts(status)["Ready"] == ("False", "ScriptError")
    told = "script 'fit', line 2: ValueError: no beam; it is not tried again: edit the spec, or create it anew"
    assert headline(status) == told
    assert status.worker.last_exit == BROKEN
    again = decide(CAMERA, CONFIG, Seen(exit=CRASH, deployed=APPLIED))
    assert (headline(again), again.config.ended_hash) == (CRASH.message, None)
    assert "not tried again" not in headline(decide(CAMERA, CONFIG, Seen(exit=DONE, final=True, deployed=APPLIED)))


# ---------------------------------------------------------------------- a spec that is wrong although it is stored


def test_a_spec_that_is_not_valid_is_told_and_nothing_else_is_known() -> None:
    running = decide(CAMERA, CONFIG, Seen(report=REPORT, deployed=APPLIED, address="tcp://gun:9999"))
    status = decide_invalid("camera/gun is not valid: threads: too many; correct it", running, 4, LATER)
    assert (status.phase, status.observed_generation) == (Phase.FAILED, 4)
    # Nobody looks any more whether frames flow.
    unknown = dict.fromkeys(facts(running), ("Unknown", "NotAccepted"))
    assert facts(status) == unknown | {"Accepted": ("False", "InvalidSpec")}
    assert headline(status) == "camera/gun is not valid: threads: too many; correct it"
    assert status.conditions[0].type == "Accepted"
    assert status.conditions[0].last_transition_time == "2026-08-21T12:05:00Z"
    assert {c.observed_generation for c in status.conditions} == {4}
    assert (status.stream, status.worker, status.config) == (running.stream, running.worker, running.config)


def test_a_condition_that_only_a_newer_version_knows_is_left_out_of_the_status_of_a_spec_that_is_not_valid() -> None:
    newer = CAMERA.status.model_validate({"conditions": [{"type": "Shines", "status": "True", "reason": "X", "lastTransitionTime": "x"}]})
    assert facts(decide_invalid("wrong", newer, 4, LATER)) == {"Accepted": ("False", "InvalidSpec")}


def test_a_spec_that_was_never_valid_is_told_alone() -> None:
    status = decide_invalid("wrong", PipelineStatus(), None, NOW)
    assert facts(status) == {"Accepted": ("False", "InvalidSpec")}
    assert isinstance(status, PipelineStatus)


def test_a_spec_that_stays_wrong_gives_an_equal_status() -> None:
    first = decide_invalid("wrong", CAMERA.status, 3, NOW)
    assert decide_invalid("wrong", first, 3, LATER) == first
