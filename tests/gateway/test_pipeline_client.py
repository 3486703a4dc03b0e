"""Every method of PipelineClient against `camstream run`."""

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zmq
from cam_server_clients import OFFLINE, SIMULATION, Clients, cam_server_clients
from local_runs import small_camera, small_pipeline
from PIL import Image
from ports import free_port
from waiting import wait_for
from workers import reader

CONFIG = {"camera_name": "simulation", "image_threshold": 3}


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    objects = (small_camera("cam", externalName="SAT-CM-01"), small_pipeline("always", groups=["Laser"]))
    with cam_server_clients(tmp_path_factory.mktemp("pipe"), "--allow-pickle", objects=objects) as found:
        found.cam.set_camera_config("simulation", SIMULATION)
        found.cam.set_camera_config("offline", OFFLINE)
        found.pipe.save_pipeline_config("saved", CONFIG)
        yield found


def parameters(message: Any) -> dict[str, Any]:
    return json.loads(message.values["processing_parameters"])["processing"]


# ---------------------------------------------------------------------------- saved pipelines


def test_pipelines_groups_and_cameras_are_listed(clients: Clients) -> None:
    pipe = clients.pipe
    assert {"always", "saved"} <= set(pipe.get_pipelines())
    assert pipe.get_config_names() == pipe.get_pipelines()
    assert pipe.get_pipeline_groups() == {"Laser": ["always"]}
    assert pipe.get_cameras() == ["SAT-CM-01", "offline", "simulation"]
    assert pipe.get_address() == clients.pipeline_url
    assert pipe.get_version() == clients.cam.get_version()


def test_configuration_is_completed_kept_and_deleted(clients: Clients) -> None:
    pipe = clients.pipe
    given = CONFIG | {"image_good_region": {"threshold": 0.4}, "my_key": {"a": [1, 2]}, "group": "Laser"}
    saved = pipe.save_pipeline_config("kept", given)
    assert saved == pipe.get_pipeline_config("kept") == pipe.get_config("kept")
    expected = {"name": "kept", "camera_name": "simulation", "image_threshold": 3, "pipeline_type": "processing", "image_slices": None}
    assert saved.items() >= (expected | {"my_key": {"a": [1, 2]}, "image_background_enable": False}).items()
    assert saved["image_good_region"] == {"threshold": 0.4, "gfscale": 1.8}
    assert set(pipe.get_pipeline_groups()["Laser"]) == {"always", "kept"}
    pipe.set_config("kept", saved)
    assert pipe.get_config("kept") == saved
    pipe.delete_pipeline_config("kept")
    assert "kept" not in pipe.get_pipelines()
    pipe.set_config("kept", CONFIG)
    pipe.delete_config("kept")
    with pytest.raises(ValueError, match=r"Unable to load config\. Config 'kept' does not exist\."):
        pipe.get_pipeline_config("kept")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"image_threshold": 3}, "Camera name not specified in configuration."),
        (CONFIG | {"pipeline_type": "telescope"}, "pipeline_type 'telescope' not present in mapping. Available"),
        (CONFIG | {"image_good_region": {}, "image_slices": {"number_of_slices": "many"}}, "number_of_slices must be an integer"),
        (CONFIG | {"image_good_region": {}, "image_slices": {"orientation": "diagonal"}}, "Invalid slice orientation 'diagonal'."),
        (CONFIG | {"image_threshold": "high"}, "expected a number, found 'high'"),
    ],
)
def test_wrong_configuration_is_refused_wherever_it_comes(clients: Clients, config: dict[str, Any], message: str) -> None:
    pipe = clients.pipe
    with pytest.raises(ValueError, match=message):
        pipe.save_pipeline_config("wrong", config)
    with pytest.raises(ValueError, match=message):
        pipe.create_instance_from_config(config)
    assert "wrong" not in pipe.get_pipelines()


# ---------------------------------------------------------------------------- private instances


def test_instance_of_a_saved_pipeline_has_keys_of_its_own_and_leaves_the_saved_one_alone(clients: Clients) -> None:
    pipe = clients.pipe
    name, address = pipe.create_instance_from_name("saved", "SARES20-CAMS142-M5_sp1", additional_config={"image_threshold": 8})
    assert name == "SARES20-CAMS142-M5_sp1"
    assert pipe.get_instance_config(name)["image_threshold"] == 8
    assert pipe.get_pipeline_config("saved")["image_threshold"] == 3
    assert name not in pipe.get_pipelines()
    with reader(address) as stream:
        assert parameters(stream.message())["threshold"] == 8
    with pytest.raises(ValueError, match=r"Instance with id 'SARES20-CAMS142-M5_sp1' is already present and running\."):
        pipe.create_instance_from_name("saved", name)
    pipe.stop_instance(name)
    assert not pipe.is_instance_running(name)
    again, _ = pipe.create_instance_from_name("saved", name)
    assert again == name
    assert pipe.get_instance_config(name)["image_threshold"] == 3
    pipe.delete_instance(name)


def test_instance_of_a_configuration_gets_an_id_and_goes_when_nobody_reads_it(clients: Clients) -> None:
    pipe = clients.pipe
    name, address = pipe.create_instance_from_config(CONFIG | {"no_client_timeout": 1})
    assert len(name) == 36
    with reader(address) as stream:
        stream.message()
        with pytest.raises(ValueError, match=rf"Instance '{name}' still running\."):
            pipe.get_instance_exit_code(name)
    pipe.wait_instance_completed(name, timeout=40)
    assert pipe.get_instance_exit_code(name) == 0
    wait_for("nothing of it", lambda: name not in {view.external_name for view in clients.run.views().values()})
    with pytest.raises(ValueError, match=rf"Instance '{name}' does not exist\."):
        pipe.get_instance_config(name)


def test_two_clients_that_create_the_same_id_at_once_get_one_instance(clients: Clients) -> None:
    answers: list[str] = []

    def create() -> None:
        try:
            answers.append(clients.pipe.create_instance_from_name("saved", "at_once")[0])
        except ValueError as error:
            answers.append(str(error))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("at_once") == 1
    assert all("'at_once' is already present and running" in answer for answer in answers if answer != "at_once")
    clients.pipe.stop_instance("at_once")


def test_exit_codes_tell_the_end_as_intended_from_an_error(clients: Clients) -> None:
    pipe = clients.pipe
    pipe.create_instance_from_config(CONFIG | {"records": 1}, "one_record")
    pipe.wait_instance_completed("one_record", timeout=30)
    assert pipe.get_instance_exit_code("one_record") == 0
    with pytest.raises(ValueError, match=r"Instance 'nobody' does not exist\."):
        pipe.get_instance_exit_code("nobody")
    pipe.delete_instance("one_record")


def test_pipeline_of_an_offline_or_unknown_camera_is_not_created(clients: Clients) -> None:
    for camera in ("offline", "unknown"):
        with pytest.raises(ValueError, match=rf"Camera {camera} is not online\. Cannot start pipeline\."):
            clients.pipe.create_instance_from_config({"camera_name": camera}, f"of_{camera}")
        with pytest.raises(ValueError, match=rf"Instance 'of_{camera}' does not exist\."):
            clients.pipe.get_instance_config(f"of_{camera}")


def test_unknown_pipeline_and_missing_configuration_are_refused(clients: Clients) -> None:
    with pytest.raises(ValueError, match=r"Pipeline 'nobody' does not exist\."):
        clients.pipe.create_instance_from_name("nobody")
    with pytest.raises(ValueError, match=r"You must specify either the pipeline name or the configuration for the pipeline\."):
        clients.pipe.create_instance_from_config({})


def test_camera_that_is_asleep_is_woken_by_what_reads_it_and_sleeps_again_after_it(clients: Clients) -> None:
    clients.cam.set_camera_config("asleep", SIMULATION | {"no_client_timeout": 1})
    name, address = clients.pipe.create_instance_from_config({"camera_name": "asleep", "no_client_timeout": 1})
    with reader(address) as stream:
        stream.message()
        assert clients.cam.is_instance_running("asleep")
    clients.pipe.wait_instance_completed(name, timeout=40)
    clients.wait_until_stopped(clients.cam, "asleep")


# ---------------------------------------------------------------------------- shared streams


def test_stream_of_a_saved_pipeline_is_shared_and_read_only(clients: Clients) -> None:
    pipe = clients.pipe
    address = pipe.get_instance_stream("saved")
    assert pipe.get_instance_stream("saved") == address
    assert pipe.get_instance_info("saved")["read_only"] is True
    with pytest.raises(ValueError, match=r"Cannot set config on a read only instance\."):
        pipe.set_instance_config("saved", {"image_threshold": 4})
    pipe.stop_instance("saved")
    assert not pipe.is_instance_running("saved")
    assert pipe.get_instance_stream("saved") == address
    with pytest.raises(ValueError, match="Instance 'nobody' is not present on server and it is not a saved"):
        pipe.get_instance_stream("nobody")


def test_stream_of_a_configuration_is_shared_by_all_who_ask_for_the_same(clients: Clients) -> None:
    pipe = clients.pipe
    config = CONFIG | {"image_threshold": 77}
    name, address = pipe.get_instance_stream_from_config(config)
    assert pipe.get_instance_stream_from_config(dict(reversed(config.items()))) == (name, address)
    other, _ = pipe.get_instance_stream_from_config(CONFIG | {"image_threshold": 78})
    assert other != name
    assert pipe.get_instance_info(name)["read_only"] is True
    with pytest.raises(ValueError, match=r"Cannot set config on a read only instance\."):
        pipe.set_instance_config(name, {"image_threshold": 4})
    private, _ = pipe.create_instance_from_config(config)
    assert private != name
    assert pipe.get_instance_info(private)["read_only"] is False
    for one in (name, other, private):
        pipe.stop_instance(one)


def test_instance_that_asks_to_be_read_only_is(clients: Clients) -> None:
    name, _ = clients.pipe.create_instance_from_config(CONFIG | {"read_only": True})
    with pytest.raises(ValueError, match=r"Cannot set config on a read only instance\."):
        clients.pipe.set_instance_config(name, {"image_threshold": 4})
    clients.pipe.stop_instance(name)


def test_permanent_pipeline_keeps_what_is_changed(clients: Clients) -> None:
    pipe = clients.pipe
    assert pipe.set_instance_config("always", {"image_threshold": 5})["image_threshold"] == 5
    assert pipe.get_pipeline_config("always")["image_threshold"] == 5
    pipe.stop_instance("always")
    assert pipe.is_instance_running("always")


# ---------------------------------------------------------------------------- live changes


def test_live_change_has_reached_the_worker_when_the_call_returns(clients: Clients) -> None:
    pipe = clients.pipe
    name, address = pipe.create_instance_from_config(CONFIG | {"image_good_region": {"threshold": 0.3}})
    pid = pipe.get_instance_info(name)["statistics"]["pid"]
    with reader(address) as stream:
        stream.message()
        changed = pipe.set_instance_config(name, {"image_region_of_interest": [10, 20, 5, 30], "image_good_region": {"gfscale": 3}})
        assert changed["image_good_region"] == {"threshold": 0.3, "gfscale": 3}
        assert changed["image_threshold"] == 3
        wait_for("the region", lambda: stream.message().values["image"].shape == (30, 20))
        reset = pipe.set_instance_config(name, {"image_region_of_interest": None})
        assert reset["image_region_of_interest"] is None
        wait_for("the whole image", lambda: stream.message().values["image"].shape == (48, 64))
    assert pipe.get_instance_info(name)["statistics"]["pid"] == pid
    pipe.stop_instance(name)


def test_changes_that_cannot_be_are_refused_and_the_instance_goes_on(clients: Clients) -> None:
    pipe = clients.pipe
    name, _ = pipe.create_instance_from_config(CONFIG)
    before = pipe.get_instance_config(name)
    refused = {
        "Config updates cannot be empty.": {},
        "Cannot change the camera name on a running instance. Stop the instance first.": {"camera_name": "other"},
        "number_of_slices must be an integer": {"image_good_region": {}, "image_slices": {"number_of_slices": 1.5}},
        "Requested background 'nothing' does not exist.": {"image_background_enable": True, "image_background": "nothing"},
        "pipeline_type 'x' not present": {"pipeline_type": "x"},
    }
    for message, updates in refused.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            pipe.set_instance_config(name, updates)
    with pytest.raises(ValueError, match=r"Instance 'nobody' does not exist\."):
        pipe.set_instance_config("nobody", {"image_threshold": 1})
    assert pipe.get_instance_config(name) == before
    assert pipe.is_instance_running(name)
    pipe.stop_instance(name)


# ---------------------------------------------------------------------------- looking


@pytest.mark.filterwarnings("ignore:source\\(\\) is deprecated:DeprecationWarning")
def test_message_of_an_instance_holds_the_default_analysis(clients: Clients) -> None:
    name, _ = clients.pipe.create_instance_from_name("saved")
    message = clients.pipe.get_instance_message(name)
    values = message.data.data
    assert values["image"].value.shape == (48, 64)
    assert np.isfinite(values["x_fit_mean"].value)
    clients.pipe.stop_instance(name)


def test_info_of_one_and_of_all(clients: Clients) -> None:
    pipe = clients.pipe
    name, address = pipe.create_instance_from_name("saved")
    with reader(address) as stream:
        stream.message()
        info = wait_for("the client", lambda: (i := pipe.get_instance_info(name))["statistics"]["clients"] == 1 and i)
    assert info["stream_address"] == address
    assert info["is_stream_active"] is True
    assert info["camera_name"] == "simulation"
    assert info["instance_id"] == name
    assert info["last_start_time"]
    assert info["config"] == pipe.get_instance_config(name)
    assert info["statistics"]["frame_shape"] == "64x48x2"
    told = pipe.get_server_info()["active_instances"]
    assert {name, "always"} <= set(told)
    assert told[name]["stream_address"] == address
    pipe.stop_instance(name)


def test_logs_of_server_and_instance(clients: Clients) -> None:
    pipe = clients.pipe
    name, _ = pipe.create_instance_from_name("saved")
    assert any("stream tcp://" in record[-1] for record in pipe.get_instance_logs(name))
    assert "stream tcp://" in pipe.get_instance_logs(name, txt=True)
    with pytest.raises(ValueError, match="'not there'"):
        pipe.get_pipeline_config("not there")
    assert "Config 'not there'" in pipe.get_logs(txt=True)
    assert isinstance(pipe.get_logs(), list)
    pipe.stop_instance(name)


def test_stop_all_leaves_what_is_permanent(clients: Clients) -> None:
    pipe = clients.pipe
    name, _ = pipe.create_instance_from_name("saved")
    pipe.get_instance_stream("saved")
    pipe.stop_all_instances()
    assert [pipe.is_instance_running(one) for one in (name, "saved", "always")] == [False, False, True]


# ---------------------------------------------------------------------------- backgrounds


def test_collected_background_is_listed_shown_and_subtracted(clients: Clients) -> None:
    pipe = clients.pipe
    clients.cam.set_camera_config("still", SIMULATION | {"image_type": "static_beam"})
    with pytest.raises(ValueError, match=r"No background matches for the specified prefix 'still'\."):
        pipe.get_latest_background("still")
    assert pipe.get_backgrounds("still") == []
    first = pipe.collect_background("still", 3)
    second = pipe.collect_background("still")
    assert pipe.get_backgrounds("still") == sorted([first, second]) == [first, second]
    assert pipe.get_latest_background("still") == second
    array = pipe.get_background_image_array(second)
    assert np.array_equal(array, clients.cam.get_camera_array("still"))
    assert pipe.get_background_image_bytes(second)["shape"] == [48, 64]
    assert Image.open(io.BytesIO(pipe.get_background_image(second).content)).size == (64, 48)
    name, address = pipe.create_instance_from_config({"camera_name": "still", "image_background_enable": True})
    with reader(address) as stream:
        assert stream.message().values["image"].max() == 0
        pipe.set_instance_config(name, {"image_background_enable": False})
        wait_for("the whole image", lambda: stream.message().values["image"].max() > 1000)
    pipe.stop_instance(name)


def test_background_of_the_wrong_shape_is_told_and_the_pipeline_goes_on_with_its_old_one(clients: Clients) -> None:
    pipe = clients.pipe
    pipe.set_background_image_array("too_small", np.zeros((4, 4), np.uint16))
    name, _ = pipe.create_instance_from_config(CONFIG)
    with pytest.raises(ValueError, match=r"too_small.*\(4, 4\)"):
        pipe.set_instance_config(name, {"image_background_enable": True, "image_background": "too_small"})
    assert pipe.is_instance_running(name)
    pipe.stop_instance(name)


def test_backgrounds_can_be_uploaded_in_every_form(clients: Clients) -> None:
    pipe = clients.pipe
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    pipe.set_background_image_array("as_array", pixels)
    pipe.set_background_image_bytes("as_bytes", pixels)
    pipe.set_background("as_list", pixels)
    for name in ("as_array", "as_bytes", "as_list"):
        assert np.array_equal(pipe.get_background_image_array(name), pixels)
    with pytest.raises(ValueError, match=r"Requested background 'nothing' does not exist\."):
        pipe.get_background_image_bytes("nothing")


def test_too_few_images_are_told_and_nothing_is_kept(clients: Clients) -> None:
    url = f"{clients.pipeline_url}/api/v1/pipeline/camera/simulation/background"
    told = clients.ask(f"{url}?n_images=90000&timeout=1", "POST")
    assert told["state"] == "error"
    assert "of 90000 images within 1 s" in told["status"]
    assert clients.pipe.get_backgrounds("simulation") == []
    assert "n_images must be a number." in clients.ask(f"{url}?n_images=some", "POST")["status"]


# ---------------------------------------------------------------------------- scripts and libraries


def test_scripts_and_libraries_are_stored_listed_read_and_deleted(
    clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = clients.pipe
    pipe.set_user_script("one.py", "value = 1\n")
    (tmp_path / "two.py").write_text("value = 2\n")
    pipe.upload_user_script(str(tmp_path / "two.py"))
    assert {"one.py", "two.py"} <= set(pipe.get_user_scripts())
    assert pipe.get_user_script("two.py") == "value = 2\n"
    monkeypatch.chdir(tmp_path)
    pipe.download_user_script("one.py")
    assert (tmp_path / "one.py").read_text() == "value = 1\n"
    pipe.delete_script("one.py")
    assert "one.py" not in pipe.get_user_scripts()
    pipe.set_lib("smooth.py", "factor = 2\n")
    assert pipe.get_libs() == ["smooth.py"]
    assert pipe.get_user_lib("smooth.py") == "factor = 2\n"
    pipe.delete_lib("smooth.py")
    assert pipe.get_libs() == []


SCRIPT = """
from smoothing import FACTOR

def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    return {"brightest": int(image.max()), "factor": FACTOR * VERSION, "mine": parameters["my_key"]}

VERSION = 1
"""


def test_uploaded_script_becomes_the_function_of_an_instance_and_is_loaded_anew_when_it_changes(clients: Clients, tmp_path: Path) -> None:
    pipe = clients.pipe
    pipe.set_lib("smoothing.py", "FACTOR = 10\n")
    (tmp_path / "mine.py").write_text(SCRIPT)
    name, address = pipe.create_instance_from_config(CONFIG | {"my_key": 7})
    with reader(address) as stream:
        pipe.set_function_script(name, str(tmp_path / "mine.py"))
        assert pipe.get_instance_config(name)["function"] == "mine.py"
        message = wait_for("the script", lambda: (m := stream.message()) and "factor" in m.values and m)
        assert (message.values["factor"], message.values["mine"]) == (10, 7)
        (tmp_path / "mine.py").write_text(SCRIPT.replace("VERSION = 1", "VERSION = 2"))
        pipe.set_function_script(name, str(tmp_path / "mine.py"))
        wait_for("the new version", lambda: stream.message().values["factor"] == 20)
        pipe.set_instance_config(name, {"my_key": 8})
        wait_for("the parameter", lambda: stream.message().values["mine"] == 8)
    pipe.stop_instance(name)
    pipe.delete_lib("smoothing.py")


def test_instance_that_aborts_on_an_error_ends_and_says_how(clients: Clients) -> None:
    pipe = clients.pipe
    # Not at the first frame: then it would be a matter of luck whether it is told as made or as ended.
    script = "n = 0\ndef process_image(*_):\n    global n\n    n += 1\n    if n > 20:\n        raise ValueError('no beam')\n    return {}\n"
    pipe.set_user_script("broken.py", script)
    pipe.create_instance_from_config(CONFIG | {"function": "broken", "abort_on_error": True}, "aborts")
    pipe.wait_instance_completed("aborts", timeout=40)
    assert pipe.get_instance_exit_code("aborts") == 1
    assert "no beam" in pipe.get_instance_logs("aborts", txt=True)
    # The id is free again.
    pipe.create_instance_from_config(CONFIG, "aborts")
    assert pipe.is_instance_running("aborts")
    pipe.stop_instance("aborts")
    assert pipe.get_instance_exit_code("aborts") == 0


@pytest.mark.parametrize("function", ["nowhere", "nowhere.py", "/etc/passwd", "../manifests/objects.yaml"])
def test_function_that_is_no_script_of_the_server_is_refused(clients: Clients, function: str) -> None:
    with pytest.raises(ValueError, match="is no script of this server; upload it first"):
        clients.pipe.create_instance_from_config(CONFIG | {"function": function})


def test_other_types_of_pipelines_run_too(clients: Clients) -> None:
    pipe = clients.pipe
    camera = clients.cam.get_instance_stream("simulation")
    name, address = pipe.create_instance_from_config({"pipeline_type": "stream", "input_stream": camera, "include": ["width", "height"]})
    with reader(address) as stream:
        assert set(stream.message().values) == {"width", "height"}
    assert pipe.get_instance_config(name)["pipeline_type"] == "stream"
    pipe.stop_instance(name)


def test_store_pushes_the_images_under_the_name_of_the_camera(clients: Clients) -> None:
    name, address = clients.pipe.create_instance_from_config({"pipeline_type": "store", "camera_name": "simulation"})
    with reader(address, zmq.PULL) as stream:
        values = stream.message().values
    assert list(values) == ["simulation:FPICTURE"]
    assert values["simulation:FPICTURE"].shape == (48, 64)
    clients.pipe.stop_instance(name)


def test_mode_file_writes_so_many_records_and_ends(clients: Clients) -> None:
    config = CONFIG | {"mode": "FILE", "file": "/shift/beam.h5", "layout": "FLAT", "localtime": False, "change": False, "records": 5}
    clients.pipe.create_instance_from_config(config, "to_file")
    clients.pipe.wait_instance_completed("to_file", timeout=40)
    assert clients.pipe.get_instance_exit_code("to_file") == 0
    with h5py.File(clients.folder / "files" / "shift" / "beam.h5") as file:
        assert len(file["header1/pulse_id"]) == 5
        assert file["data1/x_fit_mean"].shape == (5,)
    clients.pipe.delete_instance("to_file")


def test_port_that_is_asked_for_is_had(clients: Clients) -> None:
    port = free_port()
    name, address = clients.pipe.create_instance_from_config(CONFIG | {"port": str(port)})
    assert address == f"tcp://127.0.0.1:{port}"
    with reader(address) as stream:
        stream.message()
    clients.pipe.stop_instance(name)


def test_functions_of_cam_server_that_are_scripts_here_run_by_their_names(clients: Clients) -> None:
    pipe = clients.pipe
    config = {"camera_name": "simulation", "function": "psss", "pixel_bkg": 100, "process_variables": False}
    name, address = pipe.create_instance_from_config(config)
    assert pipe.get_instance_config(name).items() >= config.items()
    with reader(address) as stream:
        assert len(stream.message().values["simulation:SPECTRUM_Y"]) == 64
        pipe.set_instance_config(name, {"pixel_bkg": 0})
        wait_for("the new level", lambda: json.loads(stream.message().values["simulation:processing_parameters"])["pixel_bkg"] == 0)
    pipe.stop_instance(name)
    # An uploaded script of that name takes its place.
    pipe.set_user_script("psss.py", "def process_image(image, *_):\n    return {'mine': 1}\n")
    name, address = pipe.create_instance_from_config({"camera_name": "simulation", "function": "psss"})
    with reader(address) as stream:
        assert stream.message().values["mine"] == 1
    pipe.stop_instance(name)
    pipe.delete_script("psss.py")
