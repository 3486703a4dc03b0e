"""`camstream import` and `camstream export`: a configuration folder of cam_server there and back."""

import json
from pathlib import Path
from typing import Any

import pytest

from camstream_cli.main import main
from camstream_cli.manifests import load

CAMERAS: dict[str, dict[str, Any]] = {
    "SARES20-CAMS142-M5": {
        "source": "SARES20-CAMS142-M5",
        "source_type": "epics",
        "mirror_x": False,
        "mirror_y": True,
        "rotate": 1,
        "group": ["Alvra", "Screens"],
        "alias": "ALVRA SCREEN".replace(" ", "_"),
        "camera_calibration": {"reference_marker": [0, 0, 100, 100], "reference_marker_width": 250.0, "reference_marker_height": 250.0},
    },
    "simulation": {
        "name": "simulation",
        "source": "",
        "source_type": "simulation",
        "size_x": 1280,
        "size_y": 960,
        "image_background": None,
    },
}
PIPELINES: dict[str, dict[str, Any]] = {
    "SARES20-CAMS142-M5_sp": {
        "camera_name": "SARES20-CAMS142-M5",
        "pipeline_type": "processing",
        "image_background_enable": False,
        "image_threshold": 10,
        "image_good_region": {"gfscale": 1.8, "threshold": 0.3},
        "image_slices": {"number_of_slices": 5, "orientation": "vertical", "scale": 2.0},
        "port": "9005",
        "my_parameter": [1, 2],
    },
    "simulation_db": {"camera_name": "simulation", "mode": "PUSH", "no_client_timeout": 30},
}


COMPLETED = ("no_client_timeout", "port", "camera_calibration")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "cam_server"
    for kind, configs in (("camera_config", CAMERAS), ("pipeline_config", PIPELINES)):
        (found / kind).mkdir(parents=True)
        for name, config in configs.items():
            (found / kind / f"{name}.json").write_text(json.dumps(config))
    permanent = {"simulation_db": "simulation_db", "copy": "simulation_db", "lost": "nowhere"}
    (found / "pipeline_config" / "permanent_instances.json").write_text(json.dumps(permanent))
    (found / "pipeline_config" / "servers.json").write_text("{}")
    (found / "pipeline_config" / "old_parameters.json").write_text("{}")
    return found


def imported(tmp_path: Path, folder: Path) -> dict[str, Any]:
    assert main(["import", str(folder), "--output", str(tmp_path / "manifests")]) == 0
    found = load([tmp_path / "manifests"])
    assert found.problems == []
    return {placed.object.external_name: placed.object for placed in found.objects}  # type: ignore[union-attr]


def test_folder_becomes_manifests_that_are_right(tmp_path: Path, folder: Path) -> None:
    things = imported(tmp_path, folder)
    assert set(things) == {*CAMERAS, *PIPELINES, "copy"}
    camera, pipeline = things["SARES20-CAMS142-M5"].spec, things["SARES20-CAMS142-M5_sp"].spec
    assert camera.source.epics.prefix == "SARES20-CAMS142-M5"
    assert (camera.geometry.rotate_quarter_turns, camera.calibration.reference_marker_width) == (1, 250)
    assert pipeline.input.camera.name == things["SARES20-CAMS142-M5"].name
    assert (pipeline.output.port, pipeline.processing.slices.count) == (9005, 5)


def test_permanent_instances_always_run_and_all_others_on_demand(tmp_path: Path, folder: Path) -> None:
    things = imported(tmp_path, folder)
    modes = {name: thing.spec.lifecycle.mode.value for name, thing in things.items()}
    assert modes == {**dict.fromkeys([*CAMERAS, *PIPELINES], "OnDemand"), "simulation_db": "Always", "copy": "Always"}


def test_what_is_not_carried_over_is_told(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"camera_name": "simulation", "image_threshold": "high"}
    (folder / "pipeline_config" / "partly.json").write_text(json.dumps(broken))
    imported(tmp_path, folder)
    told = capsys.readouterr()
    assert "partly.json: image_threshold = 'high': expected a number, found 'high' (wrong)" in told.err
    assert "servers.json: only its fixed ports are carried over" in told.err
    assert "'lost' is of 'nowhere', which is no pipeline among these files" in told.err
    assert "2 cameras and 4 pipelines, 3 remarks" in told.out


@pytest.mark.parametrize(
    ("kind", "always"),
    [("pipeline_config", {"simulation": "Pipeline"}), ("camera_config", {"simulation": "Camera"}), ("", {"simulation": "Pipeline"})],
)
def test_permanent_instances_are_those_of_the_server_whose_folder_it_is(
    tmp_path: Path, folder: Path, kind: str, always: dict[str, str]
) -> None:
    (folder / "pipeline_config" / "simulation.json").write_text(json.dumps({"camera_name": "simulation"}))
    (folder / "pipeline_config" / "permanent_instances.json").unlink()
    (folder / kind / "permanent_instances.json").write_text('{"simulation": "simulation"}')
    assert main(["import", str(folder), "--output", str(tmp_path / "manifests")]) == 0
    objects = [placed.object for placed in load([tmp_path / "manifests"]).objects]
    found = {thing.external_name: thing.kind for thing in objects if thing.spec.lifecycle.mode.value == "Always"}  # type: ignore[union-attr]
    assert found == always


def test_fixed_ports_are_those_of_the_streams(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    servers = {
        "http://first:8889": {
            "instances": ["simulation_db:9010", "SARES20-CAMS142-M5_sp:9006", "somebody:9012", "#off:9013"],
            "expanding": True,
        },
        "http://second:8889": {"instances": ["copy:9010"], "cameras": ["simulation"]},
        "#http://third:8889": {"instances": ["copy:9099"]},
    }
    (folder / "pipeline_config" / "servers.json").write_text(json.dumps(servers))
    (folder / "camera_config" / "servers.json").write_text('{"http://first:8888": {"instances": ["simulation:9100", "other"]}}')
    things = imported(tmp_path, folder)
    ports = {name: thing.spec.output.port for name, thing in things.items() if thing.spec.output.port}
    assert ports == {"simulation_db": 9010, "copy": 9010, "SARES20-CAMS142-M5_sp": 9005, "simulation": 9100}
    told = capsys.readouterr().err
    assert "fixed port 9006 of 'SARES20-CAMS142-M5_sp' is left out: its configuration says 9005" in told
    assert "fixed port 9012 of 'somebody' is left out: that is no pipeline among these files" in told
    assert "port 9010 is that of pipeline/simulation-db and pipeline/copy" in told
    assert "off" not in told.replace("left out", "")


SCRIPT = """import smoothing

def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    # The level is the user's:\t\u00b5
    return {"bright": int((image > parameters["level"]).sum())}
"""


def test_text_of_scripts_travels_in_the_pipelines_that_run_them(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configs = {
        "first": {"function": "bright.py", "level": 7, "libs": ["smoothing.py"]},
        "second": {"function": "/home/op/scripts/bright", "level": 8},
        "third": {"function": "nowhere"},
        "fourth": {"function": "huge"},
        "fifth": {"function": "psss"},
    }
    for name, config in configs.items():
        (folder / "pipeline_config" / f"{name}.json").write_text(json.dumps({"camera_name": "simulation", **config}))
    (folder / "user_scripts" / "lib").mkdir(parents=True)
    (folder / "user_scripts" / "bright.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "user_scripts" / "huge.py").write_text("#" * 300_000)
    (folder / "user_scripts" / "lib" / "nowhere.py").write_text("")
    things = imported(tmp_path, folder)
    assert [things[name].spec.script.source for name in ("first", "second")] == [SCRIPT, SCRIPT]
    assert [things[name].spec.script.parameters["level"] for name in ("first", "second")] == [7, 8]
    assert [things[name].spec.script.file for name in configs] == [None, None, "nowhere.py", "huge.py", None]
    # People read manifests, and edit them.
    assert "    # The level is the user's:\t\u00b5\n" in (tmp_path / "manifests" / "pipelines" / "first.yaml").read_text(encoding="utf-8")
    told = capsys.readouterr().err
    assert "first.json: libs = ['smoothing.py']: not carried over: put them into the worker's image" in told
    assert "third.json: function: the script 'nowhere.py' is not carried over, only its name: no such *.py is in these folders" in told
    assert (
        "fourth.json: function: the script 'huge.py' is not carried over, only its name: script 'huge.py' cannot be in a pipeline" in told
    )
    assert "second.json" not in told
    assert main(["export", str(tmp_path / "manifests"), "--output", str(tmp_path / "back")]) == 0
    assert (tmp_path / "back" / "user_scripts" / "bright.py").read_text(encoding="utf-8") == SCRIPT
    back = json.loads((tmp_path / "back" / "pipelines" / "first.json").read_text())
    assert back.items() >= {**configs["first"], "camera_name": "simulation"}.items()


def test_export_refuses_two_texts_of_one_script(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("first", "second"):
        (folder / "pipeline_config" / f"{name}.json").write_text(json.dumps({"camera_name": "simulation", "function": "bright"}))
    (folder / "bright.py").write_text("def process_image(*_): return {}\n")
    imported(tmp_path, folder)
    manifest = tmp_path / "manifests" / "pipelines" / "first.yaml"
    manifest.write_text(manifest.read_text().replace("return {}", "return {'a': 1}"))
    assert main(["export", str(tmp_path / "manifests"), "--output", str(tmp_path / "back")]) == 1
    assert "pipelines 'first' and 'second' hold different texts of the script 'bright.py'" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"source": "A", "source_type": "telescope"}', "{}"])
def test_what_becomes_no_object_is_a_failure_and_the_rest_is_written(tmp_path: Path, folder: Path, content: str) -> None:
    (folder / "camera_config" / "wrong.json").write_text(content)
    assert main(["import", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert (tmp_path / "out" / "cameras" / "simulation.yaml").exists()


def test_files_that_are_there_are_left_as_they_are(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(tmp_path, folder)
    assert main(["import", str(folder), "--output", str(tmp_path / "manifests")]) == 1
    assert "is there already, and is left as it is" in capsys.readouterr().err


def test_export_gives_back_what_was_imported(tmp_path: Path, folder: Path) -> None:
    imported(tmp_path, folder)
    assert main(["export", str(tmp_path / "manifests"), "--output", str(tmp_path / "back")]) == 0
    for kind, configs in (("cameras", CAMERAS), ("pipelines", PIPELINES)):
        for name, config in configs.items():
            back = json.loads((tmp_path / "back" / kind / f"{name}.json").read_text())
            # The time without clients of what is permanent is 0; numbers in texts and calibrations come back in full.
            exact = {key: value for key, value in config.items() if value not in (None, "") and key not in COMPLETED}
            assert back.items() >= exact.items()
    permanent = json.loads((tmp_path / "back" / "pipelines" / "permanent_instances.json").read_text())
    assert permanent == {"simulation_db": "simulation_db", "copy": "simulation_db"}
    # Once more, and nothing changes.
    again = tmp_path / "again"
    assert main(["import", str(tmp_path / "back"), "--output", str(again)]) == 0
    for path in (tmp_path / "manifests").rglob("*.yaml"):
        assert (again / path.relative_to(tmp_path / "manifests")).read_text() == path.read_text()


def test_export_of_wrong_manifests_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong.yaml").write_text("apiVersion: camstream.dev/v1alpha1\nkind: Camera\nmetadata: {name: a}\nspec: {}\n")
    assert main(["export", str(tmp_path / "wrong.yaml"), "--output", str(tmp_path / "out")]) == 1
    assert "spec.source" in capsys.readouterr().out
