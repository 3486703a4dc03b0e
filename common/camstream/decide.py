"""What to tell about a camera or pipeline: the status, made from what is wanted and what is seen.

Pure, and shared by local mode and the operator. Equal inputs give an equal status, so that nobody writes one that says nothing new.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from camstream.errors import BrokenReference, SpecError
from camstream.names import PAUSE
from camstream.spec.geometry import BackgroundChoice
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream.spec.report import WorkerReport
from camstream.spec.status import (
    BackgroundStatus,
    CameraStatus,
    Condition,
    ConditionStatus,
    ConditionType,
    ConfigStatus,
    ExitStatus,
    Phase,
    PipelineStatus,
    StreamingStatus,
    StreamStatus,
    WorkerStatus,
)
from camstream.spec.worker import WorkerConfig

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN

IDLE = "Idle"
"""Reason of a worker that does not run because nobody asked for it or reads it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition without its history."""

    status: ConditionStatus
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen of the worker of one object."""

    report: WorkerReport | None = None
    """What it tells about itself, where it runs and answers."""
    exit: ExitStatus | None = None
    """How it ended, where it does not run now."""
    final: bool = False
    """It ended for good: nothing starts it again but another configuration."""
    obstacle: Finding | None = None
    """What keeps it from starting, where something does."""
    deployed: Finding | None = None
    """Whether Kubernetes has everything that the worker needs; None outside a cluster."""
    paused: bool = False
    """Nothing is changed for the object, on request."""
    idle: bool = False
    """No worker is wanted now: nobody reads it."""
    replaced: bool = False
    """What is seen is a worker that is about to be replaced by one with the wanted configuration."""
    worker: WorkerStatus = field(default_factory=WorkerStatus)
    """The process; ``last_exit`` is filled in here."""
    address: str | None = None
    """Where clients find the stream."""
    external_address: str | None = None
    """The same from outside the cluster."""
    replicas: int | None = None
    """Workers that there are; of pipelines only."""
    selector: str | None = None
    """Labels of their pods."""


def decide_status(
    thing: Camera | Pipeline,
    config: WorkerConfig | SpecError,
    seen: Seen,
    previous: CameraStatus | PipelineStatus,
    now: datetime,
) -> CameraStatus | PipelineStatus:
    """Say how an object is.

    :param config: what its worker shall run with, or why there is no such thing; a worker that runs already goes on all the same
    :param previous: the status of the object until now, of the type of its kind
    :param now: with time zone; only used for conditions that change
    """
    findings = _findings(thing, config, seen)
    report, phase = seen.report, _phase(thing, config, seen)
    digest = config.digest() if isinstance(config, WorkerConfig) else None
    update: dict[str, object] = {
        "observed_generation": thing.metadata.generation,
        "phase": phase,
        "conditions": _conditions(findings, previous, thing.metadata.generation, now),
        "input": report.input.address if report else previous.input,
        "stream": StreamStatus(
            address=_address(thing, seen, previous), external_address=seen.external_address, mode=thing.spec.output.mode
        ),
        "image": report.image if report else previous.image,
        "clients": report.clients if report else None,
        "config": ConfigStatus(
            desired_hash=digest,
            applied_hash=report.config.applied_hash if report else None,
            ended_hash=digest if seen.final and phase in (Phase.COMPLETED, Phase.FAILED) else None,
        ),
        "worker": seen.worker.model_copy(update={"last_exit": seen.exit or previous.worker.last_exit}),
    }
    if isinstance(previous, PipelineStatus):
        update |= {
            "background": report.background if report else None,
            "script": report.script if report else None,
            "replicas": seen.replicas,
            "selector": seen.selector,
        }
    return previous.model_copy(update=update)


def decide_invalid(
    message: str, previous: CameraStatus | PipelineStatus, generation: int | None, now: datetime
) -> CameraStatus | PipelineStatus:
    """Say that the spec of an object is wrong, although it could be stored. A worker that runs goes on, and nobody looks how it is."""
    before = {one.type for one in previous.conditions} - {ConditionType.ACCEPTED}
    others = dict.fromkeys((kind for kind in ConditionType if kind in before), Finding(UNKNOWN, "NotAccepted"))
    findings = {ConditionType.ACCEPTED: Finding(FALSE, "InvalidSpec", message)} | others
    conditions = _conditions(findings, previous, generation, now)
    return previous.model_copy(update={"observed_generation": generation, "phase": Phase.FAILED, "conditions": conditions})


def headline(status: StreamingStatus | BackgroundStatus) -> str:
    """The one message that a person needs first, or nothing where all is well."""
    return next((c.message for c in status.conditions if c.status is not TRUE and c.message), "")


def stopped(thing: Camera | Pipeline) -> bool:
    """Whether the object asks for no worker."""
    return thing.spec.lifecycle.mode is LifecycleMode.STOPPED or (isinstance(thing, Pipeline) and thing.spec.replicas == 0)


def ended_for_good(thing: Camera | Pipeline, config: WorkerConfig, previous: CameraStatus | PipelineStatus) -> bool:
    """Whether the worker came to its end with exactly this configuration: it is not started again until something is edited."""
    return not stopped(thing) and previous.config.ended_hash == config.digest()


def wanted_background(thing: Camera | Pipeline) -> BackgroundChoice | None:
    """The background that the object asks for."""
    return thing.spec.background if isinstance(thing, Camera) else thing.spec.processing.background


def _address(thing: Camera | Pipeline, seen: Seen, previous: CameraStatus | PipelineStatus) -> str | None:
    """Where clients find the stream; of one that writes a file or sends to a FanIn, what its worker says."""
    if seen.address or thing.spec.output.is_listening:
        return seen.address
    return seen.report.stream.address if seen.report else previous.stream.address


def _phase(thing: Camera | Pipeline, config: WorkerConfig | SpecError, seen: Seen) -> Phase:
    if stopped(thing):
        return Phase.STOPPED
    if seen.idle:
        return Phase.IDLE
    if seen.report is not None:
        return seen.report.phase
    if isinstance(config, BrokenReference):
        return Phase.PENDING
    if isinstance(config, SpecError):
        return Phase.FAILED
    if seen.exit is not None:
        return Phase.COMPLETED if seen.exit.exit_code == 0 else Phase.FAILED
    if seen.paused and seen.obstacle is None:
        return Phase.PENDING
    if seen.obstacle is not None or (seen.deployed is not None and seen.deployed.status is FALSE):
        return Phase.FAILED
    return Phase.STARTING


def _findings(thing: Camera | Pipeline, config: WorkerConfig | SpecError, seen: Seen) -> dict[ConditionType, Finding]:
    """In the order in which a person should read them: what is wrong first hides what follows from it."""
    asleep = _asleep(thing, config, seen)
    found = {
        ConditionType.ACCEPTED: _accepted(config),
        **({ConditionType.DEPLOYED: seen.deployed} if seen.deployed else {}),
        ConditionType.ACTIVE: asleep or Finding(TRUE, "Running"),
        ConditionType.CONFIG_APPLIED: _config_applied(config, seen, asleep),
        ConditionType.INPUT_CONNECTED: _input_connected(seen.report, asleep),
    }
    if wanted_background(thing) is not None:
        found[ConditionType.BACKGROUND_LOADED] = _background_loaded(thing, config, seen.report, asleep)
    if isinstance(thing, Pipeline) and thing.spec.script is not None:
        found[ConditionType.SCRIPT_RUNS] = _script_runs(seen.report, asleep)
    found[ConditionType.READY] = _ready(seen.report, asleep)
    if seen.paused:
        found[ConditionType.RECONCILIATION_PAUSED] = Finding(TRUE, "AnnotationSet", f"edits wait; remove the annotation {PAUSE} to go on")
    return found


def _asleep(thing: Camera | Pipeline, config: WorkerConfig | SpecError, seen: Seen) -> Finding | None:
    """Why no worker answers, or None where one does."""
    if thing.spec.lifecycle.mode is LifecycleMode.STOPPED:
        return Finding(FALSE, "Stopped", "stopped on request; set spec.lifecycle.mode to Always to start it")
    if stopped(thing):
        return Finding(FALSE, "Stopped", "scaled to no worker; set spec.replicas to 1 or more to start it")
    if seen.idle:
        return Finding(FALSE, IDLE, "nobody reads it; it starts when it is asked for")
    if seen.report is not None:
        return None
    if isinstance(config, SpecError):
        return Finding(FALSE, "NotAccepted", f"does not run: {config}")
    if seen.obstacle is not None:
        return seen.obstacle
    if seen.deployed is not None and seen.deployed.status is FALSE:
        return Finding(FALSE, "NotDeployed", seen.deployed.message)
    if seen.exit is None:
        return Finding(FALSE, "Starting", "the worker starts")
    reason, message = _word(seen.exit.reason), seen.exit.message or f"the worker ended with exit code {seen.exit.exit_code}"
    if seen.final and seen.exit.exit_code != 0:
        message = f"{message}; it is not tried again: edit the spec, or create it anew"
    return Finding(FALSE, reason, message)


def _accepted(config: WorkerConfig | SpecError) -> Finding:
    if isinstance(config, SpecError):
        reason = "InvalidSpec" if type(config) is SpecError else type(config).__name__
        return Finding(FALSE, reason, str(config))
    return Finding(TRUE, "Valid")


def _config_applied(config: WorkerConfig | SpecError, seen: Seen, asleep: Finding | None) -> Finding:
    report = seen.report
    if isinstance(config, SpecError):
        return Finding(FALSE, "NotAccepted", "the configuration before goes on" if report else "")
    if asleep or report is None:
        return Finding(UNKNOWN, asleep.reason if asleep else "NotRunning")
    if report.config.applied_hash == config.digest():
        return Finding(TRUE, "Applied")
    if seen.replaced and not seen.paused:
        return Finding(FALSE, "RollingOut", "a new worker with this configuration takes over when it is ready")
    if report.config.rejected_hash == config.digest():
        return Finding(FALSE, "Rejected", f"{report.config.rejected_reason or 'refused'}; the configuration before goes on")
    return Finding(FALSE, "Outdated", "the worker has not taken over the newest configuration yet")


def _input_connected(report: WorkerReport | None, asleep: Finding | None) -> Finding:
    if asleep or report is None:
        return Finding(UNKNOWN, asleep.reason if asleep else "NotRunning")
    if report.input.connected:
        return Finding(TRUE, "FramesArrive")
    if report.phase is Phase.STARTING:
        return Finding(FALSE, "Starting", report.input.message)
    return Finding(FALSE, "NoFrames", report.input.message or f"no frames from {report.input.address}; see that it runs and sends")


def _background_loaded(
    thing: Camera | Pipeline, config: WorkerConfig | SpecError, report: WorkerReport | None, asleep: Finding | None
) -> Finding:
    if isinstance(config, WorkerConfig) and config.background is None:
        wanted = wanted_background(thing)
        camera = config.input_name or config.external_name
        what = f"background {wanted.name!r} does not exist" if wanted and wanted.name else f"there is no background of {camera!r} yet"
        return Finding(FALSE, "NotFound", f"{what}; collect one, or remove the background from the spec")
    if asleep or report is None:
        return Finding(UNKNOWN, asleep.reason if asleep else "NotRunning")
    used = report.background
    if isinstance(config, WorkerConfig) and config.digest() not in (report.config.applied_hash, report.config.rejected_hash):
        return Finding(FALSE, "Outdated", "the worker has not taken over yet what it is to use")
    if used is None:
        return Finding(FALSE, "NotLoaded", report.last_error or "the worker does not use the background; see its log")
    if isinstance(config, WorkerConfig) and config.background is not None and used.sha256 != config.background.sha256:
        return Finding(FALSE, "Outdated", f"still uses background {used.name!r} instead of {config.background.name!r}")
    return Finding(TRUE, "Loaded", f"background {used.name!r}")


def _script_runs(report: WorkerReport | None, asleep: Finding | None) -> Finding:
    if asleep or report is None or report.script is None:
        return Finding(UNKNOWN, asleep.reason if asleep else "NotRunning")
    return Finding(FALSE, "ScriptError", report.script.error) if report.script.error else Finding(TRUE, "Runs")


def _ready(report: WorkerReport | None, asleep: Finding | None) -> Finding:
    if asleep or report is None:
        return asleep or Finding(FALSE, "NotRunning")
    if report.phase is Phase.RUNNING:
        return Finding(TRUE, "FramesFlow")
    return Finding(FALSE, report.phase.value, report.message or report.input.message)


def _conditions(
    findings: dict[ConditionType, Finding], previous: StreamingStatus, generation: int | None, now: datetime
) -> list[Condition]:
    before = {condition.type: condition for condition in previous.conditions}
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        Condition(
            type=kind.value,
            status=finding.status,
            reason=finding.reason,
            message=finding.message,
            last_transition_time=old.last_transition_time if (old := before.get(kind)) and old.status is finding.status else stamp,
            observed_generation=generation,
        )
        for kind, finding in findings.items()
    ]


def _word(reason: str) -> str:
    """A reason as Kubernetes allows it; a worker may have written anything."""
    return reason if re.fullmatch(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", reason) else "Failed"
