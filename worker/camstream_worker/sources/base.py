"""What every source looks like. A new kind is one file beside this one and one line in :mod:`camstream_worker.sources`."""

from typing import Protocol

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.spec import WorkerConfig


class EndOfSource(SourceError):  # noqa: N818 - no error, an end
    """The last frame has been delivered."""


class Source(Protocol):
    """Delivers frames. Made, used and closed by one thread."""

    description: str
    """What is read, in words: shown in the status."""

    def receive(self, timeout_s: float) -> Frame | None:
        """Wait for the next frame, for at most ``timeout_s`` [s].

        :returns: None where none came in that time
        :raises EndOfSource: after the last frame
        :raises SourceTimeout: if a part of it is silent for too long; it goes on and may be asked again
        :raises SourceError: if there is nothing to wait for; the caller closes this source and opens a new one
        """

    def apply(self, config: WorkerConfig) -> bool:
        """Take over the live fields of a new configuration.

        :returns: False if it cannot without being opened anew
        """

    def close(self) -> None:
        """Give back sockets, files and channels. May be called twice."""
