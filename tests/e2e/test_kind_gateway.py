"""Today's clients and the page on a cluster: cam_server's own client makes, reads and leaves streams that run as pods."""

import json
import urllib.request

from cam_server_client import CamClient, PipelineClient
from cluster_runs import NAMESPACE, Workspace, camera, condition, figure, pipeline
from waiting import wait_for

from camstream.names import API_VERSION

IDLE_S = 10
CAMERA = {"source": "SAT-CM-01", "source_type": "simulation", "size_x": 64, "size_y": 48}


def reading(name: str, background: dict[str, str]) -> dict[str, object]:
    """A pipeline that subtracts a background of the camera `cam`."""
    spec = {"input": {"camera": {"name": "cam"}}, "processing": {"background": background}}
    return {"apiVersion": API_VERSION, "kind": "Pipeline", "metadata": {"name": name}, "spec": spec}


def listed(page: str) -> dict[str, str]:
    """Phase of every stream that the page shows, by name."""
    with urllib.request.urlopen(f"{page}/api/streams", timeout=10) as answer:
        return {view["externalName"]: view["phase"] for view in json.load(answer)["streams"]}


def test_clients_make_read_and_leave_streams_and_pods_come_and_go(workspace: Workspace, gateway: dict[int, str]) -> None:
    cameras, pipelines = CamClient(gateway[8888]), PipelineClient(gateway[8889])
    cameras.set_camera_config("SAT-CM-01", CAMERA)
    assert cameras.get_cameras() == ["SAT-CM-01"]
    [camera] = workspace.kubectl("get", "cameras", "--output=name").split()
    camera = f"camera/{camera.rpartition('/')[2]}"
    workspace.wait_for_phase(camera, "Idle")
    assert workspace.pods(camera) == []
    # The address is told as soon as there are frames.
    assert cameras.get_instance_stream("SAT-CM-01") == workspace.address(camera)
    assert cameras.get_camera_array("SAT-CM-01").shape == (48, 64)
    name, stream = pipelines.create_instance_from_config({"camera_name": "SAT-CM-01", "no_client_timeout": IDLE_S})
    (reading,) = workspace.cluster.read_frames(workspace.namespace, stream, image=workspace.installation.worker_image)
    assert reading.channels["width"] == 64
    assert listed(gateway[8080])[name] == "Running"
    pipelines.set_instance_config(name, {"image_threshold": 7})
    assert pipelines.get_instance_config(name)["image_threshold"] == 7
    # Nobody reads it any more.
    wait_for("the instance is gone", lambda: name not in listed(gateway[8080]), 120, 0.5)
    workspace.wait_for_phase(camera, "Idle")
    wait_for("no pod", lambda: not workspace.pods(camera), 60, 0.5)
    figure("pods that are left when nobody reads", len(workspace.pods(camera)), "")


def test_private_stream_ends_for_good_when_its_script_fails_and_clients_are_told_how(workspace: Workspace, gateway: dict[int, str]) -> None:
    workspace.expected |= {"ScriptError"}
    script = {"source": "def process_image(*_):\n    raise ValueError('no beam')\n"}
    lifecycle = {"mode": "OnDemand", "idleTimeoutSeconds": 600, "deleteWhenIdle": True}
    workspace.apply(camera(), pipeline("mine", externalName="mine", script=script, failure={"abortOnError": True}, lifecycle=lifecycle))
    failed = workspace.wait_for_phase("pipeline/mine", "Failed")["status"]
    assert failed["config"]["endedHash"] == failed["config"]["desiredHash"]
    ready = condition(failed, "Ready")
    assert ready["reason"] == "ScriptError"
    assert "<script mine>:2: ValueError: no beam" in ready["message"]
    workspace.wait_for("no pod", "pipeline/mine", lambda _: not workspace.pods("pipeline/mine"))
    # Nobody starts it again.
    workspace.check()
    pipelines = PipelineClient(gateway[8889])
    assert not pipelines.is_instance_running("mine")
    assert pipelines.get_instance_exit_code("mine") == 1
    workspace.edit("pipeline/mine", script={"source": "def process_image(*_):\n    return {}\n"})
    workspace.wait_until_ready("pipeline/mine")
    assert pipelines.is_instance_running("mine")


def test_backgrounds_reach_workers_and_outlive_objects_and_pods(workspace: Workspace, gateway: dict[int, str]) -> None:
    cluster = workspace.cluster
    # A worker that is quicker than the Service of the new gateway tries again.
    workspace.expected |= {"NotFound", "Waiting", "NotLoaded"}
    workspace.apply(camera(), reading("latest", {}))
    missing = workspace.wait_for_condition("pipeline/latest", "BackgroundLoaded", "False", "NotFound")
    assert "there is no background of 'cam' yet" in missing["message"]
    asked = {
        "apiVersion": API_VERSION,
        "kind": "Background",
        "metadata": {"name": "dark"},
        "spec": {"camera": {"name": "cam"}, "frames": 5},
    }
    workspace.apply(asked)
    collected = workspace.wait_for_phase("background/dark", "Completed")["status"]
    assert (collected["frames"], collected["image"]["size"]) == (5, "64x48")
    # Whoever waits for one gets it at once, from the gateway.
    workspace.wait_for_condition("pipeline/latest", "BackgroundLoaded", "True", "Loaded", collected["name"])
    workspace.wait_until_ready("pipeline/latest")
    assert workspace.status("pipeline/latest")["background"]["sha256"] == collected["sha256"]
    # Today's clients see it, and collect others.
    pipelines = PipelineClient(gateway[8889])
    assert pipelines.get_latest_background("cam") == collected["name"]
    newer = pipelines.collect_background("cam", 3)
    workspace.apply(reading("named", {"name": newer}))
    workspace.wait_until_ready("pipeline/named")
    assert workspace.status("pipeline/named")["background"]["name"] == newer
    # The objects are deleted and the gateway is another pod: the files are there, and have their objects again.
    workspace.kubectl("delete", "backgrounds", "--all")
    assert workspace.status("pipeline/latest")["background"]["name"] == collected["name"]
    cluster.kubectl("delete", "pod", f"--namespace={NAMESPACE}", "--selector=app.kubernetes.io/component=gateway", "--wait")

    def kept() -> set[str]:
        return {found["status"].get("name", "") for found in workspace.get("backgrounds")["items"] if found.get("status")}

    wait_for("the records are back", lambda: kept() == {collected["name"], newer}, 120, 1)
    # A worker that is replaced gets its background from there.
    workspace.kubectl("delete", "pod", workspace.pod("pipeline/named")["metadata"]["name"])
    wait_for("another pod", lambda: len(workspace.pods("pipeline/named")) == 1, 60, 1)
    workspace.wait_for_condition("pipeline/named", "BackgroundLoaded", "True", "Loaded")
    workspace.wait_until_ready("pipeline/named")
