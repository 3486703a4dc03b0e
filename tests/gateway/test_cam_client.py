"""Every method of CamClient against `camstream run`."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cam_server_clients import OFFLINE, SIMULATION, Clients, cam_server_clients
from local_runs import small_camera
from PIL import Image
from waiting import wait_for
from workers import reader


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    permanent = small_camera("cam", externalName="SAT-CM-01", aliases=["SCREEN"], groups=["Laser"])
    with cam_server_clients(tmp_path_factory.mktemp("cam"), "--allow-pickle", objects=(permanent,)) as found:
        found.cam.set_camera_config("simulation", SIMULATION)
        found.cam.set_camera_config("offline", OFFLINE)
        yield found


def test_cameras_aliases_and_groups_are_listed(clients: Clients) -> None:
    assert {"SAT-CM-01", "simulation", "offline"} <= set(clients.cam.get_cameras())
    assert clients.cam.get_config_names() == clients.cam.get_cameras()
    assert clients.cam.get_camera_aliases() == {"SCREEN": "SAT-CM-01"}
    assert clients.cam.get_camera_groups() == {"Laser": ["SAT-CM-01"]}


def test_address_and_version_are_told(clients: Clients) -> None:
    assert clients.cam.get_address() == clients.camera_url
    assert clients.cam.get_version()


def test_configuration_is_completed_kept_and_deleted(clients: Clients) -> None:
    cam = clients.cam
    saved = cam.set_camera_config("kept", SIMULATION | {"mirror_x": True, "camera_calibration": {"angle_horizontal": 5}, "my_key": "mine"})
    assert saved == cam.get_camera_config("kept") == cam.get_config("kept")
    assert saved.items() >= {"name": "kept", "size_x": 64, "mirror_x": True, "mirror_y": False, "my_key": "mine", "roi": None}.items()
    assert saved["camera_calibration"] == {
        "reference_marker": [0, 0, 100, 100],
        "reference_marker_width": 100,
        "reference_marker_height": 100,
        "angle_horizontal": 5,
        "angle_vertical": 0,
    }
    cam.set_config("kept", saved | {"mirror_x": False})
    assert cam.get_config("kept") == saved | {"mirror_x": False}
    cam.delete_camera_config("kept")
    assert "kept" not in cam.get_cameras()
    cam.set_camera_config("kept", SIMULATION)
    cam.delete_config("kept")
    with pytest.raises(ValueError, match=r"Config 'kept' does not exist\."):
        cam.get_camera_config("kept")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "cannot be empty"),
        ({"source_type": "simulation"}, "not specified in configuration"),
        ({"source": "X", "source_type": "telescope"}, "Invalid source_type 'telescope'"),
        (SIMULATION | {"roi": [1, 2]}, "roi = .*expected four numbers"),
    ],
)
def test_wrong_configuration_is_refused(clients: Clients, config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clients.cam.set_camera_config("wrong", config)
    assert "wrong" not in clients.cam.get_cameras()


def test_stream_starts_a_camera_that_stops_when_nobody_reads_it_and_keeps_its_address(clients: Clients) -> None:
    cam = clients.cam
    cam.set_camera_config("idle", SIMULATION | {"no_client_timeout": 2})
    assert not cam.is_instance_running("idle")
    address = cam.get_instance_stream("idle")
    assert cam.is_instance_running("idle")
    with reader(address) as stream:
        message = stream.message()
        assert set(message.values) == {"width", "height", "timestamp", "image", "x_axis", "y_axis"}
        assert message.values["image"].shape == (48, 64)
    clients.wait_until_stopped(cam, "idle")
    clients.run.wait_for_phase("idle", "Idle")
    assert cam.get_instance_stream("idle") == address


def test_camera_with_a_reader_goes_on(clients: Clients) -> None:
    cam = clients.cam
    cam.set_camera_config("read", SIMULATION | {"no_client_timeout": 1})
    other = cam.set_camera_config("unread", SIMULATION | {"no_client_timeout": 1})["name"]
    with reader(cam.get_instance_stream("read")) as stream:
        cam.get_instance_stream(other)
        # The other one tells that the time is over, and more.
        clients.wait_until_stopped(cam, other)
        stream.message()
        assert cam.is_instance_running("read")
    clients.wait_until_stopped(cam, "read")


def test_stop_delete_and_stop_all(clients: Clients) -> None:
    cam = clients.cam
    for stop in (cam.stop_instance, cam.delete_instance, lambda _: cam.stop_all_instances()):
        cam.get_instance_stream("simulation")
        stop("simulation")
        assert not cam.is_instance_running("simulation")
    assert "simulation" in cam.get_cameras()
    # What always runs is wanted, whoever stops it.
    assert cam.is_instance_running("SAT-CM-01")
    cam.stop_instance("nobody-knows-this")


def test_wait_for_a_camera_to_end(clients: Clients) -> None:
    cam = clients.cam
    cam.set_camera_config("brief", SIMULATION | {"no_client_timeout": 1})
    cam.get_instance_stream("brief")
    cam.wait_instance_completed("brief", timeout=40)
    assert not cam.is_instance_running("brief")


def test_alias_stands_for_its_camera(clients: Clients) -> None:
    assert clients.cam.get_instance_stream("SCREEN") == clients.cam.get_instance_stream("SAT-CM-01")


def test_offline_camera_is_told_with_its_prefix(clients: Clients) -> None:
    assert clients.cam.is_camera_online("simulation") is True
    assert clients.cam.is_camera_online("offline") is False
    with pytest.raises(ValueError, match="Camera with prefix NOBODY-HAS-THIS is offline"):
        clients.cam.get_instance_stream("offline")


def test_geometry_and_images_of_a_camera_without_a_pipeline(clients: Clients) -> None:
    cam = clients.cam
    cam.set_camera_config("turned", SIMULATION | {"rotate": 1, "roi": [0, 20, 0, 30]})
    assert cam.get_camera_geometry("turned") == [20, 30]
    array = cam.get_camera_array("turned")
    assert array.shape == (30, 20)
    assert array.dtype == np.uint16
    told = cam.get_camera_image_bytes("turned")
    assert (told["shape"], told["dtype"]) == ([30, 20], "<u2")
    picture = Image.open(io.BytesIO(cam.get_camera_image("turned").content))
    assert picture.size == (20, 30)


def test_live_change_of_a_running_camera(clients: Clients) -> None:
    cam = clients.cam
    cam.set_camera_config("live", SIMULATION)
    with reader(cam.get_instance_stream("live")) as stream:
        assert stream.message().values["image"].shape == (48, 64)
        cam.set_camera_config("live", SIMULATION | {"binning_x": 2, "binning_y": 2})
        wait_for("the new size", lambda: stream.message().values["image"].shape == (24, 32))


def test_info_tells_about_running_cameras_only(clients: Clients) -> None:
    cam = clients.cam
    address = cam.get_instance_stream("simulation")
    told = cam.get_server_info(timeout=10)["active_instances"]
    assert "offline" not in told or told["offline"]["is_stream_active"]
    info = told["simulation"]
    assert info["stream_address"] == address
    assert info["camera_name"] == "simulation"
    assert info["config"]["size_x"] == 64
    assert info["camera_geometry"] == [64, 48]
    assert info["statistics"]["clients"] == 0
    assert info["statistics"]["frame_shape"] == "64x48x2"
    assert "Hz - " in info["statistics"]["tx"]


def test_logs_of_server_and_instance(clients: Clients) -> None:
    cam = clients.cam
    cam.get_instance_stream("simulation")
    with pytest.raises(ValueError, match="does not exist"):
        cam.get_camera_config("not there")
    assert any("Config 'not there' does not exist." in record[-1] for record in cam.get_logs())
    assert "Config 'not there' does not exist." in cam.get_logs(txt=True)
    assert any("stream tcp://" in record[-1] for record in cam.get_instance_logs("simulation"))
    assert "stream tcp://" in cam.get_instance_logs("simulation", txt=True)


def test_scripts_are_stored_listed_read_and_deleted(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cam = clients.cam
    cam.set_user_script("one.py", "value = 1\n")
    (tmp_path / "two.py").write_text("value = 2\n")
    cam.upload_user_script(str(tmp_path / "two.py"))
    assert {"one.py", "two.py"} <= set(cam.get_user_scripts())
    assert cam.get_user_script("one.py") == "value = 1\n"
    monkeypatch.chdir(tmp_path)
    cam.download_user_script("one.py")
    assert (tmp_path / "one.py").read_text() == "value = 1\n"
    cam.delete_script("one.py")
    assert "one.py" not in cam.get_user_scripts()
    with pytest.raises(ValueError, match=r"'one\.py' does not exist"):
        cam.get_user_script("one.py")


def test_uploaded_background_is_subtracted_and_never_overwritten(clients: Clients) -> None:
    cam = clients.cam
    full = np.full((48, 64), 65535, np.uint16)
    cam.set_background_image_array("everything", full)
    cam.set_background_image_array("everything", full)
    with pytest.raises(ValueError, match="'everything' exists already and is never overwritten"):
        cam.set_background_image_array("everything", full // 2)
    cam.set_camera_config("dark", SIMULATION | {"image_background": "everything"})
    assert cam.get_camera_array("dark").max() == 0
