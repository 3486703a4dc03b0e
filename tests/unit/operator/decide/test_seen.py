"""From pods, a Deployment and reports to what is told about an object."""

from datetime import UTC, datetime
from typing import Any

import pytest
from objects import make_camera, make_pipeline
from pods import RUNNING, ended, pod, waiting

from camstream.decide import FALSE, TRUE, Finding, Seen, decide_status, ended_for_good
from camstream.errors import SpecError
from camstream.resolve import Addresses, resolve
from camstream.spec import Camera, Pipeline, WorkerConfig
from camstream.spec.report import ConfigReport, InputReport, WorkerReport
from camstream.spec.status import CameraStatus, ConfigStatus, ExitStatus, Phase, StreamStatus, WorkerStatus
from camstream_operator.build.children import place_of
from camstream_operator.build.names import IDENTITY
from camstream_operator.decide.seen import see, until_heard
from camstream_operator.settings import Settings

NOW = datetime(2026, 8, 21, 12, 0, 0, tzinfo=UTC)
LATER = "2026-08-21T12:00:05Z"

Body = dict[str, Any]


def config_of(camera: Camera) -> WorkerConfig:
    return resolve(camera, {}, place_of(camera, Settings(worker_image="worker")), Addresses(str, str), None)


CAMERA = make_camera()
CONFIG = config_of(CAMERA)
WANTED = CONFIG.identity()
OLD = config_of(make_camera(output={"queueSize": 3}))
DEPLOYMENT: Body = {"metadata": {"name": "cam-gun"}}
NO_ROOM: Body = {
    "status": {
        "conditions": [
            {"type": "ReplicaFailure", "status": "True", "message": 'pods "a" is forbidden: exceeded quota: compute, requested: x'}
        ]
    }
}


def report(config: WorkerConfig = CONFIG, phase: Phase = Phase.RUNNING, message: str = "", how: ExitStatus | None = None) -> WorkerReport:
    return WorkerReport(
        kind="Camera",
        name="gun",
        external_name="gun",
        pid=1,
        started_at=0,
        phase=phase,
        message=message,
        config=ConfigReport(applied_hash=config.digest(), applied_at=0),
        stream=StreamStatus(),
        input=InputReport(address="simulation", connected=True),
        exit=how,
    )


def look(
    *pods: Body,
    camera: Camera = CAMERA,
    config: WorkerConfig | SpecError | None = None,
    deployment: Body | None = DEPLOYMENT,
    service: Body | None = None,
    reports: dict[str, WorkerReport] | None = None,
    silent: str = "",
    failed: Finding | None = None,
    paused: bool = False,
    idle: bool = False,
) -> Seen:
    """
    :param reports: by name of the pod
    :param silent: name of the pod whose worker does not answer
    """
    told = {f"uid-of-{name}": found for name, found in (reports or {}).items()}
    mute = f"uid-of-{silent}".__eq__
    return see(camera, config or config_of(camera), list(pods), deployment, service, told.get, mute, failed, paused, idle)


def status_of(seen: Seen, camera: Camera = CAMERA, config: WorkerConfig | SpecError = CONFIG) -> CameraStatus:
    found = decide_status(camera, config, seen, camera.status, NOW)
    assert isinstance(found, CameraStatus)
    return found


def facts(status: CameraStatus) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status.value, condition.reason) for condition in status.conditions}


def message_of(status: CameraStatus, kind: str) -> str:
    return next(condition.message for condition in status.conditions if condition.type == kind)


# ---------------------------------------------------------------------- a worker that somebody else has heard


def test_nothing_changes_until_a_worker_that_ran_is_heard() -> None:
    found = pod("a", WANTED, state=RUNNING, restarts=2)
    before = status_of(look(found, reports={"a": report()}))
    running = CAMERA.model_copy(update={"status": before})
    assert until_heard(decide_status(running, CONFIG, look(found), before, NOW), before) == before


def test_an_edit_is_told_before_a_worker_that_ran_is_heard_and_what_only_it_knows_stays() -> None:
    found = pod("a", WANTED, state=RUNNING)
    before = status_of(look(found, reports={"a": report()}))
    edited = make_camera(generation=2, groups=["Laser"]).model_copy(update={"status": before})
    config = config_of(edited)
    seen = look(found, camera=edited, failed=Finding(FALSE, "Forbidden", "no right"))
    status = until_heard(decide_status(edited, config, seen, before, NOW), before)
    assert (status.observed_generation, status.phase, status.worker) == (2, Phase.RUNNING, before.worker)
    assert status.config == ConfigStatus(desired_hash=config.digest(), applied_hash=CONFIG.digest())
    # Nobody knows yet whether it has the edit.
    expected = {"Deployed": ("False", "Forbidden"), "ConfigApplied": ("Unknown", "NotDeployed")}
    assert facts(status) == facts(before) | expected


# ---------------------------------------------------------------------- one worker


def test_a_worker_that_runs_is_told_with_its_pod_and_address() -> None:
    seen = look(pod("a", WANTED, state=RUNNING, restarts=2), reports={"a": report()})
    assert (seen.report, seen.obstacle, seen.exit, seen.replaced) == (report(), None, None, False)
    assert seen.deployed == Finding(TRUE, "Applied")
    assert seen.worker == WorkerStatus(pod_name="a", node_name="node-1", restarts=2)
    assert seen.address == "tcp://cam-gun.default.svc:9999"
    assert status_of(seen).phase is Phase.RUNNING


def test_a_worker_that_has_not_answered_yet_starts() -> None:
    seen = look(pod("a", WANTED, state=RUNNING))
    assert (seen.report, seen.obstacle) == (None, None)
    assert status_of(seen).phase is Phase.STARTING


def test_nothing_is_there_at_first() -> None:
    seen = look()
    assert (seen.report, seen.obstacle, seen.exit, seen.replaced, seen.worker) == (None, None, None, False, WorkerStatus())
    assert status_of(seen).phase is Phase.STARTING


def test_what_was_not_deployed_is_told() -> None:
    assert look(deployment=None, config=SpecError("wrong")).deployed == Finding(FALSE, "NotAccepted")
    refused = Finding(FALSE, "QuotaExceeded", "no room")
    assert look(failed=refused).deployed == refused
    assert look(failed=refused, deployment=None).deployed == refused
    assert status_of(look(failed=refused)).phase is Phase.FAILED


@pytest.mark.parametrize(
    ("found", "silent", "reason", "words"),
    [
        pytest.param(pod("a", WANTED, state=waiting("ErrImagePull")), "", "ImagePullBackOff", "cannot be pulled", id="image"),
        pytest.param(
            pod("a", WANTED, state=waiting("CrashLoopBackOff"), last=ended(message="boom")),
            "",
            "CrashLoopBackOff",
            "the worker ends again and again: the worker ended with exit code 1: boom",
            id="crash",
        ),
        pytest.param(
            pod("a", WANTED, state=RUNNING, last=ended("OOMKilled", 137)), "", "OOMKilled", "raise spec.worker.limits.memory", id="memory"
        ),
        pytest.param(
            pod("a", WANTED, state=RUNNING),
            "a",
            "NoAnswer",
            "the worker runs but does not answer at http://10.1.0.7:8080/status; see its log, its node and network policies",
            id="silent",
        ),
    ],
)
def test_what_keeps_the_worker_from_its_work_is_told(found: Body, silent: str, reason: str, words: str) -> None:
    seen = look(found, silent=silent)
    assert seen.obstacle is not None
    assert seen.obstacle.reason == reason
    assert words in seen.obstacle.message
    status = status_of(seen)
    assert (status.phase, facts(status)["Ready"]) == (Phase.FAILED, ("False", reason))


def test_obstacles_of_the_past_are_not_told_of_a_worker_that_answers() -> None:
    seen = look(pod("a", WANTED, state=RUNNING, last=ended(message="boom"), restarts=1), reports={"a": report()})
    assert seen.obstacle is None
    assert seen.deployed == Finding(TRUE, "Applied")
    assert status_of(seen).worker.last_exit == ExitStatus(reason="Crashed", exit_code=1, message="the worker ended with exit code 1: boom")


def seen_of(pipeline: Pipeline, *pods: Body, deployment: Body = DEPLOYMENT) -> Seen:
    config = resolve(pipeline, {}, place_of(pipeline, Settings(worker_image="worker")), Addresses(str, str), None)
    found = [{**one, "metadata": {**one["metadata"], "annotations": {IDENTITY: config.identity()}}} for one in pods]
    return see(pipeline, config, found, deployment, None, lambda _: None, lambda _: False, None, False, False)


def test_script_that_needs_too_much_memory_is_named() -> None:
    killed = pod("a", WANTED, state=RUNNING, last=ended("OOMKilled", 137))
    with_script = make_pipeline(input={"address": "tcp://sender:9999"}, script={"source": "pass"})
    without = make_pipeline(input={"address": "tcp://sender:9999"})
    told, not_told = (seen_of(pipeline, killed).exit for pipeline in (with_script, without))
    assert told is not None
    assert not_told is not None
    assert told.message == f"{not_told.message}; or see what its script keeps"


def test_replicas_and_labels_are_those_that_an_autoscaler_asks_for() -> None:
    pipeline = make_pipeline(input={"address": "tcp://sender:9999", "mode": "Pull"}, replicas=3)
    seen = seen_of(pipeline, deployment={**DEPLOYMENT, "status": {"replicas": 2}})
    assert (seen.replicas, seen.selector) == (2, "camstream.dev/kind=Pipeline,camstream.dev/name=fit")
    assert look().replicas is None


def test_why_no_pod_is_made_is_told() -> None:
    seen = look(deployment=NO_ROOM)
    assert seen.obstacle is not None
    assert seen.obstacle.reason == "QuotaExceeded"


def test_a_stopped_object_has_no_worker_whatever_is_still_there() -> None:
    camera = make_camera(lifecycle={"mode": "Stopped"})
    seen = look(pod("a", WANTED, state=ended()), camera=camera, reports={"a": report()})
    assert (seen.report, seen.exit, seen.worker) == (None, None, WorkerStatus())


def test_a_pause_is_told() -> None:
    assert look(paused=True).paused is True


# ---------------------------------------------------------------------- one worker after another


def test_the_old_worker_tells_how_the_object_is_until_the_new_one_answers() -> None:
    old, new = pod("old", OLD.identity(), state=RUNNING), pod("new", WANTED, LATER, state=waiting("ContainerCreating"))
    seen = look(old, new, reports={"old": report(OLD)})
    assert (seen.report, seen.replaced, seen.worker.pod_name) == (report(OLD), True, "new")
    assert seen.deployed == Finding(TRUE, "Applied")
    status = status_of(seen)
    assert (status.phase, facts(status)["ConfigApplied"]) == (Phase.RUNNING, ("False", "RollingOut"))
    running = pod("new", WANTED, LATER, state=RUNNING)
    after = look(old, running, reports={"old": report(OLD), "new": report()})
    assert (after.report, after.replaced) == (report(), False)


def test_the_old_worker_is_about_to_be_replaced_before_there_is_a_new_pod() -> None:
    seen = look(pod("old", OLD.identity(), state=RUNNING), reports={"old": report(OLD)})
    assert (seen.report, seen.replaced) == (report(OLD), True)


def test_a_worker_that_takes_over_an_edit_is_not_replaced() -> None:
    camera = make_camera(pixelType="uint8")
    seen = look(pod("a", WANTED, state=RUNNING), camera=camera, reports={"a": report()})
    assert seen.replaced is False
    assert facts(status_of(seen, camera, config_of(camera)))["ConfigApplied"] == ("False", "Outdated")


@pytest.mark.parametrize("before", [OLD, CONFIG], ids=["an edit", "another image"])
def test_a_new_worker_that_cannot_start_is_told_while_the_old_one_goes_on(before: WorkerConfig) -> None:
    old, new = pod("old", before.identity(), state=RUNNING), pod("new", WANTED, LATER, state=waiting("ImagePullBackOff"))
    status = status_of(look(old, new, reports={"old": report(before)}))
    assert (status.phase, facts(status)["Ready"]) == (Phase.RUNNING, ("True", "FramesFlow"))
    assert facts(status)["Deployed"] == ("False", "ImagePullBackOff")
    assert "cannot be pulled on node node-1" in message_of(status, "Deployed")


@pytest.mark.parametrize("before", [OLD, CONFIG], ids=["an edit", "another image"])
def test_a_quota_without_room_for_the_new_worker_is_told_while_the_old_one_goes_on(before: WorkerConfig) -> None:
    status = status_of(look(pod("old", before.identity(), state=RUNNING), deployment=NO_ROOM, reports={"old": report(before)}))
    assert (status.phase, facts(status)["Deployed"]) == (Phase.RUNNING, ("False", "QuotaExceeded"))


def test_an_old_worker_that_crashed_once_is_no_obstacle_to_the_new_one() -> None:
    old = pod("old", OLD.identity(), state=RUNNING, last=ended(message="boom"), restarts=1)
    seen = look(old, reports={"old": report(OLD)})
    assert seen.deployed == Finding(TRUE, "Applied")


def test_a_worker_that_was_evicted_gives_way_to_the_next() -> None:
    gone = pod("gone", WANTED, phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert look(gone).obstacle == Finding(FALSE, "Evicted", "the pod was ended: The node was low on resource: memory.; a new one is made")
    seen = look(gone, pod("next", WANTED, LATER, state=RUNNING), reports={"next": report()})
    assert (seen.report, seen.obstacle, seen.replaced, seen.worker.pod_name) == (report(), None, False, "next")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(pod("a", WANTED, state=ended("Completed", 0), deleted=True), id="drained"),
        pytest.param(pod("a", OLD.identity(), state=ended("Completed", 0), deleted=True), id="about to be made anew"),
        pytest.param(pod("a", WANTED, state=RUNNING, last=ended("Completed", 0), restarts=1), id="restarted after a failed probe"),
    ],
)
def test_a_worker_that_was_asked_to_stop_starts_again(found: Body) -> None:
    status = status_of(look(found))
    assert status.phase is Phase.STARTING
    assert not ended_for_good(CAMERA, CONFIG, status)


def test_a_wrong_edit_leaves_the_worker_alone() -> None:
    seen = look(pod("a", WANTED, state=RUNNING), config=SpecError("wrong"), reports={"a": report()})
    assert (seen.report, seen.obstacle) == (report(), None)
    status = status_of(seen, config=SpecError("wrong"))
    assert (status.phase, facts(status)["Accepted"]) == (Phase.RUNNING, ("False", "InvalidSpec"))


# ---------------------------------------------------------------------- ended for good

DONE = ExitStatus(reason="Completed", exit_code=0, message="100 messages were sent")
BROKEN = ExitStatus(reason="ScriptError", exit_code=1, message="script 'fit', line 2: ValueError: no beam")


@pytest.mark.parametrize(("how", "phase"), [(DONE, Phase.COMPLETED), (BROKEN, Phase.FAILED)], ids=["completed", "failed"])
def test_a_worker_that_came_to_its_end_is_told_so_and_stays_so_without_a_pod(how: ExitStatus, phase: Phase) -> None:
    seen = look(pod("a", WANTED, state=RUNNING), reports={"a": report(phase=phase, how=how)})
    assert (seen.report, seen.exit, seen.final) == (None, how, True)
    status = status_of(seen)
    assert (status.phase, facts(status)["Ready"], status.clients) == (phase, ("False", how.reason), None)
    assert ended_for_good(CAMERA, CONFIG, status)
    camera = CAMERA.model_copy(update={"status": status})
    for pods in ([], [pod("a", WANTED, state=RUNNING)], [pod("a", WANTED, state=ended("Completed", 0), deleted=True)]):
        found = status_of(look(*pods, camera=camera), camera)
        assert found.model_copy(update={"worker": status.worker}) == status
        assert found.worker.last_exit == status.worker.last_exit


def test_an_edit_of_what_is_completed_starts_it_again() -> None:
    status = CameraStatus(phase=Phase.COMPLETED, config=ConfigStatus(desired_hash=OLD.digest(), ended_hash=OLD.digest()))
    camera = CAMERA.model_copy(update={"status": status})
    assert status_of(look(camera=camera), camera).phase is Phase.STARTING


@pytest.mark.parametrize("going", [True, False])
def test_the_end_of_the_worker_before_is_not_taken_for_that_of_an_edit(going: bool) -> None:
    last = pod("old", OLD.identity(), state=RUNNING, deleted=going)
    status = status_of(look(last, reports={"old": report(OLD, Phase.COMPLETED, how=DONE)}))
    assert status.phase is Phase.STARTING
    assert not ended_for_good(CAMERA, CONFIG, status)


def test_a_worker_that_fails_and_is_about_to_end_is_no_end_for_good() -> None:
    seen = look(pod("a", WANTED, state=RUNNING), reports={"a": report(phase=Phase.FAILED, message="its address is in use")})
    assert (seen.exit, seen.final) == (None, False)
    assert not ended_for_good(CAMERA, CONFIG, status_of(seen))


# ---------------------------------------------------------------------- from outside

NODE_PORT: Body = {"spec": {"ports": [{"name": "http", "port": 8080}, {"name": "stream", "port": 9999, "nodePort": 30123}]}}


def balanced(*ingress: Body) -> Body:
    return {
        "spec": {"ports": [{"name": "stream", "port": 9999, "nodePort": 30123}]},
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }


@pytest.mark.parametrize(
    ("output", "service", "address"),
    [
        pytest.param({}, NODE_PORT, None, id="inside only"),
        pytest.param({"service": {"type": "NodePort"}}, NODE_PORT, "tcp://192.168.0.7:30123", id="port of the node of the worker"),
        pytest.param({"service": {"type": "NodePort"}}, None, None, id="no service yet"),
        pytest.param({"service": {"type": "NodePort"}}, {"spec": {"ports": None}}, None, id="no port yet"),
        pytest.param({"service": {"type": "LoadBalancer"}}, balanced({"ip": "203.0.113.1"}), "tcp://203.0.113.1:9999", id="balancer"),
        pytest.param(
            {"service": {"type": "LoadBalancer"}}, balanced({"hostname": "lb.example.org"}), "tcp://lb.example.org:9999", id="by name"
        ),
        pytest.param({"service": {"type": "LoadBalancer"}}, balanced(), None, id="no balancer yet"),
        pytest.param({"service": {"type": "LoadBalancer"}}, NODE_PORT, None, id="no status yet"),
        pytest.param({"service": {"type": "NodePort"}, "connect": "tcp://receiver:7000"}, NODE_PORT, None, id="it connects"),
    ],
)
def test_address_from_outside_is_told_where_there_is_one(output: Any, service: Body | None, address: str | None) -> None:
    camera = make_camera(output=output)
    assert look(pod("a", WANTED, state=RUNNING), camera=camera, service=service).external_address == address


def test_address_from_outside_is_that_of_the_worker_that_still_sends() -> None:
    camera = make_camera(output={"service": {"type": "NodePort"}})
    old, new = pod("old", OLD.identity(), state=RUNNING), pod("new", WANTED, LATER, hostIP=None, podIP=None)
    seen = look(old, new, camera=camera, service=NODE_PORT, reports={"old": report(OLD)})
    assert seen.external_address == "tcp://192.168.0.7:30123"
    assert look(camera=camera, service=NODE_PORT).external_address is None
