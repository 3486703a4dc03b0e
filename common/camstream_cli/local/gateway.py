"""The gateway: one process beside the workers, for browsers and for clients of cam_server. Streams go on without it."""

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from camstream_cli.local.logs import last_lines

PROGRAM = "camstream_gateway.app"

DEFAULT_PORT = 8080
CAMERA_PORT = 8888
PIPELINE_PORT = 8889

WORDS = {"page": "live page", "cameras": "camera API", "pipelines": "pipeline API"}
"""What is served, by the name of its door."""
OPTIONS = {"page": "--page-port", "cameras": "--camera-port", "pipelines": "--pipeline-port"}

WRONG_OPTIONS, NOTHING_SERVED = 2, 3
"""Exit codes of the gateway: it cannot use a file that it was given; none of its ports can be had."""

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
STOP_S = 3.0
LONGEST_LINE = 1 << 16


@dataclass(frozen=True)
class Options:
    """What the gateway serves, and to whom. A port is 0 for any free one and None for nothing."""

    host: str
    page_port: int | None
    camera_port: int | None
    pipeline_port: int | None
    backgrounds: Path
    scripts: Path
    tokens: Path | None = None
    allow_pickle: bool = False
    read_only: bool = False
    """Nobody may change anything by HTTP."""

    @property
    def ports(self) -> dict[str, int]:
        found = {"page": self.page_port, "cameras": self.camera_port, "pipelines": self.pipeline_port}
        return {door: port for door, port in found.items() if port is not None}

    @property
    def serves(self) -> bool:
        return bool(self.ports)

    def arguments(self) -> list[str]:
        found = ["--host", self.host, "--backgrounds", str(self.backgrounds), "--scripts", str(self.scripts)]
        for door, port in self.ports.items():
            found += [f"--{door}-port", str(port)]
        found += ["--tokens", str(self.tokens)] if self.tokens else []
        found += ["--read-only"] if self.read_only else []
        return [*found, *(["--allow-pickle"] if self.allow_pickle else [])]


class Gateway:
    """Keeps the gateway running. :attr:`words` says where it is found, or why it is not."""

    def __init__(self, folder: Path, options: Options) -> None:
        """:param folder: of the run"""
        self.doors: dict[str, str] = {}
        """Where what is served: page, cameras, pipelines."""
        self.words = ""
        """What a person should know about it now."""
        self.log_file = folder / "gateway.log"
        self._folder, self._options = folder, options

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop; returns early where there is no port to be had."""
        delay = FIRST_DELAY_S
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                code = await self._life(stopping)
                if code == WRONG_OPTIONS:
                    # Rather nothing than without the tokens that were asked for.
                    self.words = f"nothing is served: {next(iter(last_lines(self.log_file, 1)), '')}"
                if code in (WRONG_OPTIONS, NOTHING_SERVED):
                    return
                if not stop.is_set():
                    what = "live page" if self._options.page_port is not None else "gateway"
                    self.words = f"the {what} ended with exit code {code} and is started again; its log: {self.log_file}"
                    await asyncio.wait({stopping}, timeout=delay)
                    delay = min(2 * delay, LONGEST_DELAY_S)
        finally:
            stopping.cancel()

    async def _life(self, stopping: asyncio.Task[bool]) -> int | None:
        """One process from its start to its end; its exit code."""
        command = [sys.executable, "-m", PROGRAM, "--run", str(self._folder), *self._options.arguments()]
        pipe = asyncio.subprocess.PIPE
        with self.log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, "--exit-with-stdin", stdin=pipe, stdout=pipe, stderr=log, start_new_session=True, limit=LONGEST_LINE
            )
        gone = asyncio.create_task(self._until_gone(process))
        try:
            await asyncio.wait({gone, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.doors = {}
            await _end(process)
            await gone
        return process.returncode

    async def _until_gone(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        if line := await process.stdout.readline():
            told = json.loads(line)
            self.doors = told["doors"]
            self.words = "\n".join([*self._served(), *self._missing(told["problems"]), *self._warnings()])
        await process.wait()

    def _served(self) -> list[str]:
        return [f"{WORDS[door]}: {url}" for door, url in self.doors.items()]

    def _missing(self, problems: dict[str, str]) -> list[str]:
        ports, host = self._options.ports, self._options.host
        return [
            f"no {WORDS[door]}: port {ports[door]} on {host} {why}; choose another with {OPTIONS[door]}" for door, why in problems.items()
        ]

    def _warnings(self) -> list[str]:
        if not self.doors or self._options.read_only or self._options.tokens:
            return []
        who = "every program of this machine" if self._options.host.startswith("127.") else "EVERYBODY WHO CAN REACH THIS MACHINE"
        return [
            f"no authentication: {who} may change cameras and pipelines by REST; "
            "ask for tokens with --tokens, or let nobody change them with --no-rest"
        ]


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
    if process.stdin is not None:
        process.stdin.close()
