"""Which workers shall run: those that always do, those that somebody asked for or reads, and everything that these read.

Pure, and shared by local mode and the operator. Level-triggered: whoever is told the same decides the same, also after a crash.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from camstream.names import WAKE
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream.spec.pipeline import PipelineType
from camstream.spec.report import WorkerReport
from camstream.spec.worker import Objects, merged_key, referred_key

STARTING_S = 60.0
"""A worker that tells nothing is given this time to begin, or to go on, before it counts as idle."""

NOBODY = "no"
"""Value of the annotation ``camstream.dev/wake``: idle until the next time somebody asks, whoever may read now."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known about the worker of one object."""

    report: WorkerReport | None = None
    """What it tells, where it runs and answers."""
    heard_at: datetime | None = None
    """When it was started or last answered, with time zone; None where there is none."""
    answered_at: datetime | None = None
    """When it was first known to answer, with time zone. Before that, nobody could know that there is something to read."""
    slept_at: datetime | None = None
    """When it was last ended because nobody read it, with time zone."""


def awake(objects: Objects, activities: Mapping[Key, Activity], now: datetime, first_reader_s: float = 0.0) -> set[Key]:
    """The objects whose workers shall run.

    :param activities: of the objects whose workers run, or have run
    :param now: with time zone
    :param first_reader_s: how long after its first answer a worker runs at least, however short its time-out [s]
    """
    found = {key for key, thing in objects.items() if _wanted(thing, activities.get(key, Activity()), now, first_reader_s)}
    reached = list(found)
    while reached:
        thing = objects[reached.pop()]
        for read in _reads(thing, objects):
            if read in objects and read not in found and _may_run(objects[read]):
                found.add(read)
                reached.append(read)
    return found


def asked_at(thing: Camera | Pipeline) -> datetime | None:
    """When somebody last asked for an object that runs on demand; None: nobody did, or nobody wants it now."""
    text = thing.metadata.annotations.get(WAKE)
    if text == NOBODY:
        return None
    # Who creates a stream for itself wants it now.
    created = _time(thing.metadata.creation_timestamp) if thing.spec.lifecycle.delete_when_idle else None
    return max(filter(None, (_time(text), created)), default=None)


def stamp(now: datetime) -> str:
    """A time as annotations have it, to the microsecond: two that ask one after the other are told apart."""
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _wanted(thing: Camera | Pipeline, activity: Activity, now: datetime, first_reader_s: float) -> bool:
    lifecycle = thing.spec.lifecycle
    if lifecycle.mode is not LifecycleMode.ON_DEMAND:
        return _may_run(thing)
    if thing.metadata.annotations.get(WAKE) == NOBODY:
        return False
    timeout_s = lifecycle.idle_timeout_seconds
    asked = asked_at(thing)
    asked_s = (now - asked).total_seconds() if asked else None
    if asked_s is not None and asked_s < timeout_s:
        return True
    if activity.report is not None:
        idle_s = activity.report.idle_seconds
        known_s = (now - activity.answered_at).total_seconds() if activity.answered_at else math.inf
        return idle_s is None or idle_s < timeout_s or known_s < max(timeout_s, first_reader_s)
    # It starts, or is about to: who asked has had nothing yet.
    answered = asked is not None and activity.slept_at is not None and activity.slept_at >= asked
    waits_s = (now - activity.heard_at).total_seconds() if activity.heard_at else None if answered else asked_s
    return waits_s is not None and waits_s < max(timeout_s, STARTING_S)


def _may_run(thing: Camera | Pipeline) -> bool:
    return thing.spec.lifecycle.mode is not LifecycleMode.STOPPED


def _reads(thing: Camera | Pipeline, objects: Objects) -> list[Key]:
    """Whose messages an object gets: those that it reads and, of a FanIn, those that send to it."""
    if isinstance(thing, Camera):
        return []
    found = [key for key in (referred_key(thing), merged_key(thing)) if key is not None]
    if thing.spec.type is PipelineType.FAN_IN:
        found += [key for key, other in objects.items() if isinstance(other, Pipeline) and _sends_to(other, thing)]
    return found


def _sends_to(sender: Pipeline, receiver: Pipeline) -> bool:
    to = sender.spec.output.pipeline
    return to is not None and (sender.metadata.namespace, to.name) == (receiver.metadata.namespace, receiver.name)


def _time(text: object) -> datetime | None:
    """A time as Kubernetes writes it; None for anything else, for anybody may write annotations."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
