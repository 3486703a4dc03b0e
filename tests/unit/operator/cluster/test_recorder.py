"""Events that repeat, that are refused, and that are too many."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clocks import Clock

from camstream_operator.cluster.api import ApiError
from camstream_operator.cluster.recorder import CAPACITY, WINDOW_S, WRITE_S, Recorder

CAMERA = {"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera", "namespace": "beam", "name": "gun", "uid": "1234"}
EVENTS = "/api/v1/namespaces/beam/events"
START = datetime(2026, 11, 21, 7, 0, 0, tzinfo=UTC)


class Events:
    """Keeps Events by name."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.writes: list[tuple[str, str]] = []
        self.broken: ApiError | None = None

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._write("create", path)
        name = body["metadata"]["name"]
        if name in self.kept:
            raise ApiError(409, "AlreadyExists", "there already")
        self.kept[name] = dict(body)
        return body

    async def merge(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._write("merge", path)
        name = path.rpartition("/")[2]
        if name not in self.kept:
            raise ApiError(404, "NotFound", "no such event")
        self.kept[name].update(body)
        return self.kept[name]

    def _write(self, verb: str, path: str) -> None:
        assert path.startswith(EVENTS)
        self.writes.append((verb, path))
        if self.broken:
            raise self.broken

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.writes]

    @property
    def only(self) -> dict[str, Any]:
        (event,) = self.kept.values()
        return event


class Recording:
    """A recorder at work, with a clock that the test sets."""

    def __init__(self, events: Events, clock: Clock, runner: asyncio.Runner) -> None:
        self.events, self.clock, self.runner = events, clock, runner
        self.recorder = Recorder(events, "op-1", clock=clock, now=lambda: START + timedelta(seconds=clock.now - 1000))

    def say(self, message: str = "image is missing", reason: str = "ImagePullBackOff", **reference: str) -> None:
        self.recorder.record({**CAMERA, **reference}, "Warning", reason, message)

    def write_what_waits(self) -> None:
        """Let the recorder write all that it may write now."""

        async def main() -> None:
            running = asyncio.create_task(self.recorder.run())
            before = -1
            while before != len(self.events.writes):
                before = len(self.events.writes)
                for _ in range(20):
                    await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait({running})

        self.runner.run(asyncio.wait_for(main(), 20))


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def recording(events: Events) -> Iterator[Recording]:
    with asyncio.Runner() as runner:
        yield Recording(events, Clock(), runner)


def test_event_says_what_happened_to_which_object(recording: Recording, events: Events) -> None:
    recording.say()
    recording.write_what_waits()
    event = events.only
    assert event["involvedObject"] == CAMERA
    assert (event["type"], event["reason"], event["message"], event["count"]) == ("Warning", "ImagePullBackOff", "image is missing", 1)
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-11-21T07:00:00Z"
    assert event["source"] == {"component": "camstream-operator"}
    assert (event["reportingComponent"], event["reportingInstance"]) == ("camstream-operator", "op-1")
    assert event["metadata"]["namespace"] == "beam"
    assert event["metadata"]["name"].startswith("gun.")
    assert events.writes == [("create", EVENTS)]


def test_what_is_said_again_is_counted_and_written_once_in_a_while(recording: Recording, events: Events) -> None:
    for _ in range(100):
        recording.say()
        recording.write_what_waits()
        recording.clock.now += 0.2
    recording.clock.now += WRITE_S
    recording.write_what_waits()
    assert events.only["count"] == 100
    assert (events.only["firstTimestamp"], events.only["lastTimestamp"]) == ("2026-11-21T07:00:00Z", "2026-11-21T07:00:19Z")
    assert events.verbs == ["create", "merge", "merge"]


def test_nothing_is_written_when_nothing_is_said(recording: Recording, events: Events) -> None:
    recording.say()
    for _ in range(10):
        recording.write_what_waits()
        recording.clock.now += WRITE_S
    assert events.verbs == ["create"]


@pytest.mark.parametrize(
    "other",
    [
        {"message": "another image is missing"},
        {"reason": "ErrImagePull"},
        {"name": "screen"},
        {"uid": "5678"},
    ],
    ids=["message", "reason", "object", "life of the object"],
)
def test_what_is_different_is_another_event(recording: Recording, events: Events, other: dict[str, str]) -> None:
    recording.say()
    recording.say(**other)
    recording.write_what_waits()
    assert len(events.kept) == 2


def test_same_after_a_long_silence_is_counted_anew(recording: Recording, events: Events) -> None:
    for _ in range(3):
        recording.say()
    recording.write_what_waits()
    assert events.only["count"] == 3
    recording.clock.now += WINDOW_S
    recording.say()
    recording.write_what_waits()
    assert (events.only["count"], events.only["firstTimestamp"]) == (1, "2026-11-21T07:05:00Z")


def test_another_process_goes_on_with_the_event_that_is_there(recording: Recording, events: Events) -> None:
    recording.say()
    recording.write_what_waits()
    successor = Recording(events, recording.clock, recording.runner)
    successor.say()
    successor.write_what_waits()
    assert len(events.kept) == 1
    assert events.verbs == ["create", "create", "merge"]


def test_event_that_was_deleted_is_made_again(recording: Recording, events: Events) -> None:
    recording.say()
    recording.write_what_waits()
    events.kept.clear()
    recording.clock.now += WRITE_S
    recording.say()
    recording.write_what_waits()
    assert events.only["count"] == 2


def test_long_words_are_cut(recording: Recording, events: Events) -> None:
    recording.say(message="ä" * 2000, reason="R" * 200, name="n" * 253)
    recording.write_what_waits()
    assert events.only["message"] == "ä" * 1023 + "…"
    assert events.only["reason"] == "R" * 128
    assert len(events.only["metadata"]["name"]) == 253


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_event_waits_until_the_api_server_is_back(recording: Recording, events: Events, status: int) -> None:
    events.broken = ApiError(status, "Away", "come back later", 7.0)
    recording.say()
    recording.write_what_waits()
    recording.say()
    events.broken = None
    recording.clock.now += 6.9
    recording.write_what_waits()
    assert len(events.writes) == 1
    recording.clock.now += 0.1
    recording.write_what_waits()
    assert (events.only["count"], recording.recorder.dropped) == (2, 0)


def test_event_that_is_too_old_by_then_is_dropped(recording: Recording, events: Events) -> None:
    events.broken = ApiError(503, "Away", "come back later")
    recording.say()
    for _ in range(20):
        recording.write_what_waits()
        recording.clock.now += WINDOW_S
    assert recording.recorder.dropped == 1
    assert len(events.writes) == 2


def test_refusal_is_told_once_for_a_namespace_and_counted(recording: Recording, events: Events, caplog: pytest.LogCaptureFixture) -> None:
    events.broken = ApiError(403, "Forbidden", "namespace beam is being terminated")
    with caplog.at_level(logging.INFO):
        for number in range(10):
            recording.say(f"message {number}")
        recording.write_what_waits()
    assert (len(events.writes), recording.recorder.dropped) == (10, 10)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "ImagePullBackOff of Camera beam/gun" in record.getMessage()
    assert "403 Forbidden: namespace beam is being terminated" in record.getMessage()


def test_refused_event_is_written_when_it_is_said_again_and_allowed(recording: Recording, events: Events) -> None:
    events.broken = ApiError(403, "Forbidden", "no")
    recording.say()
    recording.write_what_waits()
    events.broken = None
    recording.say()
    recording.write_what_waits()
    assert events.only["count"] == 2


def test_too_many_events_are_dropped_and_counted_and_the_next_ones_are_not(recording: Recording, events: Events) -> None:
    for number in range(CAPACITY + 7):
        recording.say(f"message {number}")
    assert recording.recorder.dropped == 7
    recording.write_what_waits()
    assert len(events.kept) == CAPACITY
    recording.say("afterwards")
    recording.write_what_waits()
    assert len(events.kept) == CAPACITY + 1
    assert recording.recorder.dropped == 7


def test_events_that_differ_for_ever_take_no_more_memory(recording: Recording, events: Events) -> None:
    for batch in range(8):
        for number in range(CAPACITY // 2):
            recording.say(f"message {batch} {number}")
        recording.write_what_waits()
        recording.clock.now += 1
    assert len(events.kept) == 4 * CAPACITY
    assert len(recording.recorder._series) <= 2 * CAPACITY
    assert recording.recorder.dropped == 0


def test_words_that_come_while_the_event_is_written_are_written_too(recording: Recording, events: Events) -> None:
    create: Callable[..., Any] = events.create

    async def create_slowly(path: str, body: dict[str, Any]) -> Any:
        recording.say()
        return await create(path, body)

    events.create = create_slowly  # type: ignore[method-assign]
    recording.say()
    recording.write_what_waits()
    recording.clock.now += WRITE_S
    recording.write_what_waits()
    assert events.only["count"] == 2


def test_stopped_recorder_ends() -> None:
    recorder = Recorder(Events(), "op-1")

    async def main() -> None:
        running = asyncio.create_task(recorder.run())
        await asyncio.sleep(0)
        recorder.stop()
        await running

    asyncio.run(asyncio.wait_for(main(), 20))


def test_what_waits_when_all_ends_is_written_and_nobody_tries_again(recording: Recording, events: Events) -> None:
    recording.say()
    recording.write_what_waits()
    # The second time it would wait for a while.
    recording.say()
    recording.say("no room", "Unschedulable")
    recording.runner.run(recording.recorder.flush())
    assert sorted(event["count"] for event in events.kept.values()) == [1, 2]
    recording.say("too late")
    events.broken, before = ApiError(500, "Broken", "no"), len(events.writes)
    recording.runner.run(recording.recorder.flush())
    assert len(events.writes) == before + 1
