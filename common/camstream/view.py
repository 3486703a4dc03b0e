"""One object as people are shown it: pure, from what it is and what its worker tells."""

from typing import Any

from camstream.decide import headline
from camstream.spec.objects import Background, Camera, Pipeline
from camstream.spec.report import WorkerReport
from camstream.spec.status import Phase, StreamingStatus
from camstream.spec.view import ObjectView


def view_of(
    thing: Camera | Pipeline,
    status: StreamingStatus,
    report: WorkerReport | None,
    reported_at: float = 0.0,
    camera: Camera | None = None,
    http_address: str | None = None,
    pid: int | None = None,
    log_file: str | None = None,
) -> ObjectView:
    """Put together what is told about an object and what its worker tells about itself.

    :param reported_at: when the report came [s since 1970]
    :param camera: where the images come from, if that is known
    """
    return ObjectView(
        kind=thing.kind,
        name=thing.name,
        namespace=thing.metadata.namespace,
        external_name=thing.external_name,
        groups=list(thing.spec.groups),
        phase=status.phase,
        message=headline(status),
        input=status.input,
        address=status.stream.address,
        mode=status.stream.mode,
        unit=None if camera is None else "µm" if camera.spec.calibration else "px",
        http_address=http_address,
        pid=pid,
        restarts=status.worker.restarts,
        image=status.image,
        clients=status.clients,
        log_file=log_file,
        conditions=status.conditions,
        **(measured(report, reported_at) if report else {}),
    )


def view_of_background(thing: Background, remark: str = "") -> ObjectView:
    """Put together what is told about a Background.

    :param remark: what else a person should know first
    """
    status = thing.status
    waits = "waits for the gateway" if status.phase is Phase.PENDING else ""
    return ObjectView(
        kind=thing.kind,
        name=thing.name,
        namespace=thing.metadata.namespace,
        external_name=thing.name,
        phase=status.phase,
        message=remark or headline(status) or waits,
        stored=status.name,
        image=status.image,
        conditions=status.conditions,
    )


def measured(report: WorkerReport, reported_at: float) -> dict[str, Any]:
    """Fields of a view that only its worker can tell.

    :param reported_at: when the report came [s since 1970]
    """
    last = report.last_frame
    return {
        "rate": report.send_rate,
        "last_frame_at": round(reported_at - last.age_seconds, 3) if last else None,
        "drops": sum(report.frames.dropped.values()) + report.frames.failed,
        "dropped": report.frames.dropped,
    }
