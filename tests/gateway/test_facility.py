"""The configurations of a whole facility, imported, run, and used by PSI's own client, which knows them by their old names."""

import json
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import pytest
import zmq
from cam_server_clients import Clients
from facility import FACILITY, imported
from local_runs import local_run
from waiting import wait_for
from workers import reader


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    folder = tmp_path_factory.mktemp("facility")
    places = [word for what in ("backgrounds", "scripts", "files") for word in (f"--{what}", str(folder / what))]
    with local_run(folder, *places, str(imported(folder)), rest=True) as run:
        camera_url, pipeline_url = run.rest()
        found = Clients(run, folder, camera_url.rstrip("/"), pipeline_url.rstrip("/"))
        wait_for("what is permanent", lambda: all(map(found.pipe.is_instance_running, PERMANENT)), timeout_s=60)
        yield found


PERMANENT = ("simulation", "simulation2_db", "LTS01-DSCR010_fb")


def configs(folder: str) -> dict[str, Any]:
    others = ("servers", "permanent_instances", "simulation_parameters")
    return {file.stem: json.loads(file.read_text()) for file in (FACILITY / folder).glob("*.json") if file.stem not in others}


def test_every_name_group_and_alias_is_as_it_was(clients: Clients) -> None:
    cameras, pipelines = configs("camera_config"), configs("pipeline_config")
    assert set(clients.cam.get_cameras()) == set(clients.pipe.get_cameras()) == set(cameras)
    assert set(clients.pipe.get_pipelines()) == set(pipelines)
    assert clients.cam.get_camera_groups()["Screens"] == ["LTS01-DSCR010", "LTS01-DSCR020", "LTS02-PROF040"]
    assert clients.pipe.get_pipeline_groups()["Feedback"] == ["beam_position", "beam_position_vcc"]
    assert clients.cam.get_camera_aliases() == {
        "GUN-SCREEN": "LTS01-DSCR010",
        "SCREEN-1": "LTS01-DSCR010",
        "SCREEN-2": "LTS01-DSCR020",
        "VCC": "LTS02-DLAC030",
        "A-M5": "LTS03-CAMS050-M5",
    }
    for name in cameras:
        assert clients.cam.get_camera_config(name)["source_type"] == cameras[name]["source_type"]
    for name in pipelines:
        assert clients.pipe.get_pipeline_config(name)["pipeline_type"] == pipelines[name].get("pipeline_type", "processing")


def test_permanent_instances_run_at_their_ports_and_nothing_else_does(clients: Clients) -> None:
    assert clients.pipe_proxy.get_permanent_instances() == {
        "simulation": "simulation",
        "simulation2_db": "simulation2_db",
        "LTS01-DSCR010_fb": "LTS01-DSCR010_sp",
    }
    # The camera of the same name runs because it is read.
    assert clients.cam_proxy.get_permanent_instances() == {}
    assert clients.pipe.get_instance_stream("LTS01-DSCR010_fb") == "tcp://127.0.0.1:29016"
    with reader("tcp://127.0.0.1:29015", zmq.PULL) as stream:
        assert stream.message().values["image"].shape == (120, 160)


def test_saved_pipeline_is_computed_as_it_says(clients: Clients) -> None:
    with reader(clients.pipe.get_instance_stream("LTS01-DSCR010_sp")) as stream:
        values = stream.message().values
    told = json.loads(values["processing_parameters"])["processing"]
    assert (told["threshold"], told["slices"]["count"]) == (20, 5)
    # A quarter turn.
    assert values["image"].shape == (200, 150)
    # Marks of 20 mm in 140 pixels; the vertical ones are seen at 45 degrees.
    assert abs(np.diff(values["x_axis"]).mean()) == pytest.approx(20000 / 140, rel=1e-5)
    assert abs(np.diff(values["y_axis"]).mean()) == pytest.approx(14000 / 100 * np.cos(np.pi / 4), rel=1e-5)


def test_camera_that_is_nowhere_is_told(clients: Clients) -> None:
    assert clients.cam.is_camera_online("LTS02-PROF040") is False
    with pytest.raises(ValueError, match=r"Camera LTS02-PROF040 is not online\. Cannot start pipeline\."):
        clients.pipe.create_instance_from_name("LTS02-PROF040_sp1")


def test_script_that_came_along_runs_and_is_known_by_its_name(clients: Clients) -> None:
    pipe = clients.pipe
    with reader(pipe.get_instance_stream("beam_position")) as stream:
        values = stream.message().values
    assert values["beam_found"] == 1
    assert pipe.get_pipeline_config("beam_position")["function"] == "beam_position.py"
    # A private instance of it, with a parameter of its own, though the server has no such file.
    assert pipe.get_user_scripts() == []
    name, address = pipe.create_instance_from_name("beam_position_vcc", additional_config={"level": 2})
    with reader(address) as stream:
        assert stream.message().values["beam_pixels"] == 0
        assert pipe.set_instance_config(name, {"level": 0.5})["function"] == "beam_position.py"
        wait_for("the level", lambda: stream.message().values["beam_pixels"] > 0)
        # Another function, and back.
        pipe.set_instance_config(name, {"function": "transparent"})
        wait_for("the built-in function", lambda: "beam_pixels" not in stream.message().values)
        pipe.set_instance_config(name, {"function": "beam_position"})
        wait_for("the script", lambda: "beam_pixels" in stream.message().values)
    pipe.stop_instance(name)


def test_saved_pipeline_keeps_its_script_when_it_is_edited_and_takes_an_upload_over(clients: Clients) -> None:
    pipe = clients.pipe
    config = pipe.get_pipeline_config("beam_position_vcc")
    assert pipe.save_pipeline_config("beam_position_vcc", config | {"level": 2})["level"] == 2
    with reader(pipe.get_instance_stream("beam_position_vcc")) as stream:
        assert stream.message().values["beam_pixels"] == 0
        pipe.set_user_script("beam_position.py", "def process_image(*_):\n    return {'mine': 1}\n")
        wait_for("the upload", lambda: "mine" in stream.message().values)
    assert pipe.get_pipeline_config("beam_position_vcc")["function"] == "beam_position.py"
    pipe.delete_script("beam_position.py")


def test_stream_of_a_pipeline_gets_its_prefix(clients: Clients) -> None:
    with reader(clients.pipe.get_instance_stream("prefixed")) as stream:
        assert set(stream.message().values) == {"SIM:x_center_of_mass", "SIM:y_center_of_mass", "SIM:intensity"}


def test_file_is_written_below_the_folder_for_files(clients: Clients) -> None:
    name, _ = clients.pipe.create_instance_from_name("shots_to_file")
    clients.pipe.wait_instance_completed(name, timeout=60)
    # It is told a moment after it has ended.
    wait_for("its exit code", lambda: clients.pipe.get_instance_exit_code(name) == 0)
    with h5py.File(clients.folder / "files" / "shots" / "screen.h5") as file:
        assert len(file["header1/pulse_id"]) == 5
