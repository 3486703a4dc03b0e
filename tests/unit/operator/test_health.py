"""What the probes are answered."""

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from clocks import Clock
from prometheus_client import CollectorRegistry, Counter
from waiting import wait_for

from camstream_operator.health import BLOCKED_S, Health, HealthServer, Heartbeat


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def server(health: Health, registry: CollectorRegistry) -> Iterator[HealthServer]:
    server = HealthServer(health, registry)
    server.start("127.0.0.1", 0)
    yield server
    server.stop()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_all_is_well_when_no_check_has_anything_to_say(server: HealthServer, health: Health) -> None:
    health.set_live("watch", lambda: None)
    health.set_ready("store", lambda: None)
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/readyz") == (200, "ok\n")


def test_liveness_says_everything_that_is_wrong(server: HealthServer, health: Health) -> None:
    health.set_live("watch", lambda: "no token came back for 180 s")
    health.set_live("store", lambda: None)
    health.set_live("event loop", lambda: "blocked")
    assert get(server, "/healthz") == (500, "watch: no token came back for 180 s; event loop: blocked\n")
    assert get(server, "/readyz")[0] == 200


def test_readiness_says_what_is_missing_and_kills_nothing(server: HealthServer, health: Health) -> None:
    health.set_ready("kinds", lambda: "cameras.camstream.dev is not installed")
    assert get(server, "/readyz") == (503, "kinds: cameras.camstream.dev is not installed\n")
    assert get(server, "/healthz")[0] == 200


def test_later_check_takes_the_place_of_an_earlier_one(server: HealthServer, health: Health) -> None:
    health.set_ready("store", lambda: "not filled yet")
    health.set_ready("store", lambda: None)
    assert get(server, "/readyz")[0] == 200


def test_change_is_logged_and_repetition_is_not(server: HealthServer, health: Health, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "camstream_operator")
    health.set_live("watch", lambda: "dead")
    for _ in range(3):
        get(server, "/healthz")
    health.set_live("watch", lambda: None)
    for _ in range(3):
        get(server, "/healthz")
    assert [r.getMessage() for r in caplog.records if r.name == "camstream_operator.health"] == ["not live: watch: dead", "live again"]


def test_metrics_are_served_as_prometheus_reads_them(server: HealthServer, registry: CollectorRegistry) -> None:
    Counter("apples", "Apples", registry=registry).inc(3)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "apples_total 3.0\n" in answer.read().decode()


def test_taken_port_is_an_error(server: HealthServer, health: Health, registry: CollectorRegistry) -> None:
    with pytest.raises(OSError, match="address already in use"):
        HealthServer(health, registry).start("127.0.0.1", server.port)


def test_stopped_server_gives_its_port_back(health: Health, registry: CollectorRegistry) -> None:
    server = HealthServer(health, registry)
    server.start("127.0.0.1", 0)
    server.stop()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", server.port)) != 0


def test_blocked_event_loop_is_told_while_it_is_blocked(server: HealthServer, health: Health) -> None:
    clock, let_go = Clock(), threading.Event()
    lags: list[float] = []
    heartbeat = Heartbeat(lags.append, clock)
    health.set_live("operator", heartbeat.check)

    async def main() -> None:
        beating = asyncio.create_task(heartbeat.run())
        await asyncio.sleep(0)
        let_go.wait(20)
        while not lags:
            await asyncio.sleep(0.01)
        beating.cancel()

    operator = threading.Thread(target=lambda: asyncio.run(main()))
    operator.start()
    try:
        wait_for("the loop runs", lambda: heartbeat._last is not None)
        assert get(server, "/healthz")[0] == 200
        clock.now += BLOCKED_S
        assert get(server, "/healthz") == (500, "operator: the event loop has been blocked for 20 s\n")
    finally:
        let_go.set()
        operator.join(10)
    assert get(server, "/healthz")[0] == 200
    assert lags[0] == pytest.approx(BLOCKED_S - 0.5)
