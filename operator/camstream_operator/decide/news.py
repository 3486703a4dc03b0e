"""What people should hear about a new status: Events, from the difference of two statuses."""

from collections.abc import Iterator
from typing import Literal

from camstream.spec.status import Condition, ConditionStatus, ConditionType, StreamingStatus

Told = tuple[Literal["Normal", "Warning"], str, str]

QUIET = {"Starting", "NotRunning", "NotAccepted", "NotDeployed", "RollingOut", "Outdated"}
"""Reasons on the way to something else, or that another condition explains."""

FINE = {"Stopped", "Completed", "Idle"}
"""Reasons why something is not ready although all is well."""


def news(previous: StreamingStatus, status: StreamingStatus) -> Iterator[Told]:
    """Yield type, reason and message of each Event."""
    before = {condition.type: condition for condition in previous.conditions}
    for condition in status.conditions:
        old = before.get(condition.type)
        if old is not None and (old.status, old.reason) == (condition.status, condition.reason):
            continue
        told = _told(condition, old, status)
        if told is not None:
            yield told


def _told(condition: Condition, old: Condition | None, status: StreamingStatus) -> Told | None:
    if condition.status is ConditionStatus.FALSE:
        if condition.reason in QUIET or condition.type == ConditionType.ACTIVE:
            return None
        return "Normal" if condition.reason in FINE else "Warning", condition.reason, condition.message or condition.type
    if condition.status is not ConditionStatus.TRUE:
        return None
    if condition.type == ConditionType.READY:
        return "Normal", "Ready", f"frames flow at {status.stream.address}"
    if condition.type == ConditionType.CONFIG_APPLIED and old is not None and old.reason in ("Outdated", "Rejected"):
        return "Normal", "ConfigApplied", f"the worker runs with configuration {status.config.applied_hash}"
    if condition.type == ConditionType.RECONCILIATION_PAUSED:
        return "Normal", "ReconciliationPaused", condition.message
    return None
