"""The gateway as a process on a real API server: the page's list, its own API, and cam_server's REST interface."""

import asyncio
import json
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_proxy import Refusal, running_proxy
from browsers import running_browser
from cam_server_client import CamClient, PipelineClient
from chromium import Tab
from gateway_processes import running_gateway
from http_status import status_of
from native_api import NativeApi
from open_api import matches
from operators import SIMULATION, Cluster, converge, reads
from pod_workers import report_of, running_worker
from setup_panel import apply, enter
from waiting import wait_for

from camstream.names import READ_ONLY, WAKE
from camstream.spec.report import FrameCounts, LastFrame


def listed(page: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{page}api/streams", timeout=5) as answer:
        return {view["name"]: view for view in json.load(answer)["streams"]}


SIMULATED = {"source": "", "source_type": "simulation"}


def test_gateway_that_has_not_listed_yet_is_not_ready_and_says_nothing_wrong(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("slow")
    cluster.create("Camera", "slow", "gun", SIMULATION | {"externalName": "GUN", "worker": {"className": "large"}})
    listing = threading.Event()
    with running_proxy(cluster.server) as proxy, ThreadPoolExecutor() as pool:
        proxy.hold = lambda asked: asked.path.endswith("/pipelines") and not listing.is_set()
        kubeconfig = proxy.kubeconfig(tmp_path / "kubeconfig")
        with running_gateway(kubeconfig, tmp_path, "--home", "slow", "--namespace", "slow") as doors:
            assert (status_of(f"{doors['page']}healthz"), status_of(f"{doors['page']}readyz")) == (200, 503)
            client = CamClient(doors["cameras"])
            listed, saved = pool.submit(client.get_cameras), pool.submit(client.set_camera_config, "GUN", SIMULATED)
            wait_for("it lists", lambda: any(asked.path.endswith("/pipelines") for asked in proxy.asked))
            assert not listed.done()
            listing.set()
            assert listed.result() == ["GUN"]
            saved.result()
            wait_for("it is ready", lambda: status_of(f"{doors['page']}readyz") == 200)
    # It was replaced as one that is known: what cam_server has no word for stays.
    assert cluster.get("Camera", "slow", "gun")["spec"]["worker"]["className"] == "large"


def test_gateway_that_cannot_list_says_so_to_clients_of_cam_server(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("cannot")
    with running_proxy(cluster.server) as proxy:
        proxy.before = lambda asked: Refusal(403) if asked.path.endswith("/pipelines") else None
        kubeconfig = proxy.kubeconfig(tmp_path / "kubeconfig")
        with (
            running_gateway(kubeconfig, tmp_path, "--home", "cannot", "--namespace", "cannot") as doors,
            pytest.raises(ValueError, match="the objects are not known yet: who keeps them has not answered; ask again"),
        ):
            CamClient(doors["cameras"]).get_cameras()


def test_page_lists_what_the_cluster_runs_and_what_changes(cluster: Cluster, tmp_path: Path) -> None:
    for namespace in ("page-one", "page-two"):
        cluster.make_namespace(namespace)
    cluster.create("Camera", "page-one", "listed-gun", SIMULATION)
    cluster.create("Pipeline", "page-one", "listed-fit", reads("listed-gun"))
    converge(cluster.server, "page-one")
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "page-one") as doors:
        found = wait_for("both are listed", lambda: (views := listed(doors["page"])).keys() >= {"listed-gun", "listed-fit"} and views)
        assert (found["listed-gun"]["namespace"], found["listed-gun"]["phase"], found["listed-fit"]["unit"]) == (
            "page-one",
            "Starting",
            "px",
        )
        assert found["listed-fit"]["address"] == "tcp://cpl-listed-fit.page-one.svc:9999"
        cluster.create("Camera", "page-two", "listed-other", SIMULATION)
        wait_for("another namespace is seen", lambda: "listed-other" in listed(doors["page"]))
        cluster.delete("Camera", "page-one", "listed-gun")
        wait_for("the deletion is seen", lambda: "listed-gun" not in listed(doors["page"]))
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "page-one", "--namespace", "page-one") as doors:
        wait_for("its own is listed", lambda: "listed-fit" in listed(doors["page"]))
        assert "listed-other" not in listed(doors["page"])


def test_clients_of_cam_server_make_and_change_objects_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("rest")
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "rest", "--namespace", "rest") as doors:
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


def test_tiles_tell_what_workers_tell_and_a_dash_where_nobody_does(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("tiles")
    for name, address in (("told", "127.0.7.1"), ("mute", "127.0.7.2")):
        cluster.create("Camera", "tiles", name, SIMULATION)
        status = {"phase": "Running", "stream": {"address": f"tcp://{address}:9999"}}
        cluster.edit("Camera", "tiles", name, {"status": status}, subresource="status")
    counts = FrameCounts(received=120, sent=100, failed=1, dropped={"source/late": 3})
    last = LastFrame(pulse_id=120, age_seconds=0.5)
    numbers = {"frames": counts, "send_rate": 9.98, "last_frame": last}
    report = {"now": report_of(cluster.get("Camera", "tiles", "told")).model_copy(update=numbers)}

    async def test(tab: Tab) -> None:
        await tab.open(doors["page"])
        facts = "const facts = (name) => view.tiles.get(`camera/tiles/${name}`)?.facts.textContent ?? '';"
        await tab.wait("its numbers", f"{facts} return /^9.98 Hz · 4 dropped · [0-9.]+ s old$/.test(facts('told'))")
        await tab.wait("a dash", f"{facts} return facts('mute') === '– Hz · – dropped'")

    options = ("--home", "tiles", "--namespace", "tiles")
    with (
        running_worker("127.0.7.1", report),
        running_gateway(cluster.server.kubeconfig, tmp_path, *options) as doors,
        running_browser() as browser,
    ):
        browser.run(test)


def told(*conditions: str, **status: Any) -> dict[str, Any]:
    """What an operator writes to an object, with these conditions true."""
    stamp = "2026-08-21T12:00:00Z"
    true = [{"type": name, "status": "True", "reason": name, "lastTransitionTime": stamp} for name in conditions]
    return {"status": {"conditions": true, "stream": {"address": "tcp://one:9999"}} | status}


@pytest.mark.parametrize(
    ("ended", "made"),
    [
        pytest.param({"config": {"desiredHash": "a", "endedHash": "a"}}, True, id="at its first frame"),
        pytest.param({}, False, id="before its stream was open"),
    ],
)
def test_instance_that_fails_when_it_is_made_is_told_as_made_if_its_stream_was_open(
    cluster: Cluster, tmp_path: Path, ended: dict[str, Any], made: bool
) -> None:
    namespace = cluster.make_namespace(f"fails-{made}".lower())
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.edit("Camera", namespace, "gun", told("Active", "InputConnected", phase="Running"), subresource="status")
    last_exit = {"reason": "ScriptError", "exitCode": 1, "message": "no beam"}
    failed = told(phase="Failed", worker={"lastExit": last_exit}, **ended)
    with (
        running_gateway(cluster.server.kubeconfig, tmp_path, "--home", namespace, "--namespace", namespace) as doors,
        ThreadPoolExecutor(1) as pool,
    ):
        cameras, pipelines = CamClient(doors["cameras"]), PipelineClient(doors["pipelines"])
        [camera] = wait_for("the camera is seen", cameras.get_cameras)
        answer = pool.submit(pipelines.create_instance_from_config, {"camera_name": camera}, "mine")
        wait_for("it is made", lambda: cluster.find("Pipeline", namespace, "mine"))
        cluster.edit("Pipeline", namespace, "mine", failed, subresource="status")
        if made:
            assert answer.result(30) == ("mine", "tcp://one:9999")
            assert not pipelines.is_instance_running("mine")
            assert pipelines.get_instance_exit_code("mine") == 1
        else:
            with pytest.raises(ValueError, match="instance terminated"):
                answer.result(30)
            assert cluster.find("Pipeline", namespace, "mine") is None


def test_own_api_reads_and_changes_objects_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("native")
    lifecycle = {"lifecycle": {"mode": "OnDemand"}}
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "native", "--namespace", "native") as doors:
        api = NativeApi(doors["page"])
        document = api.ask("GET", "/api/openapi.json").body
        for kind, plural, spec in (("Camera", "cameras", SIMULATION | lifecycle), ("Pipeline", "pipelines", reads("one") | lifecycle)):
            every, one = f"/api/v1/{plural}", f"/api/v1/{plural}/native/one"
            metadata = {"name": "one", "annotations": {READ_ONLY: "false"}}
            thing = {"apiVersion": "camstream.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
            made = api.ask("POST", every, thing)
            assert (made.status, made.headers["Location"]) == (201, one)
            assert cluster.get(kind, "native", "one")["metadata"]["uid"] == made.body["metadata"]["uid"]
            assert (api.ask("POST", every, thing).status, api.ask("POST", every, thing).code) == (409, "Conflict")
            found = api.ask("GET", one)
            assert (found.tag, found.body["spec"]) == (made.tag, spec)
            matches(found.body, {"$ref": f"#/components/schemas/{kind}"}, document)
            assert [item["metadata"]["name"] for item in api.ask("GET", every).body["items"]] == ["one"]
            # What the operator writes makes no new version of it.
            cluster.edit(kind, "native", "one", {"status": {"phase": "Starting"}}, subresource="status")
            wait_for("status is seen", lambda: api.ask("GET", one).body["status"]["phase"] == "Starting")  # noqa: B023
            replaced = api.ask("PUT", one, found.body | {"spec": spec | {"groups": ["a"]}}, If_Match=found.tag)
            assert (replaced.status, replaced.body["status"]["phase"]) == (200, "Starting")
            assert cluster.get(kind, "native", "one")["spec"]["groups"] == ["a"]
            change = {"spec": {"groups": None}, "metadata": {"labels": {"team": "laser"}}}
            patched = api.ask("PATCH", one, change, If_Match=replaced.tag)
            assert patched.status == 200
            stored = cluster.get(kind, "native", "one")
            assert (stored["spec"].get("groups", []), stored["metadata"]["labels"]) == ([], {"team": "laser"})
            assert api.ask("PATCH", one, {"metadata": {"labels": {"team": None}}}).status == 200
            assert not cluster.get(kind, "native", "one")["metadata"].get("labels")
            assert api.ask("POST", f"{one}/wake", {}).status == 202
            assert cluster.get(kind, "native", "one")["metadata"]["annotations"][WAKE] > "20"
            assert api.ask("DELETE", one).status == 204
            assert cluster.find(kind, "native", "one") is None
            assert api.ask("DELETE", one).code == "NotFound"


def test_edit_by_the_own_api_loses_nobody_elses(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("edits")
    cluster.create("Camera", "edits", "gun", SIMULATION)
    path = "/api/v1/cameras/edits/gun"
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "edits") as doors:
        api = NativeApi(doors["page"])
        old = api.ask("GET", path)
        cluster.edit("Camera", "edits", "gun", {"spec": {"geometry": {"rotateQuarterTurns": 1}}})
        for method, body in (("PUT", old.body), ("PATCH", {"spec": {"groups": ["mine"]}})):
            refused = api.ask(method, path, body, If_Match=old.tag)
            assert (refused.status, refused.code) == (412, "PreconditionFailed")
        # Without a version it is an edit of what is stored now, whether the gateway has heard of it or not.
        merged = api.ask("PATCH", path, {"spec": {"groups": ["mine"]}}).body["spec"]
        assert (merged["geometry"], merged["groups"]) == ({"rotateQuarterTurns": 1}, ["mine"])
        names = [f"n{number}" for number in range(4)]
        with ThreadPoolExecutor(len(names)) as pool:
            replies = list(pool.map(lambda name: api.ask("PATCH", path, {"metadata": {"annotations": {name: name}}}), names))
        assert [reply.status for reply in replies] == [200] * len(names)
        assert cluster.get("Camera", "edits", "gun")["metadata"]["annotations"].keys() >= set(names)
        cluster.delete("Camera", "edits", "gun")
        cluster.create("Camera", "edits", "gun", SIMULATION)
        assert api.ask("PUT", path, old.body, If_Match=old.tag).status == 412, "another camera of that name"


def test_own_api_tells_what_the_api_server_refuses(cluster: Cluster, tmp_path: Path) -> None:
    for namespace in ("told", "elsewhere"):
        cluster.make_namespace(namespace)
    cluster.create("Camera", "told", "gun", SIMULATION | {"externalName": "GUN"})
    cluster.create("Camera", "elsewhere", "gun", SIMULATION)
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "told") as doors:
        api = NativeApi(doors["page"])
        fixed = api.ask("PATCH", "/api/v1/cameras/told/gun", {"spec": {"externalName": "ANOTHER"}})
        assert (fixed.status, fixed.code) == (422, "Invalid")
        assert "externalName" in fixed.message
        nowhere = {
            "apiVersion": "camstream.dev/v1alpha1",
            "kind": "Camera",
            "metadata": {"name": "x", "namespace": "nowhere"},
            "spec": SIMULATION,
        }
        reply = api.ask("POST", "/api/v1/cameras", nowhere)
        assert (reply.status, reply.code) == (404, "NotFound")
        assert '"nowhere" not found' in reply.message
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "told", "--namespace", "told") as doors:
        api = NativeApi(doors["page"])
        assert api.ask("GET", "/api/v1/cameras/elsewhere/gun").status == 404
        for method in ("PATCH", "DELETE"):
            reply = api.ask(method, "/api/v1/cameras/elsewhere/gun", {})
            assert (reply.status, reply.code) == (403, "Forbidden")
            assert "looks at the namespaces told only" in reply.message
    assert cluster.find("Camera", "elsewhere", "gun") is not None


def test_clients_of_cam_server_see_and_change_their_own_namespace_only(cluster: Cluster, tmp_path: Path) -> None:
    lifecycle = {"mode": "OnDemand", "idleTimeoutSeconds": 600, "deleteWhenIdle": True}
    namespaces = ("twin-a", "twin-b", "twin-c")
    for number, namespace in enumerate(namespaces):
        cluster.make_namespace(namespace)
        source = {"simulation": {"width": 100 * (number + 1)}}
        cluster.create("Camera", namespace, f"gun-{number}", {"externalName": "GUN", "source": source})
        cluster.create("Pipeline", namespace, "theirs", reads(f"gun-{number}") | {"lifecycle": lifecycle})
    cluster.create("Camera", "twin-c", "far", SIMULATION)
    options = [part for namespace in namespaces for part in ("--namespace", namespace)]
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "twin-b", *options) as doors:
        cameras, pipelines = CamClient(doors["cameras"]), PipelineClient(doors["pipelines"])
        wait_for("all are seen", lambda: sorted(listed(doors["page"])) == ["far", "gun-0", "gun-1", "gun-2", "theirs"])
        assert cameras.get_cameras() == pipelines.get_cameras() == ["GUN"]
        assert cameras.get_camera_config("GUN")["size_x"] == 200
        cameras.set_camera_config("GUN", cameras.get_camera_config("GUN") | {"size_x": 250})
        # What a pipeline reads is of its namespace, whatever else has that name.
        pipelines.save_pipeline_config("fit", {"camera_name": "GUN"})
        assert cluster.get("Pipeline", "twin-b", "fit")["spec"]["input"]["camera"]["name"] == "gun-1"
        with pytest.raises(ValueError, match=r"Camera far is not online\. Cannot start pipeline\. \(it does not exist\)"):
            pipelines.create_instance_from_config({"camera_name": "far"})
        # A name that is taken elsewhere is free here.
        cameras.set_camera_config("far", {"source": "FAR", "source_type": "simulation"})
        assert cluster.get("Camera", "twin-b", "far")["metadata"]["name"] == "far"
        cameras.delete_camera_config("far")
        pipelines.stop_all_instances()
    found = {name: [thing["metadata"]["name"] for thing in cluster.list("Pipeline", name)] for name in namespaces}
    assert found == {"twin-a": ["theirs"], "twin-b": ["fit"], "twin-c": ["theirs"]}
    assert cluster.find("Camera", "twin-c", "far") is not None
    widths = [cluster.get("Camera", name, f"gun-{i}")["spec"]["source"]["simulation"]["width"] for i, name in enumerate(namespaces)]
    assert widths == [100, 250, 300]


def test_uploaded_script_travels_in_the_pipelines_that_run_it(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("uploads")
    text = "def process_image(image, *_):\n    return {'peak': image.max()}\n"
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "uploads", "--namespace", "uploads") as doors:
        cameras, pipelines = CamClient(doors["cameras"]), PipelineClient(doors["pipelines"])
        cameras.set_camera_config("GUN", {"source": "GUN", "source_type": "simulation"})
        pipelines.set_user_script("peak.py", text)
        told = pipelines.save_pipeline_config("fit", {"camera_name": "GUN", "function": "peak", "image_threshold": 3, "limit": 5})
        assert pipelines.get_pipeline_config("fit")["function"] == "peak.py", told

        def script() -> dict[str, Any]:
            return dict(cluster.get("Pipeline", "uploads", "fit")["spec"].get("script", {}))

        assert (script()["source"], script()["parameters"], script().get("file")) == (text, {"limit": 5}, None)
        # A client sends back what it was told, with a change; nothing else changes.
        pipelines.save_pipeline_config("fit", pipelines.get_pipeline_config("fit") | {"image_threshold": 4})
        assert (script()["source"], script()["parameters"]) == (text, {"limit": 5})
        pipelines.set_user_script("peak.py", text.replace("max", "min"))
        assert script()["source"] == text.replace("max", "min")
        # What is deleted from the server runs on.
        pipelines.delete_script("peak.py")
        pipelines.save_pipeline_config("fit", pipelines.get_pipeline_config("fit") | {"image_threshold": 5})
        assert script()["source"] == text.replace("max", "min")
        pipelines.save_pipeline_config("fit", {"camera_name": "GUN"})
        assert script() == {}
        assert pipelines.get_pipeline_config("fit")["function"] == "default"
        pipelines.set_user_script("long.py", "#" * 300_000)
        with pytest.raises(ValueError, match=r"script 'long\.py' cannot be in a pipeline: source: String should have at most 262144"):
            pipelines.save_pipeline_config("fit", {"camera_name": "GUN", "function": "long"})
        with pytest.raises(ValueError, match=r"library 'smooth\.py' would reach no worker: .* put it into the script, or install it in"):
            pipelines.set_lib("smooth.py", "factor = 2\n")
        assert pipelines.get_libs() == []


def test_page_says_who_was_faster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("faster")
    spec = reads("gun") | {"groups": ["one"], "processing": {"averaging": 2}}
    cluster.create("Pipeline", "faster", "fit", spec)

    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "faster", "--namespace", "faster") as doors:
        api, one = NativeApi(doors["page"]), "/api/v1/pipelines/faster/fit"

        def change() -> None:
            processing = {"threshold": 30, "averaging": None}
            cluster.edit("Pipeline", "faster", "fit", {"spec": {"processing": processing}})
            groups = {"spec": {"groups": ["two"]}}
            wait_for("the gateway has seen it", lambda: api.ask("GET", one).body["spec"]["processing"] == {"threshold": 30})
            assert api.ask("PATCH", one, groups).status == 200

        async def test(tab: Tab) -> None:
            await tab.open(f"{doors['page']}#/pipeline/faster/fit")
            await tab.view("if (!view.setup.open) view.act('setup');")
            await tab.wait("the panel", "return view.setup.base !== null")
            await enter(tab, "processing.threshold", 20)
            await asyncio.to_thread(change)
            await apply(tab)
            await tab.wait("both are shown", "return !view.setup.conflict.hidden")
            rows = await tab.view(
                "return [...view.setup.conflict.querySelectorAll('tbody tr')].map((row) =>"
                " [row.children[0].textContent, row.children[2].firstChild.textContent,"
                " row.querySelector('small')?.textContent.split(', ')[0] ?? '']);"
            )
            # Of what was taken away nobody keeps by whom.
            wanted = [["Averaging", "none", ""], ["Threshold", "30", "by somebody"], ["groups", "two", "by camstream-gateway"]]
            assert sorted(rows) == wanted

        with running_browser() as browser:
            # Chromium tells of every answer that is an error, and 412 is one.
            browser.run(test, complaints=True)
        told = api.ask("GET", f"{one}?managedFields=true").body["metadata"]
        assert {entry["manager"] for entry in told["managedFields"]} >= {"somebody", "camstream-gateway"}
        assert "managedFields" not in api.ask("GET", one).body["metadata"]
