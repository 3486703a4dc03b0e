"""What of a worker's report is news: each is a look at the object, and with hundreds of workers numbers must not be."""

from typing import Any

import pytest
from pod_workers import report_of

from camstream.spec.report import FrameCounts, LastFrame
from camstream.spec.status import Phase
from camstream_operator.cluster.reports import essence

CAMERA: dict[str, Any] = {"metadata": {"name": "gun", "namespace": "default"}, "spec": {"source": {"simulation": {}}}}


@pytest.mark.parametrize(
    "change",
    [
        {"frames": FrameCounts(received=7)},
        {"receive_rate": 9.9},
        {"send_rate": 9.9},
        {"bytes_sent": 7},
        {"last_frame": LastFrame(pulse_id=1, age_seconds=0.1)},
        {"idle_seconds": 7.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_all_the_time_is_no_news(change: dict[str, Any]) -> None:
    report = report_of(CAMERA)
    other = report.model_copy(update=change)
    assert other != report
    assert essence(other) == essence(report)


@pytest.mark.parametrize(
    "change", [{"phase": Phase.WAITING}, {"message": "no frame"}, {"clients": 77}], ids=lambda change: next(iter(change))
)
def test_what_the_status_tells_is_news(change: dict[str, Any]) -> None:
    report = report_of(CAMERA)
    assert essence(report.model_copy(update=change)) != essence(report)


def test_failures_of_single_frames_are_no_news_while_the_stream_runs() -> None:
    report = report_of(CAMERA)
    assert essence(report.model_copy(update={"last_error": "too dark at pulse 7"})) == essence(report)
    waiting = report.model_copy(update={"phase": Phase.WAITING})
    assert essence(waiting.model_copy(update={"last_error": "no such background"})) != essence(waiting)
