"""Today's clients and the page on a cluster: cam_server's own client makes, reads and leaves streams that run as pods."""

import json
import urllib.request

from cam_server_client import CamClient, PipelineClient
from cluster_runs import Workspace, figure
from waiting import wait_for

IDLE_S = 10
CAMERA = {"source": "SAT-CM-01", "source_type": "simulation", "size_x": 64, "size_y": 48}


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
