"""Who leads, with a clock that the test sets and an API server that keeps one Lease."""

import asyncio
import copy
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from clocks import Clock

from camstream_operator.cluster.api import ApiError
from camstream_operator.cluster.lease import LEASE_DURATION_S, RENEW_DEADLINE_S, RETRY_S, STANDBY_S, Elector, LeaseLost


class Leases:
    """Keeps one Lease, and refuses a write to another version than its own, as the API server does."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.broken: ApiError | None = None
        self.answers_lost = False
        self.before_write: Callable[[], Awaitable[None]] | None = None
        self.requests: list[str] = []

    async def get(self, path: str) -> dict[str, Any]:
        self._request("GET", path)
        if self.lease is None:
            raise ApiError(404, "NotFound", "no such lease")
        return copy.deepcopy(self.lease)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._request("POST", path)
        await self._interfere()
        if self.lease is not None:
            raise ApiError(409, "AlreadyExists", "there already")
        return self._keep(body)

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._request("PUT", path)
        await self._interfere()
        if self.lease is None:
            raise ApiError(404, "NotFound", "no such lease")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        return self._keep(body)

    def write(self, **spec: Any) -> None:
        """Change the Lease, as somebody else would."""
        assert self.lease is not None
        self._keep({**self.lease, "spec": {**self.lease["spec"], **spec}})

    def annotate(self) -> None:
        assert self.lease is not None
        self._keep(self.lease)

    def _request(self, method: str, path: str) -> None:
        assert path.removesuffix("/op") == "/apis/coordination.k8s.io/v1/namespaces/camstream/leases"
        assert path.endswith("/op") == (method != "POST")
        self.requests.append(method)
        if self.broken:
            raise self.broken

    async def _interfere(self) -> None:
        interfere, self.before_write = self.before_write, None
        if interfere:
            await interfere()

    def _keep(self, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        if self.answers_lost:
            raise ApiError(0, "Unreachable", "the connection was closed")
        return copy.deepcopy(self.lease)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        return self.lease["spec"]  # type: ignore[no-any-return]


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def elector(leases: Leases, clock: Clock, identity: str, sleep: Callable[[float], Awaitable[None]] | None = None) -> Elector:
    return Elector(leases, "camstream", "op", identity, clock=clock, sleep=sleep or clock.sleep)


def run(test: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))  # type: ignore[arg-type]


async def keep(leader: Elector) -> str:
    """Renew until that ends; why it did."""
    with pytest.raises(LeaseLost) as lost:
        await leader.renew_forever()
    return str(lost.value)


def test_first_candidate_makes_the_lease_and_leads(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        first = elector(leases, clock, "first")
        assert not first.valid()
        await first.acquire()
        assert first.valid()
        assert (leases.spec["holderIdentity"], leases.spec["leaseDurationSeconds"]) == ("first", LEASE_DURATION_S)
        assert leases.spec["leaseTransitions"] == first.transitions == 0
        for field in ("renewTime", "acquireTime"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", leases.spec[field])

    run(test())


def test_standby_takes_over_when_the_record_has_stood_still_for_its_duration(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        await elector(leases, clock, "dead").acquire()
        started = clock.now
        standby = elector(leases, clock, "standby")
        await standby.acquire()
        assert LEASE_DURATION_S <= clock.now - started <= LEASE_DURATION_S + STANDBY_S
        assert (standby.holder, standby.transitions) == ("standby", 1)

    run(test())


@pytest.mark.parametrize("renew_time", ["1999-01-01T00:00:00.000000Z", "2199-01-01T00:00:00.000000Z"])
def test_time_that_the_holder_wrote_does_not_matter(leases: Leases, clock: Clock, renew_time: str) -> None:
    async def test() -> None:
        await elector(leases, clock, "holder").acquire()
        leases.write(renewTime=renew_time)
        started = clock.now
        await elector(leases, clock, "standby").acquire()
        assert clock.now - started >= LEASE_DURATION_S

    run(test())


def test_standby_waits_while_the_record_changes(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        await elector(leases, clock, "leader").acquire()
        renewals = []

        async def renew_meanwhile(seconds: float) -> None:
            clock.now += seconds
            if len(renewals) < 100:
                leases.write(renewTime=f"2026-01-01T00:00:00.{len(renewals):06d}Z")
                renewals.append(clock.now)

        await elector(leases, clock, "standby", renew_meanwhile).acquire()
        assert clock.now - renewals[-1] >= LEASE_DURATION_S

    run(test())


def test_duration_that_the_holder_was_promised_is_kept(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        await elector(leases, clock, "holder").acquire()
        leases.write(leaseDurationSeconds=60)
        started = clock.now
        await elector(leases, clock, "standby").acquire()
        assert clock.now - started >= 60

    run(test())


def test_change_that_is_no_renewal_does_not_keep_a_dead_holder(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        await elector(leases, clock, "dead").acquire()
        started = clock.now

        async def annotate_meanwhile(seconds: float) -> None:
            clock.now += seconds
            leases.annotate()

        await elector(leases, clock, "standby", annotate_meanwhile).acquire()
        assert clock.now - started <= LEASE_DURATION_S + 2 * STANDBY_S

    run(test())


def test_released_lease_is_taken_over_at_the_next_look(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        leader = elector(leases, clock, "leader")
        await leader.acquire()

        async def release_meanwhile(seconds: float) -> None:
            clock.now += seconds
            if leader.valid():
                await leader.release()

        standby = elector(leases, clock, "standby", release_meanwhile)
        started = clock.now
        await standby.acquire()
        assert clock.now - started <= STANDBY_S
        assert not leader.valid()
        assert (leases.spec["holderIdentity"], standby.transitions) == ("standby", 1)

    run(test())


def test_release_does_not_touch_the_lease_of_another(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        old = elector(leases, clock, "old")
        await old.acquire()
        leases.write(holderIdentity="new")
        await old.release()
        assert leases.spec["holderIdentity"] == "new"

    run(test())


def test_release_gives_back_what_was_taken_by_a_request_without_an_answer(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        leases.answers_lost = True
        candidate = elector(leases, clock, "candidate")
        assert not await candidate._try_for(1.0)
        leases.answers_lost = False
        assert leases.spec["holderIdentity"] == "candidate"
        await candidate.release()
        assert leases.spec["holderIdentity"] == ""

    run(test())


def test_release_overcomes_a_renewal_that_arrives_late(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        leader = elector(leases, clock, "leader")
        await leader.acquire()

        async def renewed_meanwhile() -> None:
            leases.write(renewTime="2026-01-01T00:00:00.000000Z")

        leases.before_write = renewed_meanwhile
        await leader.release()
        assert leases.spec["holderIdentity"] == ""

    run(test())


def test_release_asks_nothing_when_nothing_was_ever_taken(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        leader, standby = elector(leases, clock, "leader"), elector(leases, clock, "standby")
        await leader.acquire()
        assert not await standby._try_for(1.0)
        await leader.release()
        before = len(leases.requests)
        await standby.release()
        await leader.release()
        assert leases.requests[before:] == []

    run(test())


def test_release_that_fails_is_told_and_no_error(leases: Leases, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        leader = elector(leases, clock, "leader")
        await leader.acquire()
        leases.broken = ApiError(500, "InternalError", "etcd is away")
        await leader.release()
        assert not leader.valid()

    run(test())
    (record,) = caplog.records
    assert "cannot give it back" in record.getMessage()
    assert "etcd is away" in record.getMessage()


def test_process_with_the_same_name_goes_on_at_once(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        await elector(leases, clock, "pod-1").acquire()
        started = clock.now
        again = elector(leases, clock, "pod-1")
        await again.acquire()
        assert (clock.now, again.transitions) == (started, 0)

    run(test())


def test_leader_that_cannot_renew_stops_before_a_standby_may_begin(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        leader = elector(leases, clock, "leader")
        await leader.acquire()
        started = clock.now
        leases.broken = ApiError(503, "ServiceUnavailable", "etcd is away")
        assert "could not be renewed for 10 s: 503 ServiceUnavailable: etcd is away" in await keep(leader)
        assert not leader.valid()
        assert RENEW_DEADLINE_S <= clock.now - started < LEASE_DURATION_S

    run(test())


def test_passing_failure_costs_the_leader_nothing(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        failures = []

        async def fail_now_and_then(seconds: float) -> None:
            clock.now += seconds
            failures.append(clock.now)
            leases.broken = ApiError(500, "InternalError", "busy") if len(failures) % 4 else None
            if len(failures) > 40:
                leases.broken = None
                leases.write(holderIdentity="end of the test")

        leader = elector(leases, clock, "leader", fail_now_and_then)
        await leader.acquire()
        assert "held by end of the test" in await keep(leader)
        assert len(failures) > 40

    run(test())


def test_validity_counts_from_before_the_request_was_sent(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        leader = elector(leases, clock, "leader")

        async def slow() -> None:
            clock.now += RENEW_DEADLINE_S - 1

        leases.before_write = slow
        await leader.acquire()
        assert leader.valid()
        clock.now += 1
        assert not leader.valid()

    run(test())


def test_leader_that_stood_still_finds_out_before_it_writes(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        async def stand_still(_: float) -> None:
            clock.now += 60
            leases.write(holderIdentity="other", leaseTransitions=1)

        leader = elector(leases, clock, "leader", stand_still)
        await leader.acquire()
        before = len(leases.requests)
        assert "this process stood still" in await keep(leader)
        assert leases.requests[before:] == []
        assert leases.spec["holderIdentity"] == "other"

    run(test())


def test_leader_goes_on_when_somebody_edits_the_lease(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        edits = []

        async def edit(seconds: float) -> None:
            clock.now += seconds
            edits.append(clock.now)
            if len(edits) < 20:
                leases.annotate()
            else:
                leases.write(holderIdentity="end of the test")

        leader = elector(leases, clock, "leader", edit)
        await leader.acquire()
        assert "end of the test" in await keep(leader)
        assert len(edits) == 20

    run(test())


def test_leader_whose_lease_was_deleted_makes_it_again_before_a_standby_may(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        steps = []

        async def delete(seconds: float) -> None:
            clock.now += seconds
            steps.append(clock.now)
            if len(steps) == 1:
                leases.lease = None
                # This standby has seen the leader: it must not begin as long as that may think that it leads.
                assert not await standby._try_for(1.0)
                assert leases.lease is None
            else:
                leases.write(holderIdentity="end of the test")

        leader, standby = elector(leases, clock, "leader", delete), elector(leases, clock, "standby")
        await leader.acquire()
        assert not await standby._try_for(1.0)
        assert "end of the test" in await keep(leader)
        assert "POST" in leases.requests[2:]

    run(test())


def test_of_two_who_write_at_once_one_leads(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        winner, loser = elector(leases, clock, "winner"), elector(leases, clock, "loser")
        for _ in range(2):
            # First for a Lease that is not there yet, then for one that was given back.
            leases.before_write = winner.acquire
            assert not await loser._try_for(1.0)
            assert (winner.valid(), loser.valid(), leases.spec["holderIdentity"]) == (True, False, "winner")
            await winner.release()

    run(test())


def test_failure_is_told_once(leases: Leases, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        looks = []

        async def mend(seconds: float) -> None:
            clock.now += seconds
            looks.append(clock.now)
            if len(looks) == 10:
                leases.broken = None

        leases.broken = ApiError(403, "Forbidden", 'cannot get resource "leases"')
        await elector(leases, clock, "first", mend).acquire()

    run(test())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert (
        'camstream/op: cannot be taken or renewed, and is tried again: 403 Forbidden: cannot get resource "leases"' in record.getMessage()
    )


def test_request_without_an_answer_ends_the_lead_in_time(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camstream_operator.cluster.lease.RENEW_DEADLINE_S", 0.2)
    monkeypatch.setattr("camstream_operator.cluster.lease.RETRY_S", 0.05)

    async def test() -> None:
        leader = Elector(leases, "camstream", "op", "leader")
        await leader.acquire()
        leases.before_write = asyncio.Event().wait  # type: ignore[assignment]
        assert "the API server did not answer in time" in await keep(leader)

    run(test())


def test_leader_needs_one_request_to_renew(leases: Leases, clock: Clock) -> None:
    async def test() -> None:
        async def step(seconds: float) -> None:
            assert seconds == RETRY_S
            clock.now += seconds
            if len(leases.requests) == 12:
                clock.now += 60

        leader = elector(leases, clock, "leader", step)
        await leader.acquire()
        await keep(leader)
        assert leases.requests == ["GET", "POST", *["PUT"] * 10]

    run(test())
