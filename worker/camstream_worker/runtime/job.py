"""What the runner does at the moment: one configuration and the plan that was made from it. Replaced as a whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from camstream.frame import Frame
from camstream.spec import WorkerConfig
from camstream.spec.fields import Backlog
from camstream.spec.pipeline import Failure, Selection
from camstream_worker.pipeline.streams import Made
from camstream_worker.runtime.own_program import OwnProgram


class Plan(Protocol):
    """Turns frames into messages."""

    def prepare(self, frame: Frame) -> None:
        """Load what frames like this one will need.

        :raises camstream.errors.CamstreamError: if they cannot be processed
        """

    def process(self, frame: Frame) -> Mapping[str, Any] | Made | None:
        """
        :returns: channel name to value, in the order of the stream, perhaps with a pulse of its own; None where this frame gives no message
        :raises camstream.errors.CamstreamError: if this frame cannot be processed
        """


@dataclass(frozen=True, slots=True)
class UserCode:
    """A script that is loaded."""

    name: str
    sha256: str
    """Of its text."""
    call: Callable[..., Any]
    identity: tuple[Any, ...]
    """Text, function and libraries: where they differ, it is loaded anew."""


@dataclass(frozen=True, slots=True)
class Job:
    """A configuration and its plan."""

    config: WorkerConfig
    plan: Plan
    problem: str = ""
    """Why it cannot do all that the configuration asks for."""
    lacks: bool = False
    """The problem may end by itself: somebody who was asked did not answer."""
    script: UserCode | None = None
    """The user's program that the plan calls."""

    @property
    def call_limit_s(self) -> int:
        """Longest time that one call of the script may take [s]; 0: no limit."""
        given = self.config.pipeline.script if self.config.pipeline else None
        return given.timeout_seconds if given is not None and not isinstance(self.plan, OwnProgram) else 0

    @property
    def selection(self) -> Selection:
        if self.config.pipeline is not None:
            return self.config.pipeline.selection
        assert self.config.camera is not None  # noqa: S101 - the model's validator saw to it
        return Selection(max_frame_rate=self.config.camera.source.max_frame_rate)

    @property
    def failure(self) -> Failure:
        return self.config.pipeline.failure if self.config.pipeline else Failure()

    @property
    def timeout_s(self) -> int:
        """[s]; 0 for none"""
        if self.config.pipeline is not None:
            return self.config.pipeline.reading.timeout_seconds
        assert self.config.camera is not None  # noqa: S101
        return self.config.camera.source.timeout_seconds

    @property
    def simulates_pulse_id(self) -> bool:
        return self.config.camera is not None and self.config.camera.source.simulate_pulse_id

    @property
    def newest_first(self) -> bool:
        """A camera passes every frame on, and so do pipelines that share out or gather; any other does as its user says."""
        pipeline = self.config.pipeline
        return pipeline is not None and pipeline.input is not None and pipeline.input.backlog is Backlog.NEWEST

    @property
    def threads(self) -> int:
        return self.config.pipeline.threads if self.config.pipeline else 1

    @property
    def queue(self) -> tuple[int, int]:
        """Frames and bytes that may wait before processing."""
        if self.config.pipeline is None:
            return CAMERA_QUEUE, CAMERA_QUEUE_BYTES
        given = self.config.pipeline.reading
        return given.queue_size, given.queue_mebibytes * 2**20


CAMERA_QUEUE = 4
CAMERA_QUEUE_BYTES = 32 * 2**20
