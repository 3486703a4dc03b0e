"""What runs on this machine: one folder per running supervisor, found by ``camstream status`` and ``camstream receive``."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from camstream.errors import CamstreamError
from camstream.spec.view import STATE_FILE, RunState
from camstream_cli.local.files import replace_file

__all__ = ["RunState", "remove_stale", "run_folder", "running", "state_directory", "write_state"]

PREFIX = "run-"
LOCK = "pid"


def state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where supervisors tell about themselves, whether or not it exists."""
    if given := environment.get("CAMSTREAM_STATE"):
        return Path(given)
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "camstream"
    return Path.home() / ".local" / "state" / "camstream"


@contextmanager
def run_folder(root: Path) -> Iterator[Path]:
    """A folder of this process that is gone at the end. While it is there, others know from its lock that this process lives.

    :raises CamstreamError: if the state directory cannot be used
    """
    _prepare(root)
    remove_stale(root)
    # Made under another name: a folder that others can see without its lock would be taken for one of a dead process.
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
    folder = root / f"{PREFIX}{os.getpid()}"
    with (fresh / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        fresh.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_state(folder: Path, state: RunState) -> None:
    replace_file(folder / STATE_FILE, state.model_dump_json(by_alias=True))


def running(root: Path) -> list[RunState]:
    """What every living supervisor runs, in the order in which they were started."""
    states = [state for folder in _folders(root) if _alive(folder) and (state := _read(folder)) is not None]
    return sorted(states, key=lambda state: state.started_at)


def remove_stale(root: Path) -> None:
    """Remove what supervisors left behind that were killed."""
    for folder in _folders(root):
        if not _alive(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _prepare(root: Path) -> None:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_uid != os.getuid():
            raise CamstreamError(f"state directory {root} belongs to another user; set CAMSTREAM_STATE to a directory of yours")
        root.chmod(0o700)
    except OSError as error:
        raise CamstreamError(f"state directory {root}: {error.strerror}; set CAMSTREAM_STATE to a directory that you can write") from error


def _folders(root: Path) -> list[Path]:
    return [path for path in root.glob(f"{PREFIX}*") if path.is_dir()] if root.is_dir() else []


def _alive(folder: Path) -> bool:
    """Whether the process still holds the lock. A process id alone would not do: they are used again."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read(folder: Path) -> RunState | None:
    try:
        return RunState.model_validate_json((folder / STATE_FILE).read_bytes())
    except (OSError, ValidationError):
        # It has not been written yet, is gone by now, or is one of another version of camstream.
        return None
