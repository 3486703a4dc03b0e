"""What a worker tells about itself at ``/status``: read by the local supervisor, the operator and the live page.

Worker and reader may be of different versions: a field that is added has a default, and none that is required goes away.
"""

from pydantic import Field

from camstream.spec.base import Spec
from camstream.spec.status import BackgroundUse, ExitStatus, ImageStatus, Phase, ScriptUse, StreamStatus


class ConfigReport(Spec):
    """Which configuration runs, and why a newer one does not."""

    applied_hash: str
    """Name of the configuration that runs."""
    applied_at: float
    """[s] since 1970"""
    rejected_hash: str | None = None
    """Name of the newest configuration, where it was refused."""
    rejected_reason: str | None = None
    """Why the newest configuration was refused. The one before goes on."""


class InputReport(Spec):
    """The source or the input stream."""

    address: str
    """What the worker reads, in words."""
    connected: bool = False
    """A frame came within the time-out."""
    message: str = ""
    """What is wrong, where something is."""


class FrameCounts(Spec):
    """Frames since the worker started."""

    received: int = 0
    """Frames that came from the source or the input."""
    processed: int = 0
    """Frames that became a message."""
    sent: int = 0
    """Messages that left."""
    dropped: dict[str, int] = Field(default={})
    """By hop and reason: ``input/queue_full``, ``output/slow_client``."""
    failed: int = 0
    """Frames that could not be processed."""


class LastFrame(Spec):
    """The newest frame that was sent."""

    pulse_id: int
    """Its pulse."""
    age_seconds: float
    """Since it was sent."""


class WorkerReport(Spec):
    """One worker, now."""

    kind: str
    """Camera or Pipeline."""
    name: str
    """Name of the object."""
    external_name: str
    """Its name outside Kubernetes."""
    pid: int
    """Number of the process."""
    started_at: float
    """[s] since 1970"""
    phase: Phase
    message: str = ""
    """The most important thing to know, in words."""
    config: ConfigReport
    stream: StreamStatus
    image: ImageStatus = ImageStatus()
    input: InputReport
    frames: FrameCounts = FrameCounts()
    receive_rate: float = 0
    """Frames that came per second, over the last seconds [Hz]."""
    send_rate: float = 0
    """Frames that left per second, over the last seconds [Hz]."""
    bytes_sent: int = 0
    """Since the worker started."""
    clients: int = 0
    """Readers that are connected now."""
    idle_seconds: float | None = None
    """Since the last reader left or, where none has come yet, since the stream was opened. None: there is a reader
    now, or what it makes is for nobody to read."""
    last_frame: LastFrame | None = None
    background: BackgroundUse | None = None
    script: ScriptUse | None = None
    last_error: str = ""
    """The last frame or connection that failed, in words; of frames that fail one after the other, the first."""
    exit: ExitStatus | None = None
    """How it ended for good, where it only stays to tell: it is not to be started again with this configuration."""
