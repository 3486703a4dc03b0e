"""The gateway as a process on a real API server: the page's list and cam_server's REST interface."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from cam_server_client import CamClient, PipelineClient
from cluster_gateways import running_gateway
from operators import SIMULATION, Cluster, converge, reads
from waiting import wait_for


def listed(page: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{page}api/streams", timeout=5) as answer:
        return {view["name"]: view for view in json.load(answer)["streams"]}


def test_page_lists_what_the_cluster_runs_and_what_changes(cluster: Cluster, tmp_path: Path) -> None:
    for namespace in ("page-one", "page-two"):
        cluster.make_namespace(namespace)
    cluster.create("Camera", "page-one", "gun", SIMULATION)
    cluster.create("Pipeline", "page-one", "fit", reads("gun"))
    converge(cluster.server, "page-one")
    with running_gateway(cluster, tmp_path, "--home", "page-one") as doors:
        found = wait_for("both are listed", lambda: (views := listed(doors["page"])).keys() >= {"gun", "fit"} and views)
        assert (found["gun"]["namespace"], found["gun"]["phase"], found["fit"]["unit"]) == ("page-one", "Starting", "px")
        assert found["fit"]["address"] == "tcp://cpl-fit.page-one.svc:9999"
        cluster.create("Camera", "page-two", "other", SIMULATION)
        wait_for("another namespace is seen", lambda: "other" in listed(doors["page"]))
        cluster.delete("Camera", "page-one", "gun")
        wait_for("the deletion is seen", lambda: "gun" not in listed(doors["page"]))
    with running_gateway(cluster, tmp_path, "--home", "page-one", "--namespace", "page-one") as doors:
        wait_for("its own is listed", lambda: "fit" in listed(doors["page"]))
        assert "other" not in listed(doors["page"])


def test_clients_of_cam_server_make_and_change_objects_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("rest")
    with running_gateway(cluster, tmp_path, "--home", "rest", "--namespace", "rest") as doors:
        cameras, pipelines = CamClient(doors["cameras"]), PipelineClient(doors["pipelines"])
        cameras.set_camera_config("SAT-CM-01", {"source": "SAT-CM-01", "source_type": "simulation", "mirror_x": True})
        [camera] = cluster.list("Camera", "rest")
        assert (camera["spec"]["externalName"], camera["spec"]["geometry"]["mirror"]["leftRight"]) == ("SAT-CM-01", True)
        assert cameras.get_cameras() == ["SAT-CM-01"]
        pipelines.save_pipeline_config("fit", {"camera_name": "SAT-CM-01", "image_threshold": 7})
        [pipeline] = cluster.list("Pipeline", "rest")
        assert pipeline["spec"]["processing"]["threshold"] == 7
        pipelines.delete_pipeline_config("fit")
        assert cluster.list("Pipeline", "rest") == []
