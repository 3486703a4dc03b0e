"""What the runner does at the moment: one configuration and the plan that was made from it. Replaced as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from camstream.frame import Frame
from camstream.spec import WorkerConfig
from camstream.spec.fields import Backlog
from camstream.spec.pipeline import Failure, Selection


class Plan(Protocol):
    """Turns frames into messages."""

    def prepare(self, frame: Frame) -> None:
        """Load what frames like this one will need.

        :raises camstream.errors.CamstreamError: if they cannot be processed
        """

    def process(self, frame: Frame) -> Mapping[str, Any] | None:
        """
        :returns: channel name to value, in the order of the stream; None where this frame gives no message
        :raises camstream.errors.CamstreamError: if this frame cannot be processed
        """


@dataclass(frozen=True, slots=True)
class Job:
    """A configuration and its plan."""

    config: WorkerConfig
    plan: Plan
    problem: str = ""
    """Why it cannot do all that the configuration asks for."""

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
            return self.config.pipeline.input.timeout_seconds
        assert self.config.camera is not None  # noqa: S101
        return self.config.camera.source.timeout_seconds

    @property
    def simulates_pulse_id(self) -> bool:
        return self.config.camera is not None and self.config.camera.source.simulate_pulse_id

    @property
    def newest_first(self) -> bool:
        """A camera passes every frame on; a pipeline does as its user says."""
        return self.config.pipeline is not None and self.config.pipeline.input.backlog is Backlog.NEWEST

    @property
    def threads(self) -> int:
        return self.config.pipeline.threads if self.config.pipeline else 1

    @property
    def queue(self) -> tuple[int, int]:
        """Frames and bytes that may wait before processing."""
        if self.config.pipeline is None:
            return CAMERA_QUEUE, CAMERA_QUEUE_BYTES
        given = self.config.pipeline.input
        return given.queue_size, given.queue_mebibytes * 2**20


CAMERA_QUEUE = 4
CAMERA_QUEUE_BYTES = 32 * 2**20
