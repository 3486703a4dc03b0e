"""The elector against a real API server: it accepts what we write, and of several writers it lets one win."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from api_server import ApiServer

from camstream_operator.cluster.api import Api
from camstream_operator.cluster.lease import Elector, LeaseLost

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


@asynccontextmanager
async def connected(server: ApiServer) -> AsyncIterator[Api]:
    api = await Api.connect(lambda *_: None, str(server.kubeconfig))
    try:
        yield api
    finally:
        await api.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))  # type: ignore[arg-type]


def test_lease_is_made_renewed_given_back_and_taken_over(server: ApiServer) -> None:
    async def test() -> None:
        async with connected(server) as api:
            leader, standby = (Elector(api, "default", "handed-over", name) for name in ("leader", "standby"))
            await leader.acquire()
            made = await api.get(f"{LEASES}/handed-over")
            keeping, waiting = asyncio.create_task(leader.renew_forever()), asyncio.create_task(standby.acquire())
            while (renewed := await api.get(f"{LEASES}/handed-over"))["spec"]["renewTime"] == made["spec"]["renewTime"]:
                await asyncio.sleep(0.05)
            assert renewed["spec"] == {**made["spec"], "renewTime": renewed["spec"]["renewTime"]}
            assert (leader.valid(), standby.valid(), standby.holder) == (True, False, "leader")
            keeping.cancel()
            await asyncio.wait({keeping})
            await leader.release()
            assert (await api.get(f"{LEASES}/handed-over"))["spec"]["holderIdentity"] == ""
            await waiting
            assert (leader.valid(), standby.valid()) == (False, True)
            taken = (await api.get(f"{LEASES}/handed-over"))["spec"]
            assert (taken["holderIdentity"], taken["leaseTransitions"], taken["leaseDurationSeconds"]) == ("standby", 1, 15)

    run(test)


def test_of_many_candidates_one_leads(server: ApiServer) -> None:
    async def test() -> None:
        async with connected(server) as api:
            electors = [Elector(api, "default", "wanted", f"candidate-{number}") for number in range(8)]
            for transitions in range(10):
                await asyncio.gather(*(elector._try_for(30) for elector in electors))
                (leader,) = [elector for elector in electors if elector.valid()]
                spec = (await api.get(f"{LEASES}/wanted"))["spec"]
                assert (spec["holderIdentity"], spec["leaseTransitions"]) == (leader.identity, transitions)
                await leader.release()

    run(test)


def test_leader_whose_lease_was_taken_finds_out_and_leaves_it(server: ApiServer) -> None:
    async def test() -> None:
        async with connected(server) as api:
            leader = Elector(api, "default", "taken", "leader")
            await leader.acquire()
            lease = await api.get(f"{LEASES}/taken")
            lease["spec"]["holderIdentity"] = "somebody"
            await api.replace(f"{LEASES}/taken", lease)
            with pytest.raises(LeaseLost, match="lease default/taken: it is held by somebody now"):
                await leader.renew_forever()
            assert not leader.valid()
            await leader.release()
            assert (await api.get(f"{LEASES}/taken"))["spec"]["holderIdentity"] == "somebody"

    run(test)


def test_lease_that_is_labelled_and_deleted_meanwhile_is_kept(server: ApiServer) -> None:
    async def test() -> None:
        async with connected(server) as api:
            leader = Elector(api, "default", "touched", "leader")
            await leader.acquire()
            await api.merge(f"{LEASES}/touched", {"metadata": {"labels": {"team": "beam"}}})
            assert await leader._try_for(10)
            assert (await api.get(f"{LEASES}/touched"))["metadata"]["labels"] == {"team": "beam"}
            server.request("DELETE", f"{LEASES}/touched")
            assert await leader._try_for(10)
            assert (await api.get(f"{LEASES}/touched"))["spec"]["holderIdentity"] == "leader"

    run(test)
