"""Which changes of a status become Events, and which are nobody's business."""

from typing import Any

import pytest

from camstream.spec.status import CameraStatus, Condition, ConditionStatus, ConfigStatus, StreamStatus
from camstream_operator.decide.news import news


def status(*facts: tuple[str, str, str] | tuple[str, str, str, str]) -> CameraStatus:
    """From type, status, reason and, where there is one, message of each condition."""
    return CameraStatus(
        conditions=[
            Condition(
                type=fact[0],
                status=ConditionStatus(fact[1]),
                reason=fact[2],
                message=fact[3] if len(fact) > 3 else "",
                last_transition_time="2026-08-21T12:00:00Z",
            )
            for fact in facts
        ],
        stream=StreamStatus(address="tcp://cam-gun.default.svc:9999"),
        config=ConfigStatus(applied_hash="abc"),
    )


NOTHING = CameraStatus()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(
            NOTHING,
            status(("Ready", "True", "FramesFlow")),
            ("Normal", "Ready", "frames flow at tcp://cam-gun.default.svc:9999"),
            id="the first frames",
        ),
        pytest.param(
            status(("Ready", "False", "Waiting")),
            status(("Ready", "True", "FramesFlow")),
            ("Normal", "Ready", "frames flow at tcp://cam-gun.default.svc:9999"),
            id="frames again",
        ),
        pytest.param(
            status(("Accepted", "True", "Valid")),
            status(("Accepted", "False", "CameraNotFound", "no camera 'gun'")),
            ("Warning", "CameraNotFound", "no camera 'gun'"),
            id="a reference broke",
        ),
        pytest.param(
            NOTHING, status(("Deployed", "False", "QuotaExceeded", "no room")), ("Warning", "QuotaExceeded", "no room"), id="no room"
        ),
        pytest.param(
            status(("Ready", "False", "Waiting", "silent")),
            status(("Ready", "False", "OOMKilled", "more memory")),
            ("Warning", "OOMKilled", "more memory"),
            id="another reason",
        ),
        pytest.param(
            status(("Ready", "True", "FramesFlow")), status(("Ready", "False", "Crashed")), ("Warning", "Crashed", "Ready"), id="no words"
        ),
        pytest.param(
            status(("Ready", "True", "FramesFlow")),
            status(("Ready", "False", "Stopped", "on request")),
            ("Normal", "Stopped", "on request"),
            id="stopped on request",
        ),
        pytest.param(
            status(("Ready", "True", "FramesFlow")),
            status(("Ready", "False", "Completed", "100 messages")),
            ("Normal", "Completed", "100 messages"),
            id="completed",
        ),
        pytest.param(
            status(("Ready", "True", "FramesFlow")),
            status(("Ready", "False", "Idle", "nobody reads it")),
            ("Normal", "Idle", "nobody reads it"),
            id="idle",
        ),
        pytest.param(
            status(("ConfigApplied", "False", "Outdated")),
            status(("ConfigApplied", "True", "Applied")),
            ("Normal", "ConfigApplied", "the worker runs with configuration abc"),
            id="an edit came through",
        ),
        pytest.param(
            status(("ConfigApplied", "False", "Rejected", "too large")),
            status(("ConfigApplied", "True", "Applied")),
            ("Normal", "ConfigApplied", "the worker runs with configuration abc"),
            id="a better edit",
        ),
        pytest.param(
            status(("ConfigApplied", "True", "Applied")),
            status(("ConfigApplied", "False", "Rejected", "too large")),
            ("Warning", "Rejected", "too large"),
            id="a bad edit",
        ),
        pytest.param(
            NOTHING,
            status(("ReconciliationPaused", "True", "AnnotationSet", "edits wait")),
            ("Normal", "ReconciliationPaused", "edits wait"),
            id="paused",
        ),
    ],
)
def test_people_hear_about(before: CameraStatus, after: CameraStatus, told: tuple[str, str, str]) -> None:
    assert list(news(before, after)) == [told]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(NOTHING, NOTHING, id="nothing"),
        pytest.param(NOTHING, status(("Ready", "False", "Starting")), id="a worker that starts"),
        pytest.param(NOTHING, status(("Ready", "False", "NotAccepted")), id="what another condition explains"),
        pytest.param(NOTHING, status(("Ready", "False", "NotDeployed")), id="what Deployed explains"),
        pytest.param(NOTHING, status(("Active", "False", "OOMKilled", "more memory")), id="what Ready says too"),
        pytest.param(NOTHING, status(("InputConnected", "Unknown", "Starting")), id="what is not known"),
        pytest.param(NOTHING, status(("Accepted", "True", "Valid"), ("Deployed", "True", "Applied")), id="what should be so"),
        pytest.param(NOTHING, status(("ConfigApplied", "True", "Applied")), id="the first configuration"),
        pytest.param(
            status(("ConfigApplied", "Unknown", "Starting")),
            status(("ConfigApplied", "True", "Applied")),
            id="the configuration of a new worker",
        ),
        pytest.param(status(("ConfigApplied", "True", "Applied")), status(("ConfigApplied", "False", "Outdated")), id="an edit on its way"),
        pytest.param(
            status(("ConfigApplied", "True", "Applied")), status(("ConfigApplied", "False", "RollingOut")), id="a worker on its way"
        ),
        pytest.param(
            status(("Ready", "False", "Crashed", "once")),
            status(("Ready", "False", "Crashed", "twice")),
            id="a new message for the same reason",
        ),
        pytest.param(status(("ReconciliationPaused", "True", "AnnotationSet")), NOTHING, id="a condition that is gone"),
    ],
)
def test_nobody_hears_about(before: CameraStatus, after: CameraStatus) -> None:
    assert list(news(before, after)) == []


def test_each_condition_has_news_of_its_own() -> None:
    after = status(("Accepted", "False", "InvalidSpec", "a"), ("Active", "True", "Running"), ("InputConnected", "False", "NoFrames", "b"))
    assert [told[1] for told in news(NOTHING, after)] == ["InvalidSpec", "NoFrames"]


def test_a_status_that_is_written_again_is_no_news() -> None:
    said: Any = status(("Accepted", "False", "InvalidSpec", "a"), ("Ready", "True", "FramesFlow"))
    assert list(news(said, said)) == []
