"""Where messages go."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from camstream.errors import SpecError
from camstream.frame import Timestamp
from camstream.spec import WorkerConfig
from camstream.spec.pipeline import PipelineType
from camstream_worker.counters import Counters
from camstream_worker.outputs.bsread import BsreadOutput
from camstream_worker.sockets import SendingSocket

__all__ = ["BsreadOutput", "Output", "open_output"]


class Output(Protocol):
    """Takes whole messages. Made, used and closed by one thread."""

    address: str
    """Where messages go, in words."""

    @property
    def readers(self) -> SendingSocket | None:
        """Who reads; another thread attends to them, until they are closed. None where nobody can."""

    def send(self, values: Mapping[str, Any], pulse_id: int, timestamp: Timestamp) -> bool:
        """Send one message whole, or drop it whole and count it.

        :returns: whether it was sent
        """

    def close(self) -> None:
        """Give back sockets and files."""


class NoOutput:
    """For a script that sends by itself."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.readers = None

    def send(self, values: Mapping[str, Any], pulse_id: int, timestamp: Timestamp) -> bool:
        """Nothing is sent here."""
        del values, pulse_id, timestamp
        return False

    def close(self) -> None:
        """Nothing is open."""


def open_output(config: WorkerConfig, counters: Counters, stop: threading.Event) -> Output:
    """Open what a configuration asks for.

    :raises SpecError: if files may not be written here
    :raises OSError: if an address or a file cannot be had
    """
    pipeline = config.pipeline
    if pipeline is not None and pipeline.type is PipelineType.SCRIPT:
        return NoOutput(config.stream_address)
    if pipeline is not None and pipeline.output.file is not None:
        if config.files_folder is None:
            raise SpecError(
                "output.file is set, but this worker has no folder for files; start with --files, or choose another worker class"
            )
        from camstream_worker.outputs.hdf5 import Hdf5Output

        return Hdf5Output(pipeline.output.file, Path(config.files_folder), pipeline.selection.records, counters, stop)
    return BsreadOutput(config.spec.output, config.stream_address, counters, stop, connect=config.output_address)
