"""Backgrounds of a cluster, from the object to the worker: a real API server, gateway, operator and workers; no pods."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from api_proxy import Refusal, running_proxy
from background_scenarios import fail_with_their_reasons, make_read_and_delete, reason
from cam_server_client import PipelineClient
from gateway_processes import running_gateway
from native_api import NativeApi
from operators import SIMULATION, Cluster, reads, running_operator
from ports import free_port
from waiting import wait_for
from workers import WorkerProcess, camera, reader, simulation, worker

PIXELS = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
NOW = "2026-11-21T12:00:00Z"

Body = dict[str, Any]


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[WorkerProcess]:
    """A camera that sends the same image all the time."""
    with worker(tmp_path, camera(simulation(64, 48, pattern="StaticBeam"))) as process, reader(process.address) as found:
        found.message()
        yield process


def make_camera(cluster: Cluster, namespace: str, address: str) -> None:
    """A Camera whose worker is at an address, as the operator would tell."""
    cluster.create("Camera", namespace, "cam", SIMULATION | {"externalName": "CAM"})
    fine = {"status": "True", "reason": "Fine", "message": "", "lastTransitionTime": NOW}
    conditions = [{"type": name} | fine for name in ("Active", "InputConnected")]
    status = {"phase": "Running", "conditions": conditions, "stream": {"address": address}}
    cluster.edit("Camera", namespace, "cam", {"status": status}, subresource="status")


def ended(cluster: Cluster, namespace: str, name: str) -> Body:
    """The status of a Background that has come to its end."""

    def look() -> Body | None:
        status: Body = cluster.get("Background", namespace, name).get("status") or {}
        return status if status.get("phase") in ("Completed", "Failed") else None

    return wait_for(f"background {name} comes to its end", look) or {}


def store(folder: Path, namespace: str, name: str, pixels: npt.NDArray[Any] = PIXELS) -> str:
    """Put a file into the store of a gateway that does not run; its SHA-256."""
    path = folder / "backgrounds" / namespace / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, pixels)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def used_by(cluster: Cluster, namespace: str, child: str) -> Body | None:
    """What the worker of an object is told about its background."""
    found = cluster.find("ConfigMap", namespace, child)
    return json.loads(found["data"]["config.json"]).get("background") if found else None


def test_collected_background_reaches_the_worker_that_subtracts_it(cluster: Cluster, sending: WorkerProcess, tmp_path: Path) -> None:
    cluster.make_namespace("collect")
    make_camera(cluster, "collect", sending.address)
    with reader(sending.address) as found:
        image = found.message().values["image"].copy()
    port = free_port()
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "collect", "--namespace", "collect", page_port=port) as doors:
        cluster.create("Background", "collect", "dark", {"camera": {"name": "cam"}, "frames": 5})
        status = ended(cluster, "collect", "dark")
        assert (status["phase"], reason(status), status["frames"], status["image"]["size"]) == ("Completed", "Stored", 5, "64x48")
        assert status["name"].startswith("CAM_")
        # A pipeline that asks for the latest one, and one by a name that does not exist.
        cluster.create("Pipeline", "collect", "latest", reads("cam", processing={"background": {}}))
        cluster.create("Pipeline", "collect", "named", reads("cam", processing={"background": {"name": "nobody"}}))
        url = f"http://127.0.0.1:{port}/api/v1/backgrounds"
        with running_operator(tmp_path, cluster.server.kubeconfig, namespaces=["collect"], backgroundsUrl=url):
            told = wait_for("the worker's configuration", lambda: used_by(cluster, "collect", "cpl-latest"))
            assert told == {
                "name": status["name"],
                "url": f"{url}/collect/{status['name']}?sha256={status['sha256']}",
                "sha256": status["sha256"],
            }
            missing = cluster.wait_for_reason("Pipeline", "collect", "named", "BackgroundLoaded", "NotFound")
            assert "background 'nobody' does not exist" in missing["message"]
            # By REST, as today's clients do. The one in use stays, and the other pipeline gets what it waits for.
            pipelines = PipelineClient(doors["pipelines"])
            pipelines.set_background("nobody", PIXELS // 2)
            assert wait_for("the other one", lambda: used_by(cluster, "collect", "cpl-named"))["name"] == "nobody"
            assert ended(cluster, "collect", "nobody")["phase"] == "Completed"
            newer = "CAM_20991231_235959_999999"
            pipelines.set_background(newer, PIXELS)
            ended(cluster, "collect", "cam-20991231-235959-999999")
            assert used_by(cluster, "collect", "cpl-latest") == told
            # An edit takes the latest.
            cluster.edit("Pipeline", "collect", "latest", {"spec": {"processing": {"threshold": 3}}})
            wait_for("the newer one", lambda: (used_by(cluster, "collect", "cpl-latest") or {})["name"] == newer)
        # Somebody takes the gateway out of the chart: what is in use stays.
        before = used_by(cluster, "collect", "cpl-latest")
        with running_operator(tmp_path, cluster.server.kubeconfig, namespaces=["collect"]) as operator:
            cluster.edit("Camera", "collect", "cam", {"spec": {"groups": ["again"]}})
            wait_for("all are looked after", lambda: operator.metric("reconcile_total", kind="Pipeline", result="success") >= 2)
            assert used_by(cluster, "collect", "cpl-latest") == before
        config = camera(simulation(64, 48, pattern="StaticBeam"), name="corrected", background_spec={}) | {"background": told}
        with worker(tmp_path, config, {"TMPDIR": str(tmp_path)}) as process, reader(process.address) as found:
            assert not np.any(found.message().values["image"])
            used = process.wait_for_status("it says so", lambda status: status["background"])["background"]
            assert used == {"name": told["name"], "sha256": told["sha256"]}
    assert np.array_equal(np.load(tmp_path / "backgrounds" / "collect" / f"{status['name']}.npy"), image)


def test_store_that_is_there_already_gets_its_records(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("before")
    names = ["GUN_20261121_120000_000000", "gun_20261121_120000_000000", "by hand"]
    digests = [store(tmp_path, "before", name, PIXELS + i) for i, name in enumerate(names)]
    store(tmp_path, "lost+found", "x")

    def records() -> dict[str, str]:
        statuses = [found.get("status") or {} for found in cluster.list("Background", "before")]
        return {status["name"]: status["sha256"] for status in statuses if status.get("phase") == "Completed"}

    # Names of files that are no ids are left alone; two that become one name of an object are told apart.
    expected = dict(zip(names[:2], digests, strict=False))
    for _ in range(2):
        with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "before", "--namespace", "before"):
            wait_for("all records", lambda: records() == expected)
        # As after a removal of the chart with its objects: the next one finds the files.
        for found in cluster.list("Background", "before"):
            cluster.delete("Background", "before", found["metadata"]["name"])


def test_background_is_made_read_and_deleted_by_http(cluster: Cluster, sending: WorkerProcess, tmp_path: Path) -> None:
    cluster.make_namespace("by-http")
    make_camera(cluster, "by-http", sending.address)
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "by-http", "--namespace", "by-http") as doors:
        make_read_and_delete(NativeApi(doors["page"]), "by-http", "cam", "CAM")
        assert not cluster.find("Background", "by-http", "by-http")


def test_what_cannot_be_collected_says_why_and_leaves_nothing(cluster: Cluster, sending: WorkerProcess, tmp_path: Path) -> None:
    cluster.make_namespace("fails")
    make_camera(cluster, "fails", sending.address)
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "fails", "--namespace", "fails") as doors:
        fail_with_their_reasons(NativeApi(doors["page"]), "fails", "cam")
    assert not list((tmp_path / "backgrounds").rglob("*"))


def test_stored_background_gets_its_record_when_the_api_server_answers_again(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("late")
    with running_proxy(cluster.server) as proxy:
        proxy.before = lambda asked: Refusal(503) if asked.method == "POST" else None
        kubeconfig = proxy.kubeconfig(tmp_path / "kubeconfig")
        with running_gateway(kubeconfig, tmp_path, "--home", "late", "--namespace", "late") as doors:
            with pytest.raises(ValueError, match=r"background 'dark' is stored, but has no record yet, .* that is tried again"):
                PipelineClient(doors["pipelines"]).set_background("dark", PIXELS)
            assert cluster.list("Background", "late") == []
            proxy.before = lambda _: None
            wait_for("its record", lambda: cluster.list("Background", "late"))
            assert ended(cluster, "late", "dark")["phase"] == "Completed"
            # One that may not be made is told, and made when it is uploaded again.
            proxy.before = lambda asked: Refusal(403) if asked.method == "POST" else None
            with pytest.raises(ValueError, match=r"'other' is stored, but has no record, .* upload it again under this id"):
                PipelineClient(doors["pipelines"]).set_background("other", PIXELS)
            proxy.before = lambda _: None
            PipelineClient(doors["pipelines"]).set_background("other", PIXELS)
            assert ended(cluster, "late", "other")["phase"] == "Completed"


def test_background_whose_gateway_ended_before_it_could_tell_is_not_collected_twice(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("killed")
    digest = store(tmp_path, "killed", "CAM_20261121_120000_000000")
    cluster.create("Background", "killed", "dark", {"camera": {"name": "cam"}})
    told = {"phase": "Running", "name": "CAM_20261121_120000_000000"}
    cluster.edit("Background", "killed", "dark", {"status": told}, subresource="status")
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "killed", "--namespace", "killed"):
        status = ended(cluster, "killed", "dark")
    assert (status["phase"], status["sha256"]) == ("Completed", digest)


def test_files_are_given_to_those_who_know_their_hash(cluster: Cluster, tmp_path: Path) -> None:
    cluster.make_namespace("files")
    digest = store(tmp_path, "files", "dark")
    (tmp_path / "secret.npy").write_bytes(b"x")
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef\n")
    tokens.chmod(0o600)
    with running_gateway(cluster.server.kubeconfig, tmp_path, "--home", "files", "--namespace", "files", "--tokens", str(tokens)) as doors:
        url = f"{doors['page']}api/v1/backgrounds"
        code, content = fetch(f"{url}/files/dark?sha256={digest}")
        assert (code, hashlib.sha256(content).hexdigest()) == (200, digest)
        outside = ("%2e%2e/secret", "files/%2e%2e%2f%2e%2e%2fsecret", "..%2f/x")
        for path in ("files/dark", f"files/dark?sha256={'0' * 64}", "files/other", *outside):
            assert fetch(f"{url}/{path}")[0] in (401, 404), path
        # What cannot be looked at may be there.
        (tmp_path / "backgrounds" / "away").touch()
        code, content = fetch(f"{url}/away/dark?sha256={digest}")
        assert (code, b"look at the store" in content) == (503, True)
        assert fetch(f"{doors['page']}api/streams")[0] == 401
