"""A token that is written and comes back, or does not."""

import asyncio
from typing import Any

import pytest
from clocks import Clock

from camstream_operator.cluster.api import ApiError
from camstream_operator.cluster.canary import CANARY, PERIOD_S, STALE_S, TOKEN, Canary


class Stopped(Exception):
    """Ends `Canary.run`."""


class Writes:
    """Takes note of what is applied."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.broken = False

    async def apply(self, path: str, body: dict[str, Any]) -> None:
        assert path == f"/api/v1/namespaces/camstream/configmaps/{CANARY}"
        self.bodies.append(body)
        if self.broken:
            raise ApiError(403, "Forbidden", "not allowed")

    @property
    def tokens(self) -> list[str]:
        return [body["data"][TOKEN] for body in self.bodies]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writes() -> Writes:
    return Writes()


def make(writes: Writes, clock: Clock, times: int) -> Canary:
    """A canary that has written so often."""

    async def sleep(seconds: float) -> None:
        clock.now += seconds
        if len(writes.bodies) >= times:
            raise Stopped

    canary = Canary(writes, "camstream", clock=clock, sleep=sleep)
    with pytest.raises(Stopped):
        asyncio.run(canary.run())
    return canary


def test_config_map_is_written_again_and_again_with_another_token(writes: Writes, clock: Clock) -> None:
    started = clock.now
    make(writes, clock, 5)
    assert clock.now - started == 5 * PERIOD_S
    assert len(set(writes.tokens)) == 5
    assert writes.bodies[0]["metadata"] == {
        "name": CANARY,
        "namespace": "camstream",
        "labels": {"app.kubernetes.io/managed-by": "camstream-operator"},
    }


def test_round_trip_is_from_the_write_until_the_token_is_seen(writes: Writes, clock: Clock) -> None:
    canary = make(writes, clock, 1)
    assert canary.round_trip_s is None
    canary.seen(writes.tokens[0])
    assert canary.round_trip_s == PERIOD_S


def test_stale_when_no_token_comes_back_for_so_long(writes: Writes, clock: Clock) -> None:
    written_at = clock.now
    canary = make(writes, clock, 1)
    assert not canary.stale(written_at + STALE_S)
    assert canary.stale(written_at + STALE_S + 1)


def test_newer_token_stands_for_the_older_ones(writes: Writes, clock: Clock) -> None:
    canary = make(writes, clock, 3)
    canary.seen(writes.tokens[1])
    assert canary.stale(clock.now + STALE_S)
    canary.seen(writes.tokens[2])
    assert not canary.stale(clock.now + 10 * STALE_S)


def test_token_of_another_process_says_nothing(writes: Writes, clock: Clock) -> None:
    canary = make(writes, clock, 1)
    canary.seen("somebody-else")
    assert canary.round_trip_s is None
    assert canary.stale(clock.now + STALE_S)


def test_dead_watch_stays_stale_however_often_is_written(writes: Writes, clock: Clock) -> None:
    canary = make(writes, clock, 100)
    assert canary.stale(clock.now)


def test_write_that_is_refused_says_nothing_of_the_watch_and_is_told_once(
    writes: Writes, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    writes.broken = True
    canary = make(writes, clock, 20)
    assert not canary.stale(clock.now + 10 * STALE_S)
    (record,) = caplog.records
    assert f"cannot write the ConfigMap camstream/{CANARY}" in record.getMessage()
    assert "403 Forbidden: not allowed" in record.getMessage()
