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
    assert "servers.json: not carried over" in told.err
    assert "'lost' is of 'nowhere', which is not among these files" in told.err
    assert "2 cameras and 4 pipelines, 3 remarks" in told.out


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
