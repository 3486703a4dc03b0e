"""Changes of running cameras and pipelines: which are taken over while the stream goes on, which need a new pod, and what is refused."""

import json
import time
from collections.abc import Sequence
from typing import Any

from cluster_runs import LIVE_S, Workspace, camera, condition, figure, pipeline
from kind import Reading, longest_gap_s, missing_pulses

RATE_HZ = 10
PARAMETERS = "processing_parameters"


def running(workspace: Workspace, **spec: Any) -> None:
    """A camera and a pipeline that reads it."""
    workspace.apply(camera(rate_hz=RATE_HZ), pipeline(**spec))
    workspace.wait_until_ready("camera/cam", "pipeline/pipe")


def processing_of(reading: Reading) -> dict[str, object]:
    found: dict[str, object] = json.loads(reading.channels[PARAMETERS])["processing"]
    return found


def in_order(readings: Sequence[Reading]) -> bool:
    pulses = [reading.pulse_id for reading in readings]
    return pulses == sorted(set(pulses))


def test_live_changes_reach_the_stream_without_losing_more_than_one_frame(workspace: Workspace) -> None:
    running(workspace)
    life = workspace.life("pipeline/pipe")
    changes = [
        ("threshold", 500.0),
        ("regionOfInterest", {"offsetX": 8, "sizeX": 32, "offsetY": 4, "sizeY": 24}),
        ("scale", 2.0),
        ("goodRegion", {"threshold": 0.4, "scale": 1.5}),
    ]
    skipped = workspace.skipped("camera/cam")
    with workspace.reader("pipeline/pipe", ["width", PARAMETERS]) as reader:
        reader.wait_for_next()
        for name, value in changes:
            workspace.edit("pipeline/pipe", processing={name: value})
            figure(f"live change of {name}, until the status says so", workspace.wait_until_applied("pipeline/pipe"))
            readings = reader.wait_for(
                f"{name} in the stream", lambda found, n=name, v=value: processing_of(found[-1])[n] == v, timeout_s=LIVE_S
            )
        lost = workspace.lost(readings, skipped)
        figure("lost pulses in four live changes", lost, "")
        assert readings[-1].channels["width"] == 32
        assert lost <= len(changes)
        assert in_order(readings)
    assert workspace.life("pipeline/pipe") == life


def test_a_live_change_of_a_camera_reaches_its_pipelines(workspace: Workspace) -> None:
    running(workspace)
    lives = [workspace.life(thing) for thing in ("camera/cam", "pipeline/pipe")]
    skipped = workspace.skipped("camera/cam")
    with workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        workspace.edit("camera/cam", geometry={"regionOfInterest": {"offsetX": 0, "sizeX": 40, "offsetY": 0, "sizeY": 30}})
        figure("live change of a camera's geometry", workspace.wait_until_applied("camera/cam"))
        readings = reader.wait_for("the new width", lambda found: found[-1].channels["width"] == 40)
        assert workspace.lost(readings, skipped) <= 1
    workspace.wait_for("size", "pipeline/pipe", lambda status: status["image"]["size"] == "40x30")
    assert [workspace.life(thing) for thing in ("camera/cam", "pipeline/pipe")] == lives


def test_a_refused_change_leaves_the_stream_as_it_was_and_says_why_until_it_is_corrected(workspace: Workspace) -> None:
    workspace.expected.add("Rejected")
    running(workspace)
    life, skipped = workspace.life("camera/cam"), workspace.skipped("camera/cam")
    with workspace.reader("camera/cam") as reader:
        reader.wait_for_next()
        outside = {"offsetX": 60, "sizeX": 20, "offsetY": 0, "sizeY": 10}
        workspace.edit("camera/cam", geometry={"regionOfInterest": outside})
        found = workspace.wait_for_condition("camera/cam", "ConfigApplied", "False", "Rejected", timeout_s=LIVE_S)
        assert found["message"] == (
            "camera 'cam': region of interest 20x10 at (60, 0) does not lie inside the image, which is 64x48 after binning and rotation: "
            "correct regionOfInterest; the configuration before goes on"
        )
        readings = reader.wait_for_next(10)
        assert {reading.channels["width"] for reading in readings} == {64}
        assert workspace.status("camera/cam")["phase"] == "Running"
        workspace.edit("camera/cam", geometry={"regionOfInterest": outside | {"offsetX": 40}})
        workspace.wait_until_applied("camera/cam")
        readings = reader.wait_for("the corrected width", lambda found: found[-1].channels["width"] == 20)
        assert workspace.lost(readings, skipped) <= 1
    assert workspace.life("camera/cam") == life


def test_a_background_that_nobody_collected_is_told_and_its_removal_heals(workspace: Workspace) -> None:
    workspace.expected |= {"NotFound", "Rejected"}
    running(workspace)
    life = workspace.life("pipeline/pipe")
    workspace.edit("pipeline/pipe", processing={"background": {"mode": "Subtract"}})
    found = workspace.wait_for_condition("pipeline/pipe", "BackgroundLoaded", "False", "NotFound", timeout_s=LIVE_S)
    assert found["message"] == "there is no background of 'cam' yet; collect one, or remove the background from the spec"
    workspace.edit("pipeline/pipe", processing={"background": None})
    workspace.wait_until_applied("pipeline/pipe")
    workspace.wait_until_ready("pipeline/pipe")
    assert workspace.life("pipeline/pipe") == life


def test_a_rollout_field_gives_a_new_pod_and_the_same_reader_goes_on(workspace: Workspace) -> None:
    running(workspace)
    old = workspace.pod("pipeline/pipe")["metadata"]["uid"]
    assert workspace.child("deployment", "pipeline/pipe")["spec"]["strategy"]["type"] == "RollingUpdate"
    with workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        workspace.edit("pipeline/pipe", output={"compression": "BitshuffleLz4"})
        figure("rollout, until the status says so", roll_out(workspace, "pipeline/pipe", old))
        readings = reader.wait_for_next(10)
    figure("rollout of a PUB stream, longest silence for a reader", longest_gap_s(readings))
    figure("rollout of a PUB stream, missing pulses", len(missing_pulses(readings)), "")
    pulses = [reading.pulse_id for reading in readings]
    assert len(pulses) == len(set(pulses)), "a pulse came twice"


def test_a_push_stream_is_never_sent_by_two_workers(workspace: Workspace) -> None:
    running(workspace, output={"mode": "Push"})
    old = workspace.pod("pipeline/pipe")["metadata"]["uid"]
    assert workspace.child("deployment", "pipeline/pipe")["spec"]["strategy"] == {"type": "Recreate"}
    with workspace.reader("pipeline/pipe", mode="pull") as reader:
        reader.wait_for_next()
        workspace.edit("pipeline/pipe", output={"compression": "BitshuffleLz4"})
        figure("rollout of a PUSH stream, until the status says so", roll_out(workspace, "pipeline/pipe", old))
        readings = reader.wait_for_next(10)
    figure("rollout of a PUSH stream, longest silence for a reader", longest_gap_s(readings))
    assert in_order(readings)


def roll_out(workspace: Workspace, thing: str, old: str) -> float:
    """Wait for the new worker to have taken over; returns how long that took [s]."""
    started = time.monotonic()

    def another(status: dict[str, object]) -> bool:
        return [pod["metadata"]["uid"] for pod in workspace.pods(thing)] != [old] and status["phase"] == "Running"

    workspace.wait_for("a new pod", thing, another)
    workspace.wait_for_condition(thing, "ConfigApplied", "True", "Applied")
    workspace.wait_until_ready(thing)
    return time.monotonic() - started


def test_a_service_field_changes_the_address_and_no_pod(workspace: Workspace) -> None:
    running(workspace)
    life = workspace.life("camera/cam")
    workspace.edit("camera/cam", output={"port": 12345})
    address = f"tcp://cam-cam.{workspace.namespace}.svc:12345"
    workspace.wait_for("address", "camera/cam", lambda status: status["stream"]["address"] == address)
    workspace.wait_until_applied("camera/cam")
    (reading,) = workspace.cluster.read_frames(workspace.namespace, address, image=workspace.installation.worker_image)
    assert reading.channels["width"] == 64
    assert workspace.life("camera/cam") == life
    # The pipeline looks for its camera at the new address; that is another input, and so another worker.
    workspace.wait_for("new address", "pipeline/pipe", lambda status: status["input"] == address and status["phase"] == "Running")


def test_a_stopped_pipeline_has_no_pod_and_the_same_reader_gets_frames_when_it_runs_again(workspace: Workspace) -> None:
    running(workspace)
    address = workspace.address("pipeline/pipe")
    cluster_ip = workspace.child("service", "pipeline/pipe")["spec"]["clusterIP"]
    with workspace.reader("pipeline/pipe") as reader:
        reader.wait_for_next()
        workspace.edit("pipeline/pipe", lifecycle={"mode": "Stopped"})
        workspace.wait_for_phase("pipeline/pipe", "Stopped")
        workspace.wait_for_condition("pipeline/pipe", "Ready", "False", "Stopped", "set spec.lifecycle.mode to Always")
        assert workspace.pods("pipeline/pipe") == []
        assert workspace.child("deployment", "pipeline/pipe")["spec"]["replicas"] == 0
        workspace.edit("pipeline/pipe", lifecycle={"mode": "Always"})
        figure("from Stopped to Ready", workspace.wait_until_ready("pipeline/pipe"))
        assert in_order(reader.wait_for_next())
    assert workspace.address("pipeline/pipe") == address
    assert workspace.child("service", "pipeline/pipe")["spec"]["clusterIP"] == cluster_ip


def test_deletion_is_done_at_once_and_the_children_go(workspace: Workspace) -> None:
    workspace.expected |= {"CameraNotFound", "NoFrames", "Waiting"}
    running(workspace)
    assert "finalizers" not in workspace.get("camera/cam")["metadata"]
    started = time.monotonic()
    workspace.kubectl("delete", "cam", "cam")
    figure("kubectl delete", time.monotonic() - started)
    workspace.wait_until_gone("deployment/cam-cam", "service/cam-cam", "configmap/cam-cam")
    workspace.wait_for_condition("pipeline/pipe", "Accepted", "False", "CameraNotFound")
    life = workspace.life("pipeline/pipe")
    workspace.apply(camera(rate_hz=RATE_HZ))
    figure("pipeline Ready after its camera came back", workspace.wait_until_ready("camera/cam", "pipeline/pipe"))
    assert workspace.life("pipeline/pipe") == life


def test_a_completed_pipeline_is_not_started_again_until_it_is_edited(workspace: Workspace) -> None:
    workspace.apply(camera(rate_hz=RATE_HZ), pipeline(selection={"records": 20}))
    workspace.wait_for_phase("pipeline/pipe", "Completed")
    workspace.wait_for("no pod", "pipeline/pipe", lambda status: not workspace.pods("pipeline/pipe"))
    assert workspace.child("deployment", "pipeline/pipe")["spec"]["replicas"] == 0
    workspace.check()
    status = workspace.status("pipeline/pipe")
    assert (status["phase"], condition(status, "Ready")["reason"]) == ("Completed", "Completed")
    before = status["config"]["desiredHash"]
    workspace.edit("pipeline/pipe", selection={"records": 30})
    status = workspace.wait_for_phase("pipeline/pipe", "Completed")["status"]
    assert status["config"]["desiredHash"] != before
