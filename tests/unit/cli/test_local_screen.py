from pathlib import Path
from typing import Any

import pytest

from camstream.spec.status import Phase
from camstream.spec.view import ObjectView
from camstream_cli.local.screen import Lines, failure_log, next_steps


def make_view(name: str = "cam", kind: str = "Camera", **more: Any) -> ObjectView:
    fields: dict[str, Any] = {"namespace": "default", "external_name": name, "phase": Phase.RUNNING, "mode": "Pub"}
    return ObjectView(name=name, kind=kind, **(fields | {"address": f"tcp://127.0.0.1:12000/{name}"} | more))


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was printed since the last time, without the time of day."""
    return [line.split(" ", 1)[1] if line[:2].isdigit() else line for line in capsys.readouterr().out.splitlines()]


def test_state_is_said_once_and_then_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Lines()
    screen.show([make_view(phase=Phase.STARTING, address=None)], [])
    assert said(capsys) == ["camera/cam Starting"]
    screen.show([make_view(phase=Phase.STARTING, address=None)], [])
    assert said(capsys) == []
    screen.show([make_view(phase=Phase.FAILED, address=None, message="gone")], [])
    assert said(capsys)[0] == "camera/cam Failed: gone"


def test_rate_alone_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Lines()
    screen.show([make_view(rate=10.0)], [])
    said(capsys)
    screen.show([make_view(rate=11.0, clients=3, drops=7)], [])
    assert said(capsys) == []


def test_removed_object_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Lines()
    screen.show([make_view("a"), make_view("b")], [])
    said(capsys)
    screen.show([make_view("a")], [])
    assert said(capsys) == ["camera/b removed"]


def test_next_steps_are_told_once_when_everything_has_started(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Lines()
    screen.show([make_view("a", phase=Phase.STARTING), make_view("b")], [])
    assert "camstream status" not in " ".join(said(capsys))
    screen.show([make_view("a"), make_view("b")], [])
    assert said(capsys)[-1] == "  camstream status"
    screen.show([make_view("a", phase=Phase.WAITING), make_view("b")], [])
    assert "camstream status" not in " ".join(said(capsys))


def test_problems_of_an_edit_are_said_until_they_are_mended(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Lines()
    screen.show([make_view()], [])
    said(capsys)
    screen.show([make_view()], ["cam.yaml:5:3: spec.source: is wrong"])
    assert said(capsys) == ["not all is well; what a broken file said before goes on:", "cam.yaml:5:3: spec.source: is wrong"]
    screen.show([make_view()], ["cam.yaml:5:3: spec.source: is wrong"])
    assert said(capsys) == []
    screen.show([make_view()], [])
    assert said(capsys) == ["all manifests are right again"]


def test_end_of_the_log_is_shown_of_a_worker_that_failed_only(tmp_path: Path) -> None:
    log = tmp_path / "cam.log"
    log.write_text("".join(f"line {number}\n" for number in range(9)))
    failed = failure_log(make_view(phase=Phase.FAILED, log_file=str(log)))
    assert failed == [f"the end of {log}:", *(f"  line {number}" for number in range(4, 9))]
    assert failure_log(make_view(phase=Phase.RUNNING, log_file=str(log))) == []
    assert failure_log(make_view(phase=Phase.FAILED, log_file=str(tmp_path / "missing"))) == []


def test_next_steps_name_the_last_pipeline_rather_than_a_camera() -> None:
    steps = next_steps([make_view("cam"), make_view("fit", "Pipeline"), make_view("other")])
    assert "  camstream receive fit" in steps


def test_stream_that_is_pushed_is_not_offered_for_looking() -> None:
    assert not any("receive" in step for step in next_steps([make_view(mode="Push")]))
