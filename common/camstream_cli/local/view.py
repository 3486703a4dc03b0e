"""One object as the table shows it and as ``camstream status`` and ``camstream receive`` read it."""

from pydantic import Field

from camstream.decide import headline
from camstream.spec.base import Spec
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.report import WorkerReport
from camstream.spec.status import Condition, ImageStatus, Phase, StreamingStatus


class ObjectView(Spec):
    """Everything that a person or a script may want to know about one object, now."""

    kind: str
    name: str
    namespace: str
    external_name: str
    phase: Phase
    message: str = ""
    """The one thing to know first, where something is wrong."""
    address: str | None = None
    """Where clients find the stream."""
    mode: str | None = None
    """``Pub`` or ``Push``."""
    http_address: str | None = None
    """Health, status and metrics of the worker."""
    pid: int | None = None
    restarts: int = 0
    rate: float | None = None
    """Frames sent per second [Hz]."""
    image: ImageStatus = ImageStatus()
    clients: int | None = None
    drops: int | None = None
    """Frames that were dropped or failed since the worker started."""
    dropped: dict[str, int] = Field(default={})
    """The same, by hop and reason."""
    log_file: str | None = None
    conditions: list[Condition] = Field(default=[])


def view_of(
    thing: Camera | Pipeline,
    status: StreamingStatus,
    report: WorkerReport | None,
    http_address: str | None = None,
    pid: int | None = None,
    log_file: str | None = None,
) -> ObjectView:
    """Put together what is told about an object and what its worker tells about itself."""
    return ObjectView(
        kind=thing.kind,
        name=thing.name,
        namespace=thing.metadata.namespace,
        external_name=thing.external_name,
        phase=status.phase,
        message=headline(status),
        address=status.stream.address,
        mode=status.stream.mode,
        http_address=http_address,
        pid=pid,
        restarts=status.worker.restarts,
        rate=report.send_rate if report else None,
        image=status.image,
        clients=status.clients,
        drops=sum(report.frames.dropped.values()) + report.frames.failed if report else None,
        dropped=report.frames.dropped if report else {},
        log_file=log_file,
        conditions=status.conditions,
    )
