"""The real `camstream run` as a process of its own, with a state directory of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from waiting import wait_for

from camstream.names import API_VERSION
from camstream.spec.view import ObjectView
from camstream_cli.local.state import running

T = TypeVar("T")


CAMSTREAM = str(Path(sys.executable).with_name("camstream"))
"""The command as it was installed."""


class LocalRun:
    """One `camstream run` and what can be seen of it."""

    def __init__(self, folder: Path, *arguments: str, page: bool = False, rest: bool = False) -> None:
        """Start.

        :param folder: for the state directory and the output
        :param arguments: paths and options
        :param page: serve the live page at a free port
        :param rest: serve cam_server's REST interface at free ports
        """
        self.state = folder / "state"
        self.output = folder / "output.txt"
        self._folder = folder
        self._seen: set[int] = set()
        options = ["--page-port", "0"] if page else ["--no-page"]
        options += ["--camera-port", "0", "--pipeline-port", "0"] if rest else ["--no-rest"]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen([CAMSTREAM, "run", *options, *arguments], stdout=output, stderr=output, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"CAMSTREAM_STATE": str(self.state)}

    def camstream(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another verb of the command line, beside this run."""
        return subprocess.run([CAMSTREAM, *arguments], env=self.environment, capture_output=True, text=True, timeout=30, check=False)

    def views(self) -> dict[str, ObjectView]:
        found = {view.name: view for state in running(self.state) for view in (*state.objects, *state.backgrounds)}
        self._seen |= {view.pid for view in found.values() if view.pid}
        return found

    def page(self) -> str:
        """Address of the live page, once it is served."""
        return self._wait("the live page", lambda: next((state.page for state in running(self.state) if state.page), ""))

    def rest(self) -> tuple[str, str]:
        """Addresses of the camera and of the pipeline API, once they are served."""
        look = lambda: next(((s.cameras, s.pipelines) for s in running(self.state) if s.cameras and s.pipelines), None)  # noqa: E731
        found = self._wait("the REST interface", look)
        assert found is not None
        return found

    def problems(self) -> list[str]:
        return [problem for state in running(self.state) for problem in state.problems]

    def wait(self, name: str, what: str, condition: Callable[[ObjectView], Any], timeout_s: float = 30.0) -> ObjectView:
        """The object, once a condition holds."""

        def look() -> ObjectView | None:
            view = self.views().get(name)
            return view if view is not None and condition(view) else None

        found = self._wait(f"{name}: {what}", look, timeout_s)
        assert found is not None
        return found

    def wait_for_phase(self, name: str, phase: str) -> ObjectView:
        return self.wait(name, phase, lambda view: view.phase == phase)

    def wait_until_gone(self, name: str) -> None:
        self._wait(f"{name}: gone", lambda: name not in self.views())

    def wait_for_output(self, text: str) -> str:
        return self._wait(f"{text!r} in the output", lambda: self.text() if text in self.text() else "")

    def text(self) -> str:
        return self.output.read_text()

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)

    def workers_left(self) -> list[int]:
        """Processes of workers that were seen and still run."""
        return [pid for pid in self._seen if alive(pid)]

    def _wait(self, what: str, look: Callable[[], T], timeout_s: float = 30.0) -> T:
        def answer() -> T:
            assert self.process.poll() is None, f"camstream run ended with {self.process.returncode}:\n{self.text()}"
            return look()

        try:
            return wait_for(what, answer, timeout_s)
        except AssertionError as error:
            logs = "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in self.state.glob("run-*/*.log"))
            states = "\n".join(view.model_dump_json() for view in self.views().values())
            raise AssertionError(f"{error}\n{states}\n{self.text()}\n{logs}") from None


@contextmanager
def local_run(folder: Path, *arguments: str, page: bool = False, rest: bool = False) -> Iterator[LocalRun]:
    """Stopped at the end, if the test did not stop it."""
    run = LocalRun(folder, *arguments, page=page, rest=rest)
    try:
        yield run
    finally:
        run.views()
        if run.process.poll() is None:
            run.process.terminate()
        try:
            run.process.wait(15)
        finally:
            for pid in run.workers_left():
                os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gateway_of(run: int) -> int | None:
    """Process id of the gateway of a run, where it has one now."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == run and b"camstream_gateway.app" in (process / "cmdline").read_bytes():
                    return int(process.name)
            except (FileNotFoundError, ProcessLookupError):
                continue
    return None


def manifest(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}


def small_camera(name: str = "cam", simulation: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """64x48 at 20 Hz; ``spec`` in camelCase."""
    source = {"simulation": {"width": 64, "height": 48, "frameRate": 20.0} | dict(simulation or {})}
    return manifest("Camera", name, {"source": source} | spec)


def small_pipeline(name: str = "pipe", **spec: Any) -> dict[str, Any]:
    """Reads ``cam``; ``spec`` in camelCase."""
    return manifest("Pipeline", name, {"input": {"camera": {"name": "cam"}}} | spec)


def write(path: Path, *objects: Mapping[str, Any]) -> Path:
    """Replace a manifest as editors do: write a new file, then rename it."""
    fresh = path.with_name(f".{path.name}.swp")
    fresh.write_text("\n---\n".join(json.dumps(thing, indent=1) for thing in objects))
    fresh.replace(path)
    return path
