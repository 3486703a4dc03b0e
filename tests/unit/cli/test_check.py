"""``camstream check``: lines that an editor can jump to, a summary, and an exit code."""

import argparse
import json
from pathlib import Path

import pytest

from camstream_cli import check

RIGHT = """\
apiVersion: camstream.dev/v1alpha1
kind: Camera
metadata: {name: right}
spec: {source: {simulation: {}}}
"""
WRONG = """\
apiVersion: camstream.dev/v1alpha1
kind: Camera
metadata: {name: wrong}
spec: {source: {simulation: {width: 0, height: 0}}}
"""
OTHER = "apiVersion: v1\nkind: Secret\n"


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    check.add_parser(parser.add_subparsers())
    return parser.parse_args(["check", *arguments])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "right.yaml").write_text(RIGHT)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    (tmp_path / "other.yaml").write_text(OTHER)
    return tmp_path


def test_everything_is_fine(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(parsed(str(files / "right.yaml"))) == 0
    assert capsys.readouterr().out == "1 object is fine\n"


def test_problems_and_notes_are_printed_with_their_places(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(parsed(str(files))) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{files}/wrong.yaml:4:30: spec.source.simulation.width: expected a whole number from 1 to 32768, found 0",
        f"{files}/wrong.yaml:4:40: spec.source.simulation.height: expected a whole number from 1 to 32768, found 0",
        f"{files}/other.yaml:1:1: Secret of v1 is none of ours, and is left out (note)",
        "1 object is fine, 2 problems",
    ]


def test_notes_alone_are_no_failure(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(parsed(str(files / "other.yaml"), str(files / "right.yaml"))) == 0
    assert "(note)" in capsys.readouterr().out


def test_object_with_a_broken_reference_is_not_fine(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = RIGHT.replace("Camera", "Pipeline").replace("source: {simulation: {}}", "input: {camera: {name: gone}}")
    (files / "right.yaml").write_text(pipeline)
    assert check.run(parsed(str(files / "right.yaml"))) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 objects are fine, 1 problem"


def test_json_is_for_machines(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(parsed("--output", "json", str(files))) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["objects"] == [{"kind": "Camera", "name": "right", "file": f"{files}/right.yaml", "line": 3}]
    assert document["problems"][0] == {
        "file": f"{files}/wrong.yaml",
        "line": 4,
        "column": 30,
        "path": "spec.source.simulation.width",
        "message": "expected a whole number from 1 to 32768, found 0",
    }
    assert [note["file"] for note in document["notes"]] == [f"{files}/other.yaml"]


def test_path_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed()
    assert "PATH" in capsys.readouterr().err
