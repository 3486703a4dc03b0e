"""The operator comes and goes, nodes and versions change, and streams do not notice what is none of theirs."""

import json
import time
from pathlib import Path

import pytest
from cam_server_client import PipelineClient
from cluster_runs import NAMESPACE, NEWER_FIELD, OURS, RELEASE, Workspace, camera, figure, newer_chart, pipeline, served_gateway
from kind import PAUSE_S, Reading, longest_gap_s
from waiting import wait_for

RATE_HZ = 10
MANY, FULL = 20, 50


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
    installation.settle()
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


def test_an_upgrade_to_a_newer_chart_and_operator_and_its_rollback_interrupt_no_stream(workspace: Workspace, tmp_path: Path) -> None:
    """The newer definitions know a field that the operator does not, as it is for a while in every upgrade."""
    installation = workspace.installation
    if workspace.cluster.kind_name is None:
        pytest.skip("only on the nodes of kind can an image have another tag")
    before = running(workspace)
    revision = json.loads(installation.helm("history", RELEASE, "--output", "json"))[-1]["revision"]
    skipped = workspace.skipped("camera/cam")
    old = installation.operator_image
    with workspace.cluster.also_tagged(old, f"{old.tag}-next") as newer, workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        installation.install(
            chart=newer_chart(tmp_path),
            operator__image={"repository": newer.repository, "tag": newer.tag},
            operator__replicas=1,
            operator__logLevel="debug",
        )
        installation.wait_for_leader()
        [operator] = [pod for pod in installation.operators() if "deletionTimestamp" not in pod["metadata"]]
        assert operator["spec"]["containers"][0]["image"] == newer.name
        wait_for("all have the new field", lambda: NEWER_FIELD in workspace.get("pipeline/pipe")["spec"], 30, PAUSE_S)
        workspace.edit("pipeline/pipe", groups=["upgraded"])
        workspace.wait_for("seen by the new operator", "pipeline/pipe", lambda status: status["phase"] == "Running")
        workspace.wait_until_applied("pipeline/pipe")
        installation.helm("rollback", RELEASE, str(revision), "--wait", "--timeout=120s")
        installation.wait_for_leader()
        assert len(installation.operators()) >= 2
        wait_for("none has the new field", lambda: NEWER_FIELD not in workspace.get("pipeline/pipe")["spec"], 30, PAUSE_S)
        workspace.edit("pipeline/pipe", groups=["rolled-back"])
        workspace.wait_for("seen by the old operator", "pipeline/pipe", lambda status: status["phase"] == "Running")
        workspace.wait_until_applied("pipeline/pipe")
        readings = reader.wait_for_next(10)
        lost = workspace.lost(readings, skipped)
        figure("chart upgrade and rollback, lost pulses", lost, f"of {len(readings)}")
        assert in_order(readings)
        assert lost == 0
        assert lives(workspace) == before
        # The image goes when nobody needs it.
        wait_for("all are old ones", lambda: not [pod for pod in installation.operators() if newer.name in str(pod["spec"])], 60, PAUSE_S)


def test_in_a_minute_with_nothing_to_do_nothing_is_written(workspace: Workspace) -> None:
    """No status, no child, no pod and no Event."""
    workspace.apply(camera("stopped", lifecycle={"mode": "Stopped"}))
    running(workspace)
    workspace.wait_for_phase("camera/stopped", "Stopped")
    workspace.check(quiet_s=60)


def test_namespaces_full_of_cameras_are_gone_soon_after_their_deletion_with_an_operator_and_without(workspace: Workspace) -> None:
    installation, cluster = workspace.installation, workspace.cluster
    full = {replicas: f"{workspace.namespace}-{replicas}" for replicas in (2, 0)}
    for namespace in full.values():
        cluster.kubectl("create", "namespace", namespace)
        cluster.kubectl("label", "namespace", namespace, OURS)
        cluster.apply(namespace, *(camera(f"cam-{number}", lifecycle={"mode": "Stopped"}) for number in range(FULL)))

    def children(namespace: str) -> int:
        return len(cluster.get("deployments", "--namespace", namespace)["items"])

    wait_for("all have their children", lambda: [children(namespace) for namespace in full.values()] == [FULL, FULL], 60, PAUSE_S)
    try:
        for replicas, namespace in full.items():
            installation.scale(replicas)
            started = time.monotonic()
            cluster.kubectl("delete", "namespace", namespace, "--timeout=60s", timeout_s=70)
            figure(f"deletion of a namespace with {FULL} cameras and {replicas} operators", time.monotonic() - started)
    finally:
        installation.scale(2)
    installation.wait_for_leader()
    # It works, and has not given up on what is gone.
    workspace.apply(camera("after", lifecycle={"mode": "Stopped"}))
    workspace.wait_for_phase("camera/after", "Stopped")


def test_streams_and_backgrounds_outlive_the_removal_of_the_chart_and_are_taken_over_by_the_next_one(workspace: Workspace) -> None:
    # A worker that is quicker than the Service of the new gateway tries again.
    workspace.expected |= {"NotFound", "Waiting", "NotLoaded"}
    installation = workspace.installation
    before = running(workspace)
    skipped = workspace.skipped("camera/cam")
    with workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        try:
            with served_gateway(workspace, backgrounds__persistence__keep=True) as doors:
                collected = PipelineClient(doors[8889]).collect_background("cam", 3)
                pixels = PipelineClient(doors[8889]).get_background_image_bytes(collected)
            installation.uninstall()
            reader.wait_for_next(10)
            assert workspace.status("pipeline/pipe")["phase"] == "Running"
            # Nothing but the volume knows of it any more.
            workspace.kubectl("delete", "backgrounds", "--all")
            with served_gateway(workspace, backgrounds__persistence__keep=True) as doors:
                installation.wait_for_leader()
                workspace.edit("pipeline/pipe", processing={"threshold": 7, "background": {"name": collected}})
                workspace.wait_for_condition("pipeline/pipe", "BackgroundLoaded", "True", "Loaded", collected)
                workspace.wait_until_applied("pipeline/pipe")
                pipelines = PipelineClient(doors[8889])
                assert pipelines.get_latest_background("cam") == collected
                assert pipelines.get_background_image_bytes(collected) == pixels
                assert workspace.lost(reader.wait_for_next(), skipped) <= 1
        finally:
            installation.install()
            installation.kubectl("delete", "pvc/camstream-backgrounds", "--ignore-not-found")
    assert lives(workspace) == before


def test_the_workers_of_a_drained_node_move_and_the_same_reader_goes_on(workspace: Workspace) -> None:
    # A pipeline may run before its camera has moved.
    workspace.expected |= {"NoFrames", "Waiting"}
    cluster = workspace.cluster
    running(workspace)
    workspace.installation.settle()
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
    workspace.installation.wait_until_rolled_out()
    workspace.installation.wait_for_leader()
