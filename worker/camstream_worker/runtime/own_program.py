"""Pipelines of type Script: the user's ``run`` reads, computes and sends by itself; the worker only starts and stops it."""

import queue
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from camstream.errors import ScriptError
from camstream.frame import Frame


class OwnProgram:
    """A plan whose one and only call lasts as long as the worker."""

    stateful = True

    def __init__(self, call: Callable[..., Any], parameters: dict[str, Any], port: int) -> None:
        """
        :param call: ``run(stop_event, statistics, parameter_queue, logs_queue, cam_client, pipeline_config, port, background_manager,
            user_scripts_manager)``
        :param port: where the script may listen for clients
        """
        self.parameters = parameters
        self._call, self._port = call, port
        self._stop = threading.Event()
        self._news: queue.Queue[dict[str, Any]] = queue.Queue()

    def prepare(self, frame: Frame) -> None:
        """Nothing is loaded late."""

    def process(self, frame: Frame) -> None:
        """Run the program to its end.

        :raises ScriptError: if it fails
        """
        del frame  # it only says when
        if self._stop.is_set():
            return
        statistics = SimpleNamespace(total_bytes=0, clients=0, throughput=0, frame_rate=0)
        missing = Missing()
        self._call(self._stop, statistics, self._news, queue.Queue(), missing, self.parameters, self._port, missing, missing)

    def tell(self, parameters: dict[str, Any]) -> None:
        """Hand new parameters to the running program."""
        self._news.put(parameters)

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()


class Missing:
    """Stands for what cam_server's servers hand to such a script, and what a worker does not have."""

    def __getattr__(self, name: str) -> Any:
        raise ScriptError(
            f"{name!r} asks a server for something, which a worker cannot do; take it from pipeline_config (spec.script.parameters)"
        )
