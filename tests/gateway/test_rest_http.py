"""cam_server's REST interface by hand: errors, limits, other sites, tokens, and calls that must not wait for each other."""

import io
import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cam_server_client import CamClient
from cam_server_clients import SIMULATION, Clients, cam_server_clients
from http_status import bearer, status_of
from local_runs import alive, gateway_of, local_run, manifest, small_camera, small_pipeline, write
from ports import free_port
from waiting import wait_for
from workers import reader

TOKEN = "a-token-of-some-length"

PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)
_out = io.BytesIO()
np.save(_out, PIXELS)
NPY = _out.getvalue()


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    # Its sender is not there: the worker runs, and no frame ever comes.
    silent = manifest("Camera", "silent", {"source": {"bsread": {"address": f"tcp://127.0.0.1:{free_port()}", "channel": "A"}}})
    with cam_server_clients(tmp_path_factory.mktemp("rest"), objects=(small_camera(), small_pipeline(), silent)) as found:
        found.run.wait_for_phase("pipe", "Running")
        yield found


def refusal_of(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str]]:
    """Status of HTTP and JSON of an answer that is none of 200."""
    with (
        pytest.raises(urllib.error.HTTPError) as error,
        urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers)),
    ):
        pass
    with error.value as answer:
        return answer.code, json.load(answer)


def test_success_and_errors_have_the_form_of_cam_server(clients: Clients) -> None:
    url = f"{clients.camera_url}/api/v1/cam"
    assert clients.ask(url).items() >= {"state": "ok", "cameras": ["cam", "silent"]}.items()
    assert clients.ask(f"{url}/nobody/config").items() >= {"state": "error"}.items()
    assert status_of(f"{url}/nobody/config") == 200
    assert refusal_of(f"{clients.camera_url}/api/v2/cam") == (404, {"state": "error", "status": "there is nothing at /api/v2/cam"})
    allowed = "/api/v1/cam: PUT is not offered here; expected one of DELETE, GET, HEAD"
    assert refusal_of(url, "PUT") == (405, {"state": "error", "status": allowed})


def test_reserved_words_come_before_names(clients: Clients) -> None:
    assert clients.ask(f"{clients.camera_url}/api/v1/cam/config_names")["config_names"] == ["cam", "silent"]
    assert clients.ask(f"{clients.camera_url}/api/v1/cam/heartbeat")["instances"]["cam"]["camera_name"] == "cam"
    assert clients.ask(f"{clients.pipeline_url}/api/v1/pipeline/heartbeat")["instances"]["pipe"]["read_only"] is False
    assert clients.ask(f"{clients.camera_url}/api/v1/base")["base"] == clients.camera_url
    assert "not offered" in clients.ask(f"{clients.camera_url}/api/v1/reset")["status"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b'"text"', b"[" * 100_000])
def test_body_that_is_no_json_object_is_told(clients: Clients, body: bytes) -> None:
    told = clients.ask(f"{clients.camera_url}/api/v1/cam/new/config", "POST", body)
    assert told["state"] == "error"
    assert "expected" in told["status"]


def test_uploads_are_bounded(clients: Clients) -> None:
    told = clients.ask(f"{clients.camera_url}/api/v1/cam/new/config", "POST", b" " * (1 << 20) + b"{}")
    assert "more than 1048576 bytes" in told["status"]
    told = clients.ask(f"{clients.camera_url}/api/v1/cam/script/big.py/script_bytes", "PUT", b"x" * (16 << 20) + b"x")
    assert "more than 16777216 bytes" in told["status"]
    assert clients.cam.get_user_scripts() == []


def test_pickles_are_not_read_unless_asked_for_and_arrays_of_numpy_are(clients: Clients) -> None:
    with pytest.raises(ValueError, match="--allow-pickle"):
        clients.pipe.set_background_image_array("pickled", PIXELS)
    told = clients.ask(f"{clients.pipeline_url}/api/v1/pipeline/background/plain/image_bytes", "PUT", NPY)
    assert told["state"] == "ok"
    assert np.array_equal(clients.pipe.get_background_image_array("plain"), PIXELS)


@pytest.mark.parametrize("name", ["..%2Fsecret", "%2e%2e", ".hidden", "a%00b", "a%2Fb"])
def test_names_of_files_cannot_escape(clients: Clients, name: str) -> None:
    before = files_below(clients.folder)
    for path in (f"cam/script/{name}/script_bytes", f"cam/lib/{name}/lib_bytes", f"cam/background/{name}/image_bytes"):
        url = f"{clients.camera_url}/api/v1/{path}"
        assert status_of(url, "PUT", NPY) == 404 or clients.ask(url, "PUT", NPY)["state"] == "error"
    assert files_below(clients.folder) == before


def files_below(folder: Path) -> set[Path]:
    """Everything but what belongs to the run."""
    return {path for path in folder.rglob("*") if "state" not in path.parts}


def test_upload_that_takes_more_memory_than_there_is_is_refused_before_it_is_read(clients: Clients) -> None:
    large = b'{"filename": "large", "data": [[' + b"1, " * (11 << 20) + b"1]]}"
    answer = clients.ask(f"{clients.pipeline_url}/api/v1/pipeline/background", "POST", large)
    assert answer["state"] == "error"
    assert "MiB of memory, and this gateway has 512 MiB for everything; make it smaller" in answer["status"]


def test_pages_of_other_sites_are_refused(clients: Clients) -> None:
    url = f"{clients.camera_url}/api/v1/cam"
    refused = "pages of 'http://elsewhere.example' may not read streams of"
    code, told = refusal_of(url, Origin="http://elsewhere.example")
    assert (code, told["state"], told["status"].startswith(refused)) == (403, "error", True)
    assert status_of(url, Host="elsewhere.example") == 403
    assert status_of(f"{url}/cam", "DELETE", Origin="http://elsewhere.example") == 403
    assert status_of(url, Origin=clients.camera_url) == 200


def test_call_that_waits_for_a_silent_camera_holds_up_nobody(clients: Clients) -> None:
    answers: list[Any] = []
    url = f"{clients.camera_url}/api/v1/cam/silent"
    waiting = threading.Thread(target=lambda: answers.append(clients.ask(url)))
    waiting.start()
    try:
        # A second one of the same, and another: all are answered while the first waits.
        assert clients.cam.get_cameras()
        assert clients.cam.get_instance_stream("cam")
        assert clients.pipe.create_instance_from_config({"camera_name": "cam"})
        assert not answers or answers[0]["state"] == "error"
    finally:
        waiting.join()
    assert "Camera with prefix silent is offline" in answers[0]["status"]


def test_worker_that_is_stuck_costs_nobody_else_anything(clients: Clients) -> None:
    pid = clients.run.views()["silent"].pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        told = clients.pipe.get_server_info()["active_instances"]
        assert told["pipe"]["statistics"]["pid"]
        assert clients.cam.get_server_info()["active_instances"]["silent"]["statistics"] == {}
        name, _ = clients.pipe.create_instance_from_config({"camera_name": "cam"})
        clients.pipe.stop_instance(name)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_create_and_stop_leave_no_process_port_or_file(clients: Clients) -> None:
    def left() -> tuple[list[str], set[str]]:
        names = sorted(path.name for path in next(clients.run.state.glob("run-*")).iterdir() if "cycle" in path.name)
        return names, {name for name in clients.run.views() if name.startswith("cycle")}

    addresses, pids = [], set()
    for i in range(8):
        _, address = clients.pipe.create_instance_from_config({"camera_name": "cam"}, f"cycle_{i}")
        addresses.append(address)
        pids.add(int(clients.pipe.get_instance_info(f"cycle_{i}")["statistics"]["pid"]))
        clients.pipe.stop_instance(f"cycle_{i}")
    wait_for("nothing left", lambda: left() == ([], set()) and not any(map(alive, pids)))
    name, address = clients.pipe.create_instance_from_config({"camera_name": "cam"})
    addresses.append(address)
    clients.pipe.stop_instance(name)
    # Which ones depends on what else runs on this machine, and takes and gives back ports meanwhile.
    assert len(set(addresses)) < len(addresses), f"no port was ever used again: {addresses}"


def test_gateway_that_is_killed_comes_back_and_streams_do_not_notice(tmp_path: Path) -> None:
    with cam_server_clients(tmp_path, objects=(small_camera(),)) as clients:
        with reader(clients.cam.get_instance_stream("cam")) as stream:
            stream.message()
            before = clients.run.views()["cam"].pid
            gateway = gateway_of(clients.run.process.pid)
            assert gateway is not None
            os.kill(gateway, signal.SIGKILL)
            wait_for("another address", lambda: clients.run.rest()[0].rstrip("/") != clients.camera_url)
            stream.message()
        again = CamClient(clients.run.rest()[0].rstrip("/"))
        assert again.get_cameras() == ["cam"]
        assert clients.run.views()["cam"].pid == before


def test_tokens_are_asked_for_and_their_absence_is_said_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    with cam_server_clients(tmp_path, "--tokens", str(file), objects=(small_camera(),)) as clients:
        url = f"{clients.camera_url}/api/v1/cam"
        assert status_of(url) == 401
        assert status_of(url, **bearer(f"{TOKEN}x")) == 401
        assert status_of(url, **bearer(TOKEN)) == 200
        assert status_of(f"{url}/cam", "DELETE") == 401
        assert status_of(f"{clients.camera_url}/healthz") == 200
        assert "no authentication" not in clients.run.text()
        with pytest.raises(ValueError, match="a token is needed: as `Authorization: Bearer TOKEN`, or as password"):
            clients.cam.get_cameras()
        with pytest.raises(ValueError, match="a token is needed"):
            clients.pipe.create_instance_from_config({"camera_name": "cam"})
        with pytest.raises(ValueError, match="a token is needed"):
            clients.pipe_proxy.get_servers_info()
        # The unmodified client has no place for a token, but reads passwords from this file.
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login me password {TOKEN}\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        assert clients.cam.get_cameras() == ["cam"]


def test_tokens_that_cannot_be_used_close_all_doors(tmp_path: Path) -> None:
    write(tmp_path / "cam.yaml", small_camera())
    (tmp_path / "tokens").write_text("short\n")
    with local_run(tmp_path, "--tokens", str(tmp_path / "tokens"), str(tmp_path / "cam.yaml"), rest=True) as run:
        said = run.wait_for_output("nothing is served")
        assert "others may read it" in said or "expected at least one token" in said
        run.wait_for_phase("cam", "Running")
        assert "camera API: http" not in said


def test_run_without_manifests_has_what_clients_make(tmp_path: Path) -> None:
    with local_run(tmp_path, rest=True) as run:
        cam = CamClient(run.rest()[0].rstrip("/"))
        assert cam.get_cameras() == []
        cam.set_camera_config("simulation", SIMULATION)
        assert cam.get_camera_array("simulation").shape == (48, 64)


def test_no_tokens_are_said_loudly(clients: Clients) -> None:
    assert "no authentication: every program of this machine may change cameras and pipelines" in clients.run.text()


def test_port_that_is_in_use_is_told_and_everything_else_goes_on(tmp_path: Path, clients: Clients) -> None:
    port = clients.camera_url.rsplit(":", 1)[1]
    write(tmp_path / "cam.yaml", small_camera("other"))
    with local_run(tmp_path, "--camera-port", port, str(tmp_path / "cam.yaml"), rest=True) as run:
        assert f"no camera API: port {port} on 127.0.0.1 is in use; choose another with --camera-port" in run.wait_for_output("no camera")
        run.wait_for_phase("other", "Running")
        assert "pipeline API: http" in run.text()


def test_what_clients_save_is_kept_where_they_are_told_to(tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    for i in range(2):
        folder = tmp_path / str(i)
        folder.mkdir()
        with cam_server_clients(folder, "--keep", str(keep), objects=(small_camera(),)) as clients:
            if i == 0:
                clients.cam.set_camera_config("saved", SIMULATION)
                clients.pipe.save_pipeline_config("fit", {"camera_name": "saved", "my_key": 1})
                clients.pipe.create_instance_from_name("fit", "private")
            assert clients.cam.get_cameras() == ["cam", "saved"]
            assert clients.pipe.get_pipeline_config("fit")["my_key"] == 1
            assert clients.pipe.is_instance_running("private") is (i == 0)
    assert {json.loads(path.read_text())["kind"] for path in keep.iterdir()} == {"Camera", "Pipeline"}
