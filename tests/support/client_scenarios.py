"""What clients of cam_server do, against any server of its REST interface: two addresses, and somebody who reads streams.

No scenario looks at folders or processes: what runs is what the server tells. Each cleans up after itself, and leaves what others made.
"""

import io
import json
import secrets
import tempfile
import threading
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, chdir, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cam_server_client import CamClient, PipelineClient, ProxyClient
from PIL import Image
from waiting import wait_for

SIZE = 64, 48
SIMULATION = {"source": "", "source_type": "simulation", "size_x": SIZE[0], "size_y": SIZE[1], "dtype": "uint16", "frame_rate": 10}

STATISTICS = {"total_bytes", "clients", "throughput", "rx", "tx", "time", "pid", "frame_shape"}
"""Those of cam_server's that are told here, too."""

TRANSPARENT = {"x_axis", "y_axis", "width", "height", "image", "processing_parameters", "timestamp"}

Read = Callable[[str], Mapping[str, Any]]


@dataclass
class Server:
    """One server as its clients see it."""

    camera_url: str
    pipeline_url: str
    read: Read
    """The channels of one message of a stream, by its address; of arrays nothing but their names counts."""
    patience_s: float = 60.0
    """How long something may take that needs a worker to start or to end."""
    idle_s: int = 2
    """no_client_timeout of what is left alone [s]: also where it takes longer to start it, its address is told first."""
    reach: Callable[[str], AbstractContextManager[Any]] = nullcontext
    """Lets the client itself connect to the address of a stream, as long as this lasts."""
    keeps_libraries: bool = True
    """Where workers do not see the files of the server, a library would reach none and is refused."""

    def __post_init__(self) -> None:
        self.cam, self.pipe = CamClient(self.camera_url), PipelineClient(self.pipeline_url)
        self.cam_proxy, self.pipe_proxy = ProxyClient(self.camera_url), ProxyClient(self.pipeline_url)

    def ask(self, url: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
        """A request by hand, as programs do that are not written in Python."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method), timeout=90) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def wait_until_stopped(self, client: CamClient | PipelineClient, name: str) -> None:
        wait_for(f"{name} to stop", lambda: not client.is_instance_running(name), self.patience_s, 0.2)

    def parameters(self, address: str) -> dict[str, Any]:
        """The processing that the newest message tells of."""
        found: dict[str, Any] = json.loads(self.read(address)["processing_parameters"])["processing"]
        return found

    @contextmanager
    def camera(self, **config: Any) -> Iterator[str]:
        """A camera of its own, gone at the end."""
        name = f"CAM-{secrets.token_hex(3)}"
        self.cam.set_camera_config(name, SIMULATION | config)
        try:
            yield name
        finally:
            self.cam.delete_camera_config(name)

    @contextmanager
    def saved(self, camera: str, suffix: str = "_sp", **config: Any) -> Iterator[str]:
        """A saved pipeline of a camera."""
        name = f"{camera}{suffix}"
        self.pipe.save_pipeline_config(name, {"camera_name": camera, **config})
        try:
            yield name
        finally:
            self.pipe.delete_pipeline_config(name)

    @contextmanager
    def instance(self, config: dict[str, Any], name: str | None = None) -> Iterator[tuple[str, str]]:
        """A private instance; its id, and the address of its stream."""
        made, address = self.pipe.create_instance_from_config(config, name)
        try:
            yield made, address
        finally:
            self.pipe.stop_instance(made)


# ---------------------------------------------------------------------------- what fails on cam_server today


def logs_are_told_by_the_proxy(server: Server) -> None:
    """Both methods of ProxyClient ask for paths that cam_server does not have. Its own logs are told by everybody."""
    with server.camera() as camera, server.instance({"camera_name": camera}) as (name, _):
        assert any("stream tcp://" in record[-1] for record in server.pipe_proxy.get_instance_logs(0, name))
        assert any("stream tcp://" in record[-1] for record in server.pipe.get_instance_logs(name))
        assert "stream tcp://" in server.cam.get_instance_logs(camera, txt=True)
        with pytest.raises(ValueError, match="'nobody'"):
            server.pipe.get_pipeline_config("nobody")
        assert "'nobody'" in server.pipe_proxy.get_server_logs(0, txt=True)
        # One server has one log.
        for told in (server.pipe.get_logs(), server.cam.get_logs(), server.pipe_proxy.get_logs()):
            assert any("'nobody'" in record[-1] for record in told)


def stream_of_a_configuration_is_reused(server: Server) -> None:
    """cam_server's README says so; it makes a new one for everybody."""
    with server.camera() as camera:
        config = {"camera_name": camera, "image_threshold": 7}
        name, address = server.pipe.get_instance_stream_from_config(config)
        try:
            assert server.pipe.get_instance_stream_from_config(dict(reversed(config.items()))) == (name, address)
            assert server.pipe.get_instance_info(name)["read_only"] is True
            with pytest.raises(ValueError, match=r"Cannot set config on a read only instance\."):
                server.pipe.set_instance_config(name, {"image_threshold": 4})
        finally:
            server.pipe.stop_instance(name)


# ---------------------------------------------------------------------------- private instances


def private_instance_has_its_own_keys_and_its_id_is_free_again(server: Server) -> None:
    with server.camera() as camera, server.saved(camera, image_threshold=3) as saved:
        name, address = server.pipe.create_instance_from_name(saved, f"{camera}_mine", additional_config={"image_threshold": 8})
        assert name == f"{camera}_mine"
        assert server.parameters(address)["threshold"] == 8
        assert server.pipe.get_pipeline_config(saved)["image_threshold"] == 3
        with pytest.raises(ValueError, match=rf"Instance with id '{name}' is already present and running\."):
            server.pipe.create_instance_from_name(saved, name)
        with pytest.raises(ValueError, match=rf"Instance '{name}' still running\."):
            server.pipe.get_instance_exit_code(name)
        server.pipe.stop_instance(name)
        assert not server.pipe.is_instance_running(name)
        assert server.pipe.get_instance_exit_code(name) == 0
        server.pipe.create_instance_from_name(saved, name)
        assert server.pipe.get_instance_config(name)["image_threshold"] == 3
        server.pipe.stop_instance(name)


def two_clients_with_one_id_get_one_instance(server: Server) -> None:
    answers: list[str] = []
    with server.camera() as camera:
        name = f"{camera}_both"

        def create() -> None:
            try:
                answers.append(PipelineClient(server.pipeline_url).create_instance_from_config({"camera_name": camera}, name)[0])
            except ValueError as error:
                answers.append(str(error))

        clients = [threading.Thread(target=create) for _ in range(3)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        server.pipe.stop_instance(name)
    assert sorted(answer == name for answer in answers) == [False, False, True]
    assert sum("is already present and running" in answer for answer in answers) == 2


def instance_and_camera_that_nobody_reads_end(server: Server) -> None:
    with server.camera(no_client_timeout=server.idle_s) as camera:
        name, _ = server.pipe.create_instance_from_config({"camera_name": camera, "no_client_timeout": server.idle_s})
        assert len(name) == 36
        server.pipe.wait_instance_completed(name, timeout=server.patience_s)
        assert server.pipe.get_instance_exit_code(name) == 0
        server.cam.wait_instance_completed(camera, timeout=server.patience_s)
        assert not server.cam.is_instance_running(camera)


def records_and_ranges_end_an_instance_as_intended(server: Server) -> None:
    with server.camera() as camera:
        for number, config in enumerate(({"records": 12}, {"pid_range": [1, 2]})):
            name = f"{camera}_{number}"
            server.pipe.create_instance_from_config({"camera_name": camera, **config}, name)
            server.wait_until_stopped(server.pipe, name)
            assert server.pipe.get_instance_exit_code(name) == 0
            server.pipe.delete_instance(name)


def exit_code_tells_of_a_script_that_fails(server: Server) -> None:
    script = f"broken_{secrets.token_hex(3)}.py"
    # Not at the first frame, and before it ends because nobody reads it.
    lines = ("n = 0", "def process_image(*_):", "    global n", "    n += 1", "    if n > 5: raise ValueError('no beam')", "    return {}")
    server.pipe.set_user_script(script, "\n".join(lines))
    try:
        with server.camera() as camera:
            name = f"{camera}_broken"
            server.pipe.create_instance_from_config({"camera_name": camera, "function": script, "abort_on_error": True}, name)
            server.wait_until_stopped(server.pipe, name)
            assert server.pipe.get_instance_exit_code(name) == 1
            server.pipe.stop_instance(name)
    finally:
        server.pipe.delete_script(script)


# ---------------------------------------------------------------------------- shared and permanent


def stream_of_a_saved_pipeline_is_shared_and_read_only(server: Server) -> None:
    with server.camera() as camera, server.saved(camera) as saved:
        address = server.pipe.get_instance_stream(saved)
        assert server.pipe.get_instance_stream(saved) == address
        with pytest.raises(ValueError, match=r"Cannot set config on a read only instance\."):
            server.pipe.set_instance_config(saved, {"image_threshold": 4})
        server.pipe.stop_instance(saved)
        server.wait_until_stopped(server.pipe, saved)
        # cam_server keeps the port in some modes, and forgets it in others.
        assert server.pipe.get_instance_stream(saved) == address
        with pytest.raises(ValueError, match="Instance 'nobody' is not present on server and it is not a saved"):
            server.pipe.get_instance_stream("nobody")


def permanent_instance_runs_by_itself_and_goes_on_when_it_is_stopped(server: Server) -> None:
    proxy = server.pipe_proxy
    with server.camera() as camera, server.saved(camera) as saved:
        before = proxy.get_permanent_instances()
        try:
            assert proxy.set_permanent_instances(before | {saved: saved, "unknown": "unknown"}) == before | {saved: saved}
            wait_for("it runs", lambda: server.pipe.is_instance_running(saved), server.patience_s, 0.2)
            server.pipe.stop_instance(saved)
            assert server.pipe.is_instance_running(saved)
            # What is changed is saved, too.
            server.pipe.set_instance_config(saved, {"image_threshold": 5})
            assert server.pipe.get_pipeline_config(saved)["image_threshold"] == 5
        finally:
            assert proxy.set_permanent_instances(before) == before
        server.wait_until_stopped(server.pipe, saved)


def all_can_be_stopped_at_once_and_what_is_saved_stays(server: Server) -> None:
    """Those of others, too."""
    with server.camera() as camera, server.saved(camera) as saved:
        name, _ = server.pipe.create_instance_from_name(saved)
        server.pipe.stop_all_instances()
        assert not server.pipe.is_instance_running(name)
        server.cam.stop_all_instances()
        server.wait_until_stopped(server.cam, camera)
        # Also where nothing runs any more.
        server.cam.delete_instance(camera)
        assert camera in server.cam.get_cameras()
        assert saved in server.pipe.get_pipelines()


# ---------------------------------------------------------------------------- live changes


def pid_of(server: Server, name: str) -> int:
    """Of the worker of an instance. One that has just begun may not answer yet, and is then told about without numbers."""
    found = wait_for("its numbers", lambda: server.pipe.get_instance_info(name)["statistics"].get("pid"), server.patience_s)
    assert found is not None
    return found


def live_change_takes_effect_and_null_takes_it_back(server: Server) -> None:
    with server.camera() as camera:
        config = {"camera_name": camera, "image_good_region": {"threshold": 0.4}}
        with server.instance(config) as (name, address):
            pid = pid_of(server, name)
            changed = server.pipe.set_instance_config(
                name, {"image_region_of_interest": [10, 20, 5, 30], "image_threshold": 3, "image_good_region": {"gfscale": 3}}
            )
            assert changed["image_good_region"] == {"threshold": 0.4, "gfscale": 3}
            values = server.read(address)
            assert (values["width"], values["height"]) == (20, 30)
            server.pipe.set_instance_config(name, {"image_region_of_interest": None})
            assert server.read(address)["width"] == SIZE[0]
            assert pid_of(server, name) == pid


def change_that_cannot_be_is_refused_in_cam_servers_words(server: Server) -> None:
    refused: dict[str, dict[str, Any]] = {
        r"Config updates cannot be empty\.": {},
        r"Cannot change the camera name on a running instance\. Stop the instance first\.": {"camera_name": "other"},
        "number_of_slices must be an integer": {"image_good_region": {}, "image_slices": {"number_of_slices": 1.5}},
        r"Invalid slice orientation 'diagonal'\.": {"image_good_region": {}, "image_slices": {"orientation": "diagonal"}},
        r"Requested background 'nothing' does not exist\.": {"image_background_enable": True, "image_background": "nothing"},
        "pipeline_type 'x' not present in mapping": {"pipeline_type": "x"},
    }
    with server.camera() as camera, server.instance({"camera_name": camera}) as (name, _):
        before = server.pipe.get_instance_config(name)
        for message, updates in refused.items():
            with pytest.raises(ValueError, match=message):
                server.pipe.set_instance_config(name, updates)
        assert server.pipe.get_instance_config(name) == before


def errors_are_in_cam_servers_words(server: Server) -> None:
    pipe, cam = server.pipe, server.cam
    told: dict[str, Callable[[], Any]] = {
        r"Camera unknown is not online\. Cannot start pipeline\.": lambda: pipe.create_instance_from_config({"camera_name": "unknown"}),
        r"Camera name not specified in configuration\.": lambda: pipe.save_pipeline_config("x", {"image_threshold": 3}),
        "pipeline_type 'x' not present in mapping. Available": lambda: pipe.save_pipeline_config("x", {"pipeline_type": "x"}),
        "Invalid source_type 'x'": lambda: cam.set_camera_config("x", {"source": "X", "source_type": "x"}),
        "not specified in configuration": lambda: cam.set_camera_config("x", {"source_type": "simulation"}),
        r"Unable to load config\. Config 'nobody' does not exist\.": lambda: cam.get_camera_config("nobody"),
        r"Pipeline 'nobody' does not exist\.": lambda: pipe.create_instance_from_name("nobody"),
        r"You must specify either the pipeline name or the configuration": lambda: pipe.create_instance_from_config({}),
        r"Instance 'nobody' does not exist\.": lambda: pipe.get_instance_config("nobody"),
        r"No background matches for the specified prefix 'nobody'\.": lambda: pipe.get_latest_background("nobody"),
        r"Requested background 'nothing' does not exist\.": lambda: pipe.get_background_image_bytes("nothing"),
    }
    for message, call in told.items():
        with pytest.raises(ValueError, match=message):
            call()
    url = f"{server.pipeline_url}/api/v1/pipeline/camera/nobody/background?n_images=some"
    assert "n_images must be a number." in server.ask(url, "POST")["status"]


# ---------------------------------------------------------------------------- the server


def one_server_tells_what_it_is_and_what_it_runs(server: Server) -> None:
    version = server.cam.get_version()
    assert version
    assert version == server.pipe.get_version() == server.cam_proxy.get_version() == server.pipe_proxy.get_version()
    with server.camera() as camera, server.instance({"camera_name": camera, "no_client_timeout": 60}) as (name, address):
        for client, proxy, running in ((server.cam, server.cam_proxy, camera), (server.pipe, server.pipe_proxy, name)):
            assert client.get_address() == proxy.get_address()
            # cam_server has a pool of servers; here is one.
            [(url, told)] = proxy.get_servers_info().items()
            assert running in told["instances"]
            assert running in proxy.get_status_info()[url]
            assert proxy.get_instances_info()[running]["host"] == url
            assert running in proxy.get_server_info()["active_instances"]
            config = proxy.get_config()
            assert list(config) == [url]
            assert proxy.set_config(config) == config
        with warnings.catch_warnings(), server.reach(address):
            # Of the client's own use of bsread.
            warnings.simplefilter("ignore", DeprecationWarning)
            assert server.pipe.get_instance_message(name).data.data["image"].value.shape == SIZE[::-1]


# ---------------------------------------------------------------------------- what is kept


def configurations_are_kept_under_their_names_until_they_are_deleted(server: Server) -> None:
    name = f"KEPT-{secrets.token_hex(3)}"
    configs = ((server.cam, SIMULATION), (server.pipe, {"camera_name": name, "my_key": {"a": [1, None]}}))
    for client, config in configs:
        client.set_config(name, config)
        assert name in client.get_config_names()
    assert server.pipe.get_config(name)["my_key"] == {"a": [1, None]}
    assert server.cam.get_config(name)["size_x"] == SIZE[0]
    server.pipe.delete_config(name)
    server.cam.delete_config(name)
    for client, _ in configs:
        assert name not in client.get_config_names()


def scripts_and_libraries_are_kept_until_they_are_deleted(server: Server) -> None:
    name, text = f"kept_{secrets.token_hex(3)}.py", "value = 1\n"
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        file = Path(folder) / f"up_{name}"
        file.write_text(text)
        # Both APIs share them.
        for client in (server.cam, server.pipe):
            client.set_user_script(name, text)
            client.upload_user_script(str(file))
        for one in (name, file.name):
            assert {one} <= set(server.cam.get_user_scripts()) & set(server.pipe.get_user_scripts())
            assert server.cam.get_user_script(one) == server.pipe.get_user_script(one) == text
        server.cam.download_user_script(name)
        assert Path(name).read_text() == text
        server.pipe.download_user_script(file.name)
    server.cam.delete_script(name)
    server.pipe.delete_script(file.name)
    assert not {name, file.name} & set(server.pipe.get_user_scripts())
    if server.keeps_libraries:
        server.pipe.set_lib(name, text)
        assert name in server.pipe.get_libs()
        assert server.pipe.get_user_lib(name) == text
        server.pipe.delete_lib(name)
    else:
        with pytest.raises(ValueError, match="would reach no worker"):
            server.pipe.set_lib(name, text)
    assert name not in server.pipe.get_libs()
    for call in (server.pipe.get_user_lib, server.pipe.delete_lib):
        with pytest.raises(ValueError, match=f"'{name}' does not exist"):
            call(name)


# ---------------------------------------------------------------------------- cameras


def aliases_and_groups_are_listed(server: Server) -> None:
    with server.camera(alias=["SCREEN-OF-MINE"], group="Laser-of-mine") as camera:
        assert server.cam.get_camera_aliases()["SCREEN-OF-MINE"] == camera
        assert server.cam.get_camera_groups()["Laser-of-mine"] == [camera]
        with server.saved(camera, group=["Laser-of-mine"]) as saved:
            assert server.pipe.get_pipeline_groups()["Laser-of-mine"] == [saved]
            assert {camera} <= set(server.pipe.get_cameras())


def camera_without_a_pipeline_tells_geometry_and_image(server: Server) -> None:
    with server.camera(rotate=1, roi=[0, 20, 0, 30]) as camera:
        assert server.cam.is_camera_online(camera) is True
        assert server.cam.get_camera_geometry(camera) == [20, 30]
        array = server.cam.get_camera_array(camera)
        assert (array.shape, array.dtype) == ((30, 20), np.uint16)
        told = server.cam.get_camera_image_bytes(camera)
        assert (told["shape"], told["dtype"]) == ([30, 20], "<u2")
        picture = Image.open(io.BytesIO(server.cam.get_camera_image(camera).content))
        assert picture.size == (20, 30)


def camera_stream_has_six_channels_and_keeps_its_address(server: Server) -> None:
    with server.camera() as camera:
        address = server.cam.get_instance_stream(camera)
        assert set(server.read(address)) == {"width", "height", "timestamp", "image", "x_axis", "y_axis"}
        info = server.cam.get_server_info()["active_instances"][camera]
        assert info["stream_address"] == address
        assert info["camera_geometry"] == list(SIZE)
        assert info["last_start_time"]
        assert info["statistics"].keys() >= STATISTICS
        server.cam.stop_instance(camera)
        server.wait_until_stopped(server.cam, camera)
        assert server.cam.get_instance_stream(camera) == address


# ---------------------------------------------------------------------------- pipelines


def functions_send_their_channels(server: Server) -> None:
    with server.camera() as camera:
        with server.instance({"camera_name": camera, "function": "transparent"}) as (_, address):
            assert set(server.read(address)) == TRANSPARENT
        regions = {"roi_signal": [0, 20, 0, 20], "roi_background": None}
        with server.instance({"camera_name": camera, "function": "psen", **regions}) as (name, address):
            assert f"{camera}.roi_signal_x_profile" in server.read(address)
            assert server.pipe.get_instance_config(name).items() >= {"function": "psen", "roi_signal": [0, 20, 0, 20]}.items()
            server.pipe.set_instance_config(name, {"roi_background": [0, 10, 20, 10]})
            assert f"{camera}.roi_background_x_profile" in server.read(address)
        stream = {"pipeline_type": "stream", "input_stream": server.cam.get_instance_stream(camera)}
        with server.instance(stream | {"function": "propagate_stream_with_prefix", "prefix": "A:"}) as (_, address):
            assert {"A:image", "A:width"} <= set(server.read(address))


def statistics_and_configuration_of_an_instance_are_told(server: Server) -> None:
    with server.camera() as camera, server.instance({"camera_name": camera, "my_key": {"a": [1]}}) as (name, address):
        pid_of(server, name)
        info = server.pipe.get_instance_info(name)
        expected = {"stream_address": address, "is_stream_active": True, "camera_name": camera, "instance_id": name, "read_only": False}
        assert info.items() >= expected.items()
        assert info["config"]["my_key"] == {"a": [1]}
        assert info["statistics"].keys() >= STATISTICS - {"frame_shape"}
        assert server.pipe.get_server_info()["active_instances"][name]["stream_address"] == address


# ---------------------------------------------------------------------------- programs in Java


def screen_panel_opens_changes_and_leaves_a_camera(server: Server) -> None:
    """It names instances CAMERA_sp1, made of the saved pipeline CAMERA_sp where there is one; scripts and shells read the same stream."""
    api = f"{server.pipeline_url}/api/v1/pipeline"
    with server.camera(image_type="static_beam") as camera, server.saved(camera, image_averaging=2) as saved:
        name = f"{camera}_sp1"
        assert camera in server.ask(f"{server.camera_url}/api/v1/cam")["cameras"]
        assert saved in server.ask(api)["pipelines"]
        made = server.ask(f"{api}/{saved}?{urllib.parse.urlencode({'instance_id': name})}", "POST")
        assert (made["state"], made["instance_id"]) == ("ok", name)
        try:
            # What a shell does: curl, and a pattern for the address.
            assert server.ask(f"{api}/instance/{name}")["stream"] == made["stream"]
            assert server.ask(f"{api}/instance/{name}/config")["config"]["notify_on_error"] is True
            settings = {
                "image_threshold": 5,
                "image_averaging": 3,
                "rotation": {"angle": 3.5, "order": 1, "mode": "0.0"},
                "image_good_region": {"threshold": 0.3, "gfscale": 1.8},
                "image_slices": {"number_of_slices": 3, "scale": 2.0, "orientation": "vertical"},
            }
            changed = server.ask(f"{api}/instance/{name}/config", "POST", settings)
            assert changed["state"] == "ok", changed
            assert changed["config"].items() >= settings.items()
            assert server.parameters(made["stream"])["slices"]["count"] == 3
            assert server.ask(f"{api}/instance/{name}/config", "POST", {"pause": True})["config"]["pause"] is True
            wait_for("statistics", lambda: server.ask(f"{api}/instance/{name}/info")["info"]["statistics"].get("pid"), server.patience_s)
        finally:
            assert server.ask(f"{api}/{name}", "DELETE")["state"] == "ok"
        assert name not in server.ask(f"{api}/info")["info"]["active_instances"]


def screen_panel_grabs_a_background_and_subtracts_it(server: Server) -> None:
    api = f"{server.pipeline_url}/api/v1/pipeline"
    with server.camera(image_type="static_beam") as camera:
        name = f"{camera}_sp1"
        with server.instance({"camera_name": camera, "image_good_region": {}}, name) as (_, address):
            assert server.read(address)["intensity"] > 0
            background = server.ask(f"{api}/camera/{camera}/background?n_images=2", "POST")["background_id"]
            assert server.ask(f"{api}/camera/{camera}/background")["background_id"] == background
            assert server.pipe.get_backgrounds(camera) == [background]
            assert Image.open(io.BytesIO(server.pipe.get_background_image(background).content)).size == SIZE
            settings = {"image_background": background, "image_background_enable": True}
            assert server.ask(f"{api}/instance/{name}/config", "POST", settings)["config"].items() >= settings.items()
            assert server.read(address)["intensity"] == 0
            assert server.pipe.get_latest_background(camera) == background
            second = server.pipe.collect_background(camera, 2)
            assert server.pipe.get_backgrounds(camera) == [background, second]


def background_is_uploaded_in_every_form(server: Server) -> None:
    """The server must take pickles: the client has no other form for two of them."""
    pixels, name = np.arange(12, dtype=np.uint16).reshape(3, 4), f"uploaded_{secrets.token_hex(3)}"
    server.cam.set_background_image_array(f"{name}_cam", pixels)
    server.pipe.set_background_image_array(f"{name}_array", pixels)
    server.pipe.set_background_image_bytes(f"{name}_bytes", pixels)
    server.pipe.set_background(f"{name}_list", pixels)
    for form in ("cam", "array", "bytes", "list"):
        assert np.array_equal(server.pipe.get_background_image_array(f"{name}_{form}"), pixels)


def uploaded_script_runs_and_is_loaded_anew(server: Server) -> None:
    script, text = f"answer_{secrets.token_hex(3)}.py", "def process_image(*_):\n    return {{'answer': {}}}\n"
    try:
        with server.camera() as camera, server.instance({"camera_name": camera}) as (name, address):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / script
                file.write_text(text.format(1))
                server.pipe.set_function_script(name, str(file))
            wait_for("the script runs", lambda: server.read(address).get("answer") == 1, server.patience_s)
            assert server.pipe.get_instance_config(name)["function"] == script
            server.pipe.set_user_script(script, text.format(2))
            wait_for("the new text runs", lambda: server.read(address)["answer"] == 2, server.patience_s)
    finally:
        server.pipe.delete_script(script)


def management_program_looks_edits_and_stops(server: Server) -> None:
    """Its calls go to the proxy's part of the interface."""
    proxy = f"{server.pipeline_url}/api/v1/proxy"
    [url] = server.ask(f"{proxy}/servers")["servers"]
    compact = url.replace("http", "").replace("/", "").replace(":", "")
    with server.camera() as camera, server.saved(camera) as saved:
        assert saved in server.ask(f"{proxy}/config_names")["config_names"]
        text = server.ask(f"{proxy}/{saved}/config")["config"]
        # The text of the file, for an editor.
        assert json.loads(text)["camera_name"] == camera
        server.ask(f"{proxy}/{saved}/config", "POST", json.loads(text) | {"image_threshold": 9})
        assert server.pipe.get_pipeline_config(saved)["image_threshold"] == 9
        name, _ = server.pipe.create_instance_from_name(saved)
        assert name in server.ask(f"{proxy}/info")["info"]["active_instances"]
        assert isinstance(server.ask(f"{proxy}/server/logs/{compact}/txt")["logs"], str)
        server.ask(f"{proxy}/{name}", "DELETE")
        assert not server.pipe.is_instance_running(name)
        other, _ = server.pipe.create_instance_from_name(saved)
        assert "there is no server '7'" in server.ask(f"{proxy}/server/7", "DELETE")["status"]
        assert server.pipe.is_instance_running(other)
        assert server.ask(f"{proxy}/server/{compact}", "DELETE")["state"] == "ok"
        assert not server.pipe.is_instance_running(other)
        assert "not offered" in server.ask(f"{server.pipeline_url}/api/v1/reset")["status"]
        server.ask(f"{proxy}/{saved}/config", "DELETE")
        assert saved not in server.pipe.get_pipelines()
        server.pipe.save_pipeline_config(saved, {"camera_name": camera})


SCENARIOS: tuple[Callable[[Server], None], ...] = (
    logs_are_told_by_the_proxy,
    stream_of_a_configuration_is_reused,
    private_instance_has_its_own_keys_and_its_id_is_free_again,
    two_clients_with_one_id_get_one_instance,
    instance_and_camera_that_nobody_reads_end,
    records_and_ranges_end_an_instance_as_intended,
    stream_of_a_saved_pipeline_is_shared_and_read_only,
    permanent_instance_runs_by_itself_and_goes_on_when_it_is_stopped,
    all_can_be_stopped_at_once_and_what_is_saved_stays,
    live_change_takes_effect_and_null_takes_it_back,
    change_that_cannot_be_is_refused_in_cam_servers_words,
    errors_are_in_cam_servers_words,
    one_server_tells_what_it_is_and_what_it_runs,
    configurations_are_kept_under_their_names_until_they_are_deleted,
    scripts_and_libraries_are_kept_until_they_are_deleted,
    aliases_and_groups_are_listed,
    camera_without_a_pipeline_tells_geometry_and_image,
    camera_stream_has_six_channels_and_keeps_its_address,
    functions_send_their_channels,
    statistics_and_configuration_of_an_instance_are_told,
    screen_panel_opens_changes_and_leaves_a_camera,
    management_program_looks_edits_and_stops,
    screen_panel_grabs_a_background_and_subtracts_it,
    background_is_uploaded_in_every_form,
    uploaded_script_runs_and_is_loaded_anew,
    exit_code_tells_of_a_script_that_fails,
)
