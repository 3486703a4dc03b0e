"""Private instances made and left by PSI's own client, many at once, through nothing but its two addresses."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from cam_server_client import PipelineClient
from waiting import wait_for

IDLE_S = 1
"""no_client_timeout of instances that are left alone [s]."""


@dataclass
class Told:
    """What became of some cycles."""

    ways: Counter[str] = field(default_factory=Counter)
    creations: list[float] = field(default_factory=list)
    """Seconds that a client waited for its instance."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cycles:
    """Cycles with instances of one camera and of a saved pipeline."""

    url: str
    """Of the pipeline API."""
    camera: str
    stream: str
    """Address of the camera's stream."""
    saved: str
    """Name of the saved pipeline."""
    patience_s: float = 60.0
    """How long an instance that is left alone may take to end."""

    def run(self, count: int, at_once: int, begin: int = 0) -> Told:
        """So many cycles by so many clients. Each kind of cycle takes its turn.

        :param begin: number of the first; instances are named after it
        """
        told, numbers, lock = Told(), iter(range(begin, begin + count)), threading.Lock()
        kinds = [self._stopped, self._stopped_of_saved, self._same_id_twice, self._left_alone] * 2 + [self._stopped, self._analysis]

        def work() -> None:
            pipe = PipelineClient(self.url)
            while (number := _next(numbers, lock)) is not None:
                kind = kinds[number % len(kinds)]
                try:
                    seconds = kind(pipe, f"cycle_{number}")
                except (AssertionError, ValueError, pytest.fail.Exception) as error:
                    told.problems.append(f"{kind.__name__.strip('_')} {number}: {error}")
                else:
                    told.creations.append(seconds)
                    told.ways[kind.__name__.strip("_")] += 1

        clients = [threading.Thread(target=work, name=f"client {i}") for i in range(at_once)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return told

    def _stopped(self, pipe: PipelineClient, name: str) -> float:
        seconds = _timed(lambda: pipe.create_instance_from_config(self._light, name))
        pipe.stop_instance(name)
        return seconds

    def _stopped_of_saved(self, pipe: PipelineClient, name: str) -> float:
        seconds = _timed(lambda: pipe.create_instance_from_name(self.saved, name))
        pipe.set_instance_config(name, {"downsampling": 1})
        pipe.stop_instance(name)
        return seconds

    def _same_id_twice(self, pipe: PipelineClient, name: str) -> float:
        """While it runs the second one is refused; after the first is stopped it is not."""
        seconds = _timed(lambda: pipe.create_instance_from_config(self._light, name))
        with pytest.raises(ValueError, match="already present and running"):
            pipe.create_instance_from_config(self._light, name)
        pipe.stop_instance(name)
        pipe.create_instance_from_config(self._light, name)
        pipe.stop_instance(name)
        return seconds

    def _left_alone(self, pipe: PipelineClient, name: str) -> float:
        """Nobody reads it and nobody stops it."""
        begin = time.monotonic()
        made, _ = pipe.create_instance_from_config(self._light | {"no_client_timeout": IDLE_S})
        seconds = time.monotonic() - begin
        pipe.wait_instance_completed(made, timeout=self.patience_s)
        # It is deleted a moment after it has ended.
        wait_for("its exit code", lambda: pipe.get_instance_exit_code(made) == 0, self.patience_s)
        return seconds

    def _analysis(self, pipe: PipelineClient, name: str) -> float:
        seconds = _timed(lambda: pipe.create_instance_from_config({"camera_name": self.camera}, name))
        pipe.stop_instance(name)
        return seconds

    @property
    def _light(self) -> dict[str, object]:
        """What costs little: most of a cycle is the start of a process."""
        return {"pipeline_type": "stream", "input_stream": self.stream, "include": ["width"]}


def _next(numbers: Iterator[int], lock: threading.Lock) -> int | None:
    with lock:
        return next(itertools.islice(numbers, 1), None)


def _timed(action: Callable[[], object]) -> float:
    begin = time.monotonic()
    action()
    return time.monotonic() - begin
