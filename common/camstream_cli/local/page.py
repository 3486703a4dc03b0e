"""The live page: one process beside the workers. Streams go on without it."""

import asyncio
import contextlib
import sys
from pathlib import Path

PROGRAM = "camstream_gateway.app"

DEFAULT_PORT = 8080

ADDRESS_IN_USE = 3
NO_SUCH_ADDRESS = 4
"""Exit codes of the gateway."""

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
STOP_S = 3.0


class Page:
    """Keeps the gateway running. :attr:`words` says where the page is, or why there is none."""

    def __init__(self, state_file: Path, store: Path, host: str, port: int) -> None:
        """
        :param store: the folder of backgrounds
        :param port: 0 for any free one
        """
        self.url: str | None = None
        self.words = ""
        """What a person should know about it now."""
        self.log_file = state_file.with_name("page.log")
        self._state_file, self._store, self._host, self._port = state_file, store, host, port

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop; returns early where there is no port to be had."""
        delay = FIRST_DELAY_S
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                code = await self._life(stopping)
                if code in (ADDRESS_IN_USE, NO_SUCH_ADDRESS):
                    why = "is in use" if code == ADDRESS_IN_USE else "cannot be had"
                    self.words = f"no live page: port {self._port} on {self._host} {why}; choose another with --page-port"
                    return
                if not stop.is_set():
                    self.words = f"the live page ended with exit code {code} and is started again; its log: {self.log_file}"
                    await asyncio.wait({stopping}, timeout=delay)
                    delay = min(2 * delay, LONGEST_DELAY_S)
        finally:
            stopping.cancel()

    async def _life(self, stopping: asyncio.Task[bool]) -> int | None:
        """One process from its start to its end; its exit code."""
        files = ["--state", str(self._state_file), "--store", str(self._store)]
        command = [sys.executable, "-m", PROGRAM, *files, "--host", self._host, "--port", str(self._port)]
        pipe = asyncio.subprocess.PIPE
        with self.log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, "--exit-with-stdin", stdin=pipe, stdout=pipe, stderr=log, start_new_session=True
            )
        gone = asyncio.create_task(self._until_gone(process))
        try:
            await asyncio.wait({gone, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.url = None
            await _end(process)
            await gone
        return process.returncode

    async def _until_gone(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        if line := await process.stdout.readline():
            self.url = line.decode().strip()
            self.words = f"live page: {self.url}"
        await process.wait()


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
