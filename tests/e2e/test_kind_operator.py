"""The operator comes and goes, nodes and versions change, and streams do not notice what is none of theirs."""

import json
import time

from cluster_runs import NAMESPACE, RELEASE, Workspace, camera, figure, pipeline
from kind import PAUSE_S, Reading, longest_gap_s
from waiting import wait_for

RATE_HZ = 10
MANY = 20


def running(workspace: Workspace) -> list[tuple[str, int]]:
    """A camera and a pipeline that reads it; returns their lives."""
    workspace.apply(camera(rate_hz=RATE_HZ), pipeline())
    workspace.wait_until_ready("camera/cam", "pipeline/pipe")
    return lives(workspace)


def lives(workspace: Workspace) -> list[tuple[str, int]]:
    return [workspace.life(thing) for thing in ("camera/cam", "pipeline/pipe")]


def in_order(readings: list[Reading]) -> bool:
    pulses = [reading.pulse_id for reading in readings]
    return pulses == sorted(set(pulses))


def test_the_operator_is_killed_again_and_again_and_everything_becomes_what_it_should(workspace: Workspace) -> None:
    installation = workspace.installation
    names = [f"cam-{number}" for number in range(MANY)]
    # Most never start a worker: this is about what the operator writes.
    for number, name in enumerate(names):
        workspace.apply(camera(name, lifecycle={"mode": "Stopped"}))
        if number in (4, 14):
            installation.kill_leader()
    for number, name in enumerate(names):
        workspace.kubectl("patch", f"camera/{name}", "--type=merge", '--patch={"spec":{"groups":["edited"]}}')
        if number == 9:
            installation.kill_leader()
    workspace.edit("camera/cam-0", lifecycle={"mode": "Always"})
    workspace.kubectl("delete", "camera", "cam-1")
    installation.kill_leader()
    started = time.monotonic()
    workspace.wait_until_ready("camera/cam-0")
    for name in names[2:]:
        workspace.wait_for_phase(f"camera/{name}", "Stopped")
        workspace.wait_for_condition(f"camera/{name}", "Deployed", "True", "Applied")
    figure("operator killed four times; from the last kill until all is right", time.monotonic() - started)
    workspace.wait_until_gone("deployment/cam-cam-1")
    deployments = workspace.cluster.get("deployments", "--namespace", workspace.namespace)["items"]
    assert {found["metadata"]["name"] for found in deployments} == {f"cam-{name}" for name in names if name != "cam-1"}
    installation.cluster.wait(NAMESPACE, "deployment/camstream-operator", "condition=Available")


def test_without_an_operator_streams_go_on_and_edits_and_deletions_are_taken_over_later(workspace: Workspace) -> None:
    installation = workspace.installation
    workspace.apply(camera("other"))
    before = running(workspace)
    workspace.wait_until_ready("camera/other")
    skipped = workspace.skipped("camera/cam")
    with workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        installation.scale(0)
        try:
            workspace.kubectl("delete", "camera", "other")
            workspace.wait_until_gone("deployment/cam-other", "service/cam-other", "configmap/cam-other")
            workspace.apply(camera("late"))
            for threshold in range(1, 6):
                workspace.edit("pipeline/pipe", processing={"threshold": threshold})
            readings = reader.wait_for_next(20)
            assert in_order(readings)
            assert workspace.lost(readings, skipped) == 0
        finally:
            installation.scale(2)
        installation.wait_for_leader()
        figure("edits while the operator was down, applied after its return", workspace.wait_until_applied("pipeline/pipe"))
        workspace.wait_until_ready("camera/late")
        assert workspace.lost(reader.wait_for_next(), skipped) <= 1
    assert lives(workspace) == before


def test_the_lead_changes_hands_in_seconds_when_the_leader_is_told_to_end(workspace: Workspace) -> None:
    installation = workspace.installation
    running(workspace)
    old = installation.wait_for_leader()
    started = time.monotonic()
    installation.kubectl("delete", "pod", old, "--wait=false")
    new = installation.wait_for_leader(other_than=old)
    figure("hand-over, from the deletion of the leader's pod to a new leader", time.monotonic() - started)
    workspace.edit("pipeline/pipe", processing={"threshold": 3})
    workspace.wait_until_applied("pipeline/pipe")
    figure("hand-over, until a change after it is applied", time.monotonic() - started)
    wait_for("two operators", lambda: len(installation.operators()) == 2, 60, PAUSE_S)
    installation.scale(2)
    wait_for("exactly one says that it leads", lambda: installation.who_says_to_lead() == [new], 30, PAUSE_S)


def test_a_chart_upgrade_and_its_rollback_interrupt_no_stream(workspace: Workspace) -> None:
    installation = workspace.installation
    before = running(workspace)
    revision = json.loads(installation.helm("history", RELEASE, "--output", "json"))[-1]["revision"]
    skipped = workspace.skipped("camera/cam")
    with workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        installation.install(operator__replicas=1, operator__logLevel="debug", operator__resources={"requests": {"cpu": "50m"}})
        installation.wait_for_leader()
        workspace.edit("pipeline/pipe", groups=["upgraded"])
        workspace.wait_for("seen by the new operator", "pipeline/pipe", lambda status: status["phase"] == "Running")
        installation.helm("rollback", RELEASE, str(revision), "--wait", "--timeout=120s")
        installation.wait_for_leader()
        assert len(installation.operators()) >= 2
        workspace.edit("pipeline/pipe", groups=["rolled-back"])
        workspace.wait_for("seen by the old operator", "pipeline/pipe", lambda status: status["phase"] == "Running")
        readings = reader.wait_for_next(10)
    lost = workspace.lost(readings, skipped)
    figure("chart upgrade and rollback, lost pulses", lost, f"of {len(readings)}")
    assert in_order(readings)
    assert lost == 0
    assert lives(workspace) == before


def test_streams_outlive_the_removal_of_the_chart_and_are_taken_over_by_the_next_one(workspace: Workspace) -> None:
    installation = workspace.installation
    before = running(workspace)
    skipped = workspace.skipped("camera/cam")
    with workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        try:
            installation.uninstall()
            reader.wait_for_next(10)
            assert workspace.status("pipeline/pipe")["phase"] == "Running"
        finally:
            installation.install()
        installation.wait_for_leader()
        workspace.edit("pipeline/pipe", processing={"threshold": 7})
        workspace.wait_until_applied("pipeline/pipe")
        assert workspace.lost(reader.wait_for_next(), skipped) <= 1
    assert lives(workspace) == before


def test_the_workers_of_a_drained_node_move_and_the_same_reader_goes_on(workspace: Workspace) -> None:
    # A pipeline may run before its camera has moved.
    workspace.expected |= {"NoFrames", "Waiting"}
    cluster = workspace.cluster
    running(workspace)
    *others, drained = cluster.nodes()
    assert others, "a drain needs a second node"
    # Both are to be where the drain takes them away.
    for node in others:
        cluster.kubectl("cordon", node)
    try:
        workspace.kubectl("delete", "pods", "--selector=camstream.dev/kind", "--wait=true")
        workspace.wait_until_ready("camera/cam", "pipeline/pipe")
        for thing in ("camera/cam", "pipeline/pipe"):
            workspace.wait_for("moved", thing, lambda status: status["worker"].get("nodeName") == drained and status["phase"] == "Running")
    finally:
        for node in others:
            cluster.kubectl("uncordon", node)
    address = workspace.address("pipeline/pipe")
    options = ["--timeout", "3600", "--channels", "width"]
    with cluster.reader(workspace.namespace, address, options, workspace.installation.worker_image, node=others[0]) as reader:
        reader.wait_for_next()
        started = time.monotonic()
        try:
            cluster.kubectl("drain", drained, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s", timeout_s=130)
            figure("drain", time.monotonic() - started)
            readings = reader.wait_for_next(5)
            figure("drain, longest silence for a reader", longest_gap_s(readings))
            for thing in ("camera/cam", "pipeline/pipe"):
                workspace.wait_for(
                    "runs elsewhere", thing, lambda status: status["worker"].get("nodeName") in others and status["phase"] == "Running"
                )
        finally:
            cluster.kubectl("uncordon", drained)
    cluster.kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/camstream-operator", "--timeout=60s", timeout_s=70)
    workspace.installation.wait_for_leader()
