import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from camstream.errors import CamstreamError
from camstream_cli.local.state import RunState, remove_stale, run_folder, running, state_directory, write_state

KILLED = """
import os, signal, sys
from pathlib import Path
from camstream_cli.local.state import RunState, run_folder, write_state
with run_folder(Path(sys.argv[1])) as folder:
    write_state(folder, RunState(pid=os.getpid(), started_at=1.0, paths=["x"]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def make_state(started_at: float = 1.0) -> RunState:
    return RunState(pid=os.getpid(), started_at=started_at, paths=["configs/demo"])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CAMSTREAM_STATE": "/a", "XDG_RUNTIME_DIR": "/b"}, Path("/a")),
        ({"XDG_RUNTIME_DIR": "/b"}, Path("/b/camstream")),
        ({}, Path.home() / ".local/state/camstream"),
    ],
)
def test_state_directory_is_where_the_environment_says(environment: dict[str, str], expected: Path) -> None:
    assert state_directory(environment) == expected


def test_running_supervisor_is_found_with_what_it_wrote(tmp_path: Path) -> None:
    with run_folder(tmp_path / "state") as folder:
        write_state(folder, make_state())
        assert running(tmp_path / "state") == [make_state()]


def test_supervisor_that_has_not_written_yet_is_passed_over(tmp_path: Path) -> None:
    with run_folder(tmp_path):
        assert running(tmp_path) == []


def test_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    with run_folder(tmp_path) as folder:
        write_state(folder, make_state())
    assert list(tmp_path.iterdir()) == []


def test_only_this_user_can_look_inside(tmp_path: Path) -> None:
    root = tmp_path / "state"
    root.mkdir(mode=0o755)
    with run_folder(root) as folder:
        write_state(folder, make_state())
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "state.json").stat().st_mode) == 0o600


def test_killed_supervisor_is_not_running_and_its_folder_is_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert [path.name[:4] for path in tmp_path.iterdir()] == ["run-"]
    assert running(tmp_path) == []
    remove_stale(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_living_supervisor_is_not_removed(tmp_path: Path) -> None:
    with run_folder(tmp_path) as folder:
        remove_stale(tmp_path)
        assert folder.is_dir()


def test_state_of_another_version_is_passed_over(tmp_path: Path) -> None:
    with run_folder(tmp_path) as folder:
        (folder / "state.json").write_text('{"from": "the future"}')
        assert running(tmp_path) == []


def test_directory_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert running(tmp_path / "missing") == []


def test_directory_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CamstreamError, match="set CAMSTREAM_STATE"), run_folder(tmp_path / "file" / "state"):
        pass
