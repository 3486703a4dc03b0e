"""What a supervisor tells about everything that it runs: read by ``camstream status``, ``camstream receive`` and the live page."""

from pydantic import Field

from camstream.spec.base import Spec
from camstream.spec.status import Condition, ImageStatus, Phase

STATE_FILE = "state.json"
"""Where a supervisor writes its :class:`RunState`, in a folder of its own."""


class ObjectView(Spec):
    """Everything that a person or a script may want to know about one object, now."""

    kind: str
    name: str
    namespace: str
    external_name: str
    groups: list[str] = Field(default=[])
    """Groups that the object says it belongs to."""
    phase: Phase
    message: str = ""
    """The one thing to know first, where something is wrong."""
    input: str | None = None
    """What the worker reads, in words."""
    address: str | None = None
    """Where clients find the stream."""
    mode: str | None = None
    """``Pub`` or ``Push``."""
    stored: str | None = None
    """Of a Background: the id under which it is stored, or shall be."""
    unit: str | None = None
    """Of the axes: ``µm`` where the camera is calibrated, ``px`` where it is not. None where nobody knows."""
    http_address: str | None = None
    """Health, status and metrics of the worker."""
    pid: int | None = None
    restarts: int = 0
    rate: float | None = None
    """Frames sent per second [Hz]."""
    last_frame_at: float | None = None
    """When the newest frame left [s since 1970]."""
    image: ImageStatus = ImageStatus()
    clients: int | None = None
    drops: int | None = None
    """Frames that were dropped or failed since the worker started."""
    dropped: dict[str, int] = Field(default={})
    """The same, by hop and reason."""
    log_file: str | None = None
    conditions: list[Condition] = Field(default=[])


class RunState(Spec):
    """What one supervisor runs. Written at least once a second."""

    pid: int
    """Of the supervisor."""
    started_at: float
    """[s] since 1970"""
    paths: list[str]
    """The manifests that it follows."""
    page: str | None = None
    """Where the live page is served."""
    cameras: str | None = None
    """Where cam_server's camera API is served."""
    pipelines: str | None = None
    """Where cam_server's pipeline API is served."""
    problems: list[str] = Field(default=[])
    """What is wrong with the manifests, where the newest edit could not be taken over."""
    objects: list[ObjectView] = Field(default=[])
    """Cameras and pipelines."""
    backgrounds: list[ObjectView] = Field(default=[])
    """Backgrounds. They have no stream."""
