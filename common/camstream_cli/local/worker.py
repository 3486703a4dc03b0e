"""The worker process of one object: started, asked how it is, started again when it ends."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from pydantic import ValidationError

from camstream.spec.base import FIXED, changes
from camstream.spec.report import WorkerReport
from camstream.spec.status import ExitStatus
from camstream.spec.worker import WorkerConfig
from camstream_cli.local.files import remove_file, replace_file
from camstream_cli.local.logs import keep_short, last_lines

PROGRAM = "camstream_worker.app"

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
CALM_S = 60.0
"""A worker that lived this long is started again after the first delay: whatever ended it, it is no loop."""

STOP_S = 3.0
"""Time to end after SIGTERM, before SIGKILL."""

POLL_S = 1.0
FIRST_POLL_S = 0.1
"""Until the first answer: a person waits for it."""
SILENT_S = 10.0
"""A worker without an answer for this long is told to be so."""
DEAD_S = 40.0
"""A worker without an answer for this long is replaced."""

COMPLETED, FAILED, WRONG_CONFIGURATION = 0, 1, 2


class WorkerProcess:
    """Keeps the worker of one object running until :meth:`stop`."""

    def __init__(
        self, folder: Path, config: WorkerConfig, http: aiohttp.ClientSession, changed: Callable[[], None], log_level: str = "info"
    ) -> None:
        """Start at once; needs a running event loop.

        :param folder: for the configuration of this worker; made where it is not there. Its other files are beside it
        :param changed: called when the process has started or ended, or changes its phase
        """
        self.config = config
        self.report: WorkerReport | None = None
        """What it tells about itself, where it runs and answers."""
        self.reported_at = 0.0
        """When it last did [s since 1970]."""
        self.heard_at = datetime.now(UTC)
        """When it was started for the first time, or last answered."""
        self.answered_at: datetime | None = None
        """When this process of it first answered."""
        self.ended_at: datetime | None = None
        """When it ended for good: nothing starts it again but another configuration."""
        self.exit: ExitStatus | None = None
        """How it ended, where it does not run now."""
        self.pid: int | None = None
        self.restarts = 0
        """How often it was started again after it had ended by itself."""
        # Not in the folder: the worker watches it, and would look at its configuration with every line that it logs.
        self.log_file = self.log_file_in(folder)
        self._termination_file = folder.with_name(f"{folder.name}.exit")
        self._config_file = folder / "config.json"
        self._http, self._changed, self._log_level = http, changed, log_level
        self._stopping = False
        self._asked, self._edited = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"worker {folder.name}")

    @property
    def _final(self) -> tuple[int, ...]:
        return (FAILED,) if self.config.fails_for_good else ()

    @property
    def ended_for_good(self) -> bool:
        """Whether it ended for good after it had begun to work."""
        return self.ended_at is not None and self.exit is not None and (self.exit.exit_code == COMPLETED or self.answered_at is not None)

    @staticmethod
    def log_file_in(folder: Path) -> Path:
        return folder.with_name(f"{folder.name}.log")

    @property
    def status_url(self) -> str:
        return f"http://{self.config.http_host}:{self.config.http_port}/status"

    def use(self, config: WorkerConfig) -> None:
        """Take another configuration: by its file where the fields are live, with a new process otherwise.

        :raises OSError: if the file cannot be written; nothing has changed then
        """
        found = list(changes(self.config, config))
        if not found:
            return
        if self.pid is not None and not any(change.change in FIXED for change in found):
            self._write_config(config)
            self._edited.set()
        else:
            self._asked.set()
        self.config = config

    async def stop(self) -> None:
        """End the process; returns when it is gone."""
        self._stopping = True
        self._asked.set()
        await self._task

    def remove_files(self) -> None:
        """After :meth:`stop`, where the object is gone."""
        for file in (self._config_file, self._termination_file, self.log_file):
            remove_file(file)
        with contextlib.suppress(OSError):
            self._config_file.parent.rmdir()

    async def _run(self) -> None:
        delay = FIRST_DELAY_S
        while not self._stopping:
            self.ended_at = None
            self._asked.clear()
            started = time.monotonic()
            try:
                ended = await self._life()
            except OSError as error:
                ended = ExitStatus(reason="CannotStart", message=f"the worker cannot be started: {error}")
            if ended is None:
                delay = FIRST_DELAY_S
                continue
            self.exit = ended
            self._changed()
            if time.monotonic() - started > CALM_S:
                delay = FIRST_DELAY_S
            again = ended.exit_code not in (COMPLETED, WRONG_CONFIGURATION, *self._final)
            self.ended_at = None if again else datetime.now(UTC)
            try:
                await asyncio.wait_for(self._asked.wait(), delay if again else None)
            except TimeoutError:
                delay = min(2 * delay, LONGEST_DELAY_S)
                self.restarts += 1

    async def _life(self) -> ExitStatus | None:
        """One process, from its start to its end.

        :returns: how it ended, or None where it was ended because something was asked for
        """
        self._write_config(self.config)
        self._termination_file.unlink(missing_ok=True)
        process = await self._start()
        self.pid, self.exit, self.answered_at = process.pid, None, None
        self._changed()
        gone = asyncio.create_task(process.wait())
        asked = asyncio.create_task(self._asked.wait())
        silent = asyncio.create_task(self._watch())
        try:
            done, _ = await asyncio.wait({gone, asked, silent}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asked, silent):
                task.cancel()
            await asyncio.gather(asked, silent, return_exceptions=True)
            await _end(process, gone)
            self.pid = self.report = None
        if gone in done:
            return self._how_it_ended(gone.result())
        if asked in done:
            return None
        return ExitStatus(reason="NoAnswer", message=f"it did not answer for {DEAD_S:.0f} s and was replaced; its log: {self.log_file}")

    async def _start(self) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", PROGRAM, str(self._config_file), "--exit-with-stdin"]
        command += ["--termination-file", str(self._termination_file), "--log-level", self._log_level]
        with self.log_file.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which then ends the workers in order.
            return await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    async def _watch(self) -> None:
        """Ask the worker how it is, again and again. Returns when it has been silent for too long."""
        answered = time.monotonic()
        while (silence := time.monotonic() - answered) < DEAD_S:
            report = await self._ask()
            if report is not None:
                news = self.report is None or report.phase is not self.report.phase
                answered, self.report, self.exit = time.monotonic(), report, None
                self.reported_at = time.time()
                self.heard_at = datetime.now(UTC)
                self.answered_at = self.answered_at or self.heard_at
                if news:
                    self._changed()
            elif self.report is not None and silence > SILENT_S:
                self.report = None
                self.exit = ExitStatus(reason="NoAnswer", message=f"it runs but does not answer at {self.status_url}; it will be replaced")
                self._changed()
            keep_short(self.log_file)
            await self._pause()

    async def _pause(self) -> None:
        """Until the next question: soon, where somebody waits for the answer."""
        applied = self.report is not None and self.config.digest() in (self.report.config.applied_hash, self.report.config.rejected_hash)
        self._edited.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._edited.wait(), POLL_S if applied else FIRST_POLL_S)

    async def _ask(self) -> WorkerReport | None:
        try:
            async with self._http.get(self.status_url) as answer:
                return WorkerReport.model_validate_json(await answer.read())
        except (aiohttp.ClientError, OSError, ValidationError):
            return None

    def _write_config(self, config: WorkerConfig) -> None:
        self._config_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._config_file, json.dumps(config.to_full_dict(), indent=1))

    def _how_it_ended(self, code: int) -> ExitStatus:
        """In its own words, or else in those of the system and the end of its log."""
        with contextlib.suppress(OSError, ValidationError):
            return ExitStatus.model_validate_json(self._termination_file.read_bytes())
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return ExitStatus(reason="Killed", exit_code=code, message=f"it was killed by {name}")
        if code == COMPLETED:
            # Told to end, but not by us: nothing was completed, and it is wanted.
            return ExitStatus(reason="Terminated", message="it was told to end by somebody else")
        last = next(iter(last_lines(self.log_file, 1)), "")
        return ExitStatus(reason="Crashed", exit_code=code, message=f"it ended with exit code {code}: {last}; its log: {self.log_file}")


async def _end(process: asyncio.subprocess.Process, gone: asyncio.Task[int]) -> None:
    """Ask the process to end, and see that it does."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({gone}, timeout=STOP_S)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await gone
    if process.stdin is not None:
        process.stdin.close()
