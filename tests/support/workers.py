"""Real worker processes, their status over HTTP and their stream over ZMQ."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zmq
from ports import free_port
from waiting import wait_for

from camstream.spec import WorkerConfig
from camstream.wire import Decoder, Message


class WorkerProcess:
    """One `camstream_worker.app` with a configuration file of its own."""

    def __init__(
        self, folder: Path, config: Mapping[str, Any], environment: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
    ) -> None:
        name = config["name"]
        self.path = folder / name / "config.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{name}.log"
        self.termination = folder / f"{name}.termination"
        self.write(config)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "camstream_worker.app",
                    str(self.path),
                    "--exit-with-stdin",
                    "--termination-file",
                    str(self.termination),
                    *arguments,
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | dict(environment or {}),
            )

    def write(self, config: Mapping[str, Any]) -> str:
        """Replace the configuration file as a whole; returns the digest of the configuration where it is valid."""
        self.config = dict(config)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.config))
        temporary.replace(self.path)
        try:
            return WorkerConfig.model_validate(self.config).digest()
        except ValueError:
            return ""

    @property
    def address(self) -> str:
        return str(self.config["streamAddress"])

    def get(self, path: str) -> tuple[int, bytes]:
        """Status code and body; code 0 where nobody answers."""
        try:
            host = self.config.get("httpHost", "127.0.0.1")
            with urllib.request.urlopen(f"http://{host}:{self.config['httpPort']}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def status(self) -> dict[str, Any]:
        code, body = self.get("/status")
        return json.loads(body) if code == 200 else {}

    def wait_for_status(self, what: str, condition: Any, timeout_s: float = 20.0) -> dict[str, Any]:
        def answer() -> dict[str, Any] | None:
            assert self.process.poll() is None, f"the worker ended with {self.process.returncode}:\n{self.log.read_text()}"
            status = self.status()
            return status if status and condition(status) else None

        try:
            found = wait_for(what, answer, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status(), indent=1)}\n{self.log.read_text()[-3000:]}") from None
        assert found is not None
        return found

    def apply(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Write a configuration and wait until the worker has taken it over."""
        digest = self.write(config)
        return self.wait_for_status("configuration applied", lambda s: s["config"]["appliedHash"] == digest)

    def stop(self, timeout_s: float = 5.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout_s)
        assert self.process.stdin is not None
        self.process.stdin.close()
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        assert self.process.stdin is not None
        self.process.stdin.close()


@contextmanager
def worker(
    folder: Path, config: Mapping[str, Any], environment: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
) -> Iterator[WorkerProcess]:
    process = WorkerProcess(folder, config, environment, arguments)
    try:
        yield process
    finally:
        process.kill()


def camera(
    source: Mapping[str, Any],
    name: str = "cam",
    background_spec: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """Configuration of a camera worker; ``spec`` in camelCase."""
    if background_spec is not None:
        spec["background"] = background_spec
    return {
        "kind": "Camera",
        "name": name,
        "externalName": name.upper(),
        "camera": {"source": dict(source), **spec},
        "streamAddress": f"tcp://127.0.0.1:{free_port()}",
        "httpPort": free_port(),
    }


def pipeline(address: str, name: str = "pipe", background: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Configuration of a pipeline worker that reads ``address``; ``spec`` in camelCase, input included."""
    given = {"camera": {"name": "cam"}} | spec.pop("input", {})
    return {
        "kind": "Pipeline",
        "name": name,
        "externalName": name.upper(),
        "pipeline": {"input": given, **spec},
        "inputAddress": address,
        "inputName": "CAM",
        "streamAddress": f"tcp://127.0.0.1:{free_port()}",
        "httpPort": free_port(),
        "background": background,
    }


def store_background(folder: Path, name: str, pixels: npt.NDArray[Any]) -> dict[str, str]:
    """Write a background file as the store does; returns what a configuration says of it."""
    path = folder / f"{name}.npy"
    np.save(path, pixels)
    return {"name": name, "path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def simulation(width: int = 64, height: int = 48, rate: float = 50, **more: Any) -> dict[str, Any]:
    return {"simulation": {"width": width, "height": height, "frameRate": rate, **more}}


@contextmanager
def reader(address: str, kind: int = zmq.SUB, hwm: int = 100, *, listen: bool = False) -> Iterator["Reader"]:
    found = Reader(address, kind, hwm, listen)
    try:
        yield found
    finally:
        found.socket.close(0)
        found.context.term()


class Reader:
    """A client of a stream, or one that a stream is sent to."""

    def __init__(self, address: str, kind: int, hwm: int, listen: bool) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.rcvhwm = hwm
        if kind == zmq.SUB:
            self.socket.subscribe(b"")
        (self.socket.bind if listen else self.socket.connect)(address)
        self.decoder = Decoder()

    def parts(self, timeout_s: float = 15.0) -> list[bytes]:
        assert self.socket.poll(int(timeout_s * 1000)), f"no message within {timeout_s} s"
        return self.socket.recv_multipart()

    def message(self, timeout_s: float = 15.0) -> Message:
        return self.decoder.decode(self.parts(timeout_s))

    def messages(self, count: int) -> list[Message]:
        return [self.message() for _ in range(count)]

    def until(self, condition: Any, limit: int = 500) -> Message:
        """The first message that fulfils a condition."""
        for _ in range(limit):
            message = self.message()
            if condition(message):
                return message
        raise AssertionError(f"no such message among {limit}")
