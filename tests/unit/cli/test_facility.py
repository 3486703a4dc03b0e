"""The configurations of a whole facility, imported and exported again. tests/gateway runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
from facility import FACILITY, imported

from camstream_cli.main import main
from camstream_cli.manifests import load

FOLDERS = {"camera_config": "cameras", "pipeline_config": "pipelines"}
PORTS = {"simulation2_db": 29015, "LTS03-CAMS060-PSSS_psss": 29017, "LTS04-EYE070": 29100}
"""Fixed ports of servers.json: exported in the configurations."""


def spelled(name: str, key: str, value: Any) -> Any:
    """A value as camstream writes it, where cam_server reads several spellings alike."""
    if key in ("group", "alias") and isinstance(value, list) and len(value) == 1:
        return value[0]
    if key == "source" and value == "":
        # A simulation needs none.
        return name
    if key == "function":
        return f"{value}.py" if value == "beam_position" else value
    return value.lstrip("/") if key == "file" else value


def test_everything_becomes_an_object_and_what_is_lost_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = load([imported(tmp_path)])
    told = capsys.readouterr()
    assert found.problems == []
    assert "12 cameras and 15 pipelines, 6 remarks" in told.out
    for remark in (
        "camera_config/servers.json: only its fixed ports",
        "pipeline_config/servers.json: only its fixed ports",
        "LTS03-CAMS050-M5.json: group = 'Endstation A'",
        "beam_position.json: libs = ['calibration_table.py']",
        "'old_screen' is of 'LTS00-DSCR000_sp'",
        "fixed port 29020 of 'panel_1' is left out",
    ):
        assert remark in told.err


def test_export_is_equal_to_what_was_imported(tmp_path: Path) -> None:
    manifests, back = imported(tmp_path), tmp_path / "back"
    assert main(["export", str(manifests), "--output", str(back)]) == 0
    count = 0
    for given, folder in FOLDERS.items():
        for file in (FACILITY / given).glob("*.json"):
            if file.stem in ("servers", "permanent_instances", "simulation_parameters"):
                continue
            config, found = json.loads(file.read_text()), json.loads((back / folder / file.name).read_text())
            assert {key: found.get(key) for key, value in config.items() if value is not None} == {
                key: spelled(file.stem, key, value) for key, value in config.items() if value is not None
            }
            assert found.get("port") == PORTS.get(file.stem)
            count += 1
    assert count == 26
    permanent = json.loads((FACILITY / "pipeline_config" / "permanent_instances.json").read_text())
    del permanent["old_screen"]
    # It has a port of its own, and the saved pipeline has not.
    permanent["LTS01-DSCR010_fb"] = "LTS01-DSCR010_fb"
    assert json.loads((back / "pipelines" / "permanent_instances.json").read_text()) == permanent
    script = Path("user_scripts") / "beam_position.py"
    assert (back / script).read_text() == (FACILITY / script).read_text()


def test_what_was_exported_makes_the_same_objects(tmp_path: Path) -> None:
    manifests = imported(tmp_path)
    assert main(["export", str(manifests), "--output", str(tmp_path / "back")]) == 0
    assert main(["import", str(tmp_path / "back"), "--output", str(tmp_path / "again")]) == 0
    before, after = ([placed.object for placed in load([folder]).objects] for folder in (manifests, tmp_path / "again"))
    specs = {(thing.kind, thing.name): thing.spec for thing in before}
    assert {(thing.kind, thing.name): thing.spec for thing in after} == specs
    assert len(specs) == 27
