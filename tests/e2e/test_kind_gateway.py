"""Today's clients and the page on a cluster: cam_server's own client makes, reads and leaves streams that run as pods."""

import json
import urllib.request
from urllib.parse import urlsplit

from cam_server_client import CamClient, PipelineClient
from cluster_runs import NAMESPACE, Workspace, camera, condition, figure, pipeline, served_gateway
from http_status import bearer, status_of
from kind import small_pod
from native_api import NativeApi
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


SCAN = """
import contextlib, socket, sys, time
place = sys.argv[1], int(sys.argv[2])
held = None
while True:
    with contextlib.suppress(OSError), socket.create_connection(place, 5) as found:
        if held is None:
            held = found.dup()
            print("scans", flush=True)
    time.sleep(0.1)
"""
"""One connection that says nothing, and one after the other that is closed at once. Its node may hear of the Service a moment later."""


def test_port_scan_keeps_no_pod_alive(workspace: Workspace, gateway: dict[int, str]) -> None:
    workspace.apply(camera(lifecycle={"mode": "OnDemand", "idleTimeoutSeconds": IDLE_S}))
    workspace.wait_for_phase("camera/cam", "Idle")
    assert NativeApi(f"{gateway[8080]}/").ask("POST", f"/api/v1/cameras/{workspace.namespace}/cam/wake", {}).status == 202
    workspace.wait_for_phase("camera/cam", "Running")
    place = urlsplit(workspace.address("camera/cam"))
    command = ["python", "-c", SCAN, str(place.hostname), str(place.port)]
    workspace.apply(small_pod("scan", workspace.installation.worker_image.name, command))
    wait_for("it scans", lambda: "scans" in workspace.cluster.logs(workspace.namespace, "pod/scan"), 60, 0.5)
    workspace.wait_for_phase("camera/cam", "Idle")
    wait_for("no pod", lambda: not workspace.pods("camera/cam"), 60, 0.5)
    assert workspace.get("pod/scan")["status"]["phase"] == "Running"
    workspace.kubectl("delete", "pod", "scan", "--wait")


def test_tokens_of_the_cluster_let_in_for_what_rbac_allows(workspace: Workspace) -> None:
    workspace.apply(camera(externalName="CAM", lifecycle={"mode": "OnDemand", "idleTimeoutSeconds": 600}))
    workspace.wait_for_phase("camera/cam", "Idle")
    workspace.kubectl("create", "serviceaccount", "viewer")
    resources = "--resource=cameras.camstream.dev,pipelines.camstream.dev"
    workspace.kubectl("create", "role", "viewer", "--verb=get,list", resources)
    workspace.kubectl("create", "rolebinding", "viewer", "--role=viewer", f"--serviceaccount={workspace.namespace}:viewer")
    token = workspace.kubectl("create", "token", "viewer").strip()
    one = f"/api/v1/cameras/{workspace.namespace}/cam"
    with served_gateway(workspace, gateway__auth="TokenReview") as doors:
        api, cameras, pipelines = NativeApi(f"{doors[8080]}/", token), f"{doors[8888]}/api/v1/cam", f"{doors[8889]}/api/v1/pipeline"
        for url in (f"{doors[8080]}/", cameras, pipelines):
            assert status_of(url) == status_of(url, **bearer("a-token-of-nobody")) == 401
        wait_for("the viewer is let in", lambda: api.ask("GET", one).status == 200, 60, 1)
        assert status_of(cameras, **bearer(token)) == status_of(pipelines, **bearer(token)) == 200
        assert api.ask("PATCH", one, {"spec": {"groups": ["x"]}}).status == 403
        assert api.ask("GET", f"/api/v1/cameras/{NAMESPACE}/cam").status == 403
        assert api.ask("GET", "/api/v1/cameras").status == 403
        assert status_of(f"{cameras}/CAM/config", "POST", b"{}", **bearer(token)) == 403
        assert status_of(f"{cameras}/CAM", "DELETE", **bearer(token)) == 403
        # Who may look may start it.
        assert api.ask("POST", f"{one}/wake", {}).status == 202
        workspace.wait_for_phase("camera/cam", "Running")
        # The stream ends with the token's right.
        workspace.kubectl("delete", "rolebinding", "viewer")
        wait_for("the viewer is not let in", lambda: api.ask("GET", one).status == 403, 60, 1)
