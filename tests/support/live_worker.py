"""A worker inside of the test: everything that a live edit passes through, without a process of its own."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import wait_for

from camstream.spec import WorkerConfig
from camstream_worker.counters import Counters
from camstream_worker.runtime.runner import Runner
from camstream_worker.service.configuration import Reloader, prepare_first, read_config


class LiveWorker:
    """Its stream runs at once; it looks at its configuration file when it is told to."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._path = folder / "config.json"
        self.config = self._write(config)
        self.runner = Runner(prepare_first(read_config(self._path)), Counters())
        self._reloader = Reloader(self._path, self.runner)
        self.runner.start()

    def _write(self, config: dict[str, Any]) -> WorkerConfig:
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(config))
        temporary.replace(self._path)
        return WorkerConfig.model_validate(config)

    def apply(self, config: dict[str, Any]) -> None:
        """Edit the file and let the worker look at it.

        :raises AssertionError: if it does not take it over
        """
        self.config = self._write(config)
        self._reloader.look()
        report = self._reloader.report
        assert (report.rejected_reason, report.applied_hash) == (None, self.config.digest())

    def wait_for(self, what: str, condition: Callable[[Runner], object]) -> None:
        wait_for(what, lambda: condition(self.runner))

    def wait_for_drops(self, **drops: int) -> None:
        """Until exactly so many frames were not wanted, by reason."""
        wait_for(f"drops {drops}", lambda: dict(self.runner.counters.selection_drops) == drops)


@contextmanager
def live_worker(folder: Path, config: dict[str, Any]) -> Iterator[LiveWorker]:
    made = LiveWorker(folder, config)
    try:
        assert made.runner.ready.wait(10)
        yield made
    finally:
        assert made.runner.stop(5)
