"""What goes wrong between the operator and the API server, and that all comes to the same end as without it."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from api_proxy import Asked, Refusal, running_proxy
from api_server import CRDS
from operators import (
    CHILDREN,
    SIMULATION,
    Cluster,
    Killed,
    Operator,
    assert_in_order,
    bench,
    converge,
    proxied_operator,
    reads,
    running_operator,
    snapshot,
)
from pod_workers import report_of, running_pod, running_worker
from waiting import wait_for

from camstream.idling import NOBODY
from camstream.names import MANAGED_BY, OPERATOR, WAKE
from camstream.spec import WorkerConfig
from camstream.spec.key import Key
from camstream.spec.report import ConfigReport
from camstream_operator.build.names import CONFIG, CONFIG_FILE
from camstream_operator.cluster.api import ApiError

NUMBERS = count(1)


def make_namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return make_namespace(cluster)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


# ------------------------------------------------------------------ killed at any request


def create(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))


def edit(cluster: Cluster, namespace: str) -> None:
    """One edit that all three children follow, and one that makes a status smaller."""
    cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}, "worker": {"limits": {"memory": "2Gi"}}}})
    cluster.edit("Pipeline", namespace, "fit", {"spec": {"input": {"camera": {"name": "other"}}}})


def make_anew(cluster: Cluster, namespace: str) -> None:
    cluster.delete("Camera", namespace, "gun")
    cluster.collect_garbage(namespace)
    cluster.create("Camera", namespace, "gun", SIMULATION | {"externalName": "NEW"})


def rename(cluster: Cluster, namespace: str) -> None:
    """An apply is refused (422): it would add a second port of the same name."""
    ports = [{"port": 9999, "$patch": "delete"}, {"name": "stream", "port": 7000, "targetPort": 9999}]
    cluster.edit("Service", namespace, "cam-gun", {"spec": {"ports": ports}}, strategic=True)


def ask_for_background(cluster: Cluster, namespace: str) -> None:
    """No list has it: the operator asks for it alone."""
    cluster.edit("Pipeline", namespace, "fit", {"spec": {"processing": {"background": {"name": "nobody"}}}})


def leave(cluster: Cluster, namespace: str) -> None:
    """A stream that its one client does not read any more."""
    lifecycle = {"lifecycle": {"mode": "OnDemand", "deleteWhenIdle": True}}
    cluster.create("Camera", namespace, "private", SIMULATION | lifecycle, metadata={"annotations": {WAKE: NOBODY}})


STORIES: dict[str, list[Callable[[Cluster, str], None]]] = {
    "create": [create],
    "edit": [create, edit],
    "anew": [create, make_anew],
    "renamed port": [create, rename],
    "background": [create, ask_for_background],
    "deleted when idle": [create, leave],
}
REQUESTS = {"renamed port": ("PATCH", "/services/"), "background": ("GET", "/backgrounds/"), "deleted when idle": ("DELETE", "/cameras/")}
"""What a story is there for."""
BACKGROUNDS = {"backgroundsUrl": "http://gateway:8080/backgrounds"}


@pytest.mark.parametrize("story", STORIES)
def test_killed_at_any_request_the_next_operator_comes_to_the_same_end(cluster: Cluster, story: str) -> None:
    *before, last = STORIES[story]

    def prepare() -> str:
        namespace = make_namespace(cluster)
        for step in before:
            step(cluster, namespace)
            converge(cluster.server, namespace, **BACKGROUNDS)
        last(cluster, namespace)
        return namespace

    undisturbed = prepare()
    asked = converge(cluster.server, undisturbed, **BACKGROUNDS)
    expected = snapshot(cluster, undisturbed)
    wanted, where = REQUESTS.get(story, ("PATCH", "/deployments/"))
    assert [method for method, path in asked if method == wanted and where in path]
    for number in range(1, len(asked) + 1):
        for answered in (False, True):
            namespace = prepare()
            run(_killed(cluster, namespace, number, answered))
            converge(cluster.server, namespace, **BACKGROUNDS)
            assert snapshot(cluster, namespace) == expected, f"killed at request {number}, answered: {answered}"
            assert [one for one in converge(cluster.server, namespace, **BACKGROUNDS) if one[0] != "GET"] == []


async def _killed(cluster: Cluster, namespace: str, number: int, answered: bool) -> None:
    dead = False

    def die(asked: int, *_: str) -> None:
        nonlocal dead
        dead = dead or asked == number
        if dead:
            raise Killed

    async with bench(cluster.server, namespace, **BACKGROUNDS) as broken:
        if answered:
            broken.api.faults.after = die
        broken.api.faults.before = die if not answered else lambda *_: die(0)
        with suppress(Killed):
            await broken.start()
    assert dead


WORKER = "127.0.78.3"


@pytest.mark.parametrize("answered", [False, True], ids=["before it is sent", "when it is answered"])
def test_killed_at_any_request_of_a_live_edit_the_next_operator_brings_it_to_the_worker(cluster: Cluster, answered: bool) -> None:
    """The request that is there for it is the last one: it touches the pod, so that the kubelet renews the file."""
    pod = running_pod(WORKER)
    cluster.create("Camera", scratch := make_namespace(cluster), "gun", SIMULATION)
    old = report_of(cluster.get("Camera", scratch, "gun")).model_copy(update={"config": ConfigReport(applied_hash="0" * 12, applied_at=0)})

    async def look(namespace: str, number: int | None) -> list[tuple[str, str]]:
        """Let an operator look that knows what the worker says, and is killed at a request.

        :returns: what it asked for
        """
        async with bench(cluster.server, namespace) as operator:
            asked = operator.api.faults.asked

            def die(at: int, *_: str) -> None:
                if number is not None and at >= number:
                    raise Killed

            operator.api.faults.before = (lambda at, *_: die(at - 1)) if answered else die
            operator.api.faults.after = die if answered else lambda *_: None
            asking = asyncio.create_task(operator.reports.run())
            try:
                with suppress(Killed):
                    await operator.start()
                    uid = cluster.get("Pod", namespace, "cam-gun-1")["metadata"]["uid"]
                    while operator.reports.of(uid) is None:
                        await asyncio.sleep(0.02)
                    operator.concerned = set(operator.store.streaming())
                    await operator.work()
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            return list(asked)

    def looked(namespace: str, number: int | None = None) -> list[tuple[str, str]]:
        return asyncio.run(asyncio.wait_for(look(namespace, number), 60))

    with running_worker(WORKER, {"now": old}):
        for number in count(1):
            namespace = make_namespace(cluster)
            cluster.create("Camera", namespace, "gun", SIMULATION)
            converge(cluster.server, namespace)
            cluster.make_pod(namespace, "cam-gun", "cam-gun-1", pod)
            looked(namespace)
            cluster.edit("Camera", namespace, "gun", {"spec": {"geometry": {"rotateQuarterTurns": 1}}})
            asked = looked(namespace, number)
            looked(namespace)
            config = WorkerConfig.model_validate_json(cluster.get("ConfigMap", namespace, "cam-gun")["data"][CONFIG_FILE])
            assert config.camera is not None
            assert config.camera.geometry.rotate_quarter_turns == 1
            touched = cluster.get("Pod", namespace, "cam-gun-1")["metadata"]["annotations"][CONFIG]
            assert touched.startswith(config.digest()), f"killed at request {number}"
            assert cluster.get("Camera", namespace, "gun")["status"]["config"]["desiredHash"] == config.digest()
            if len(asked) < number:
                # It came to its end.
                assert number > 3
                break


@pytest.mark.parametrize(("number", "answered"), [(2, False), (5, True)], ids=["before one is sent", "when one was answered"])
def test_process_killed_at_a_write_is_no_loss(cluster: Cluster, tmp_path: Path, number: int, answered: bool) -> None:
    undisturbed, namespace = make_namespace(cluster), make_namespace(cluster)
    create(cluster, undisturbed)
    converge(cluster.server, undisturbed)
    with running_proxy(cluster.server) as proxy:
        operator = Operator(tmp_path, proxy.kubeconfig(tmp_path / "kubeconfig"), namespaces=[namespace])

        def kill(asked: Asked) -> None:
            if asked.write and operator.runs() and len(proxy.writes()) >= number:
                operator.signal(signal.SIGKILL)

        def refuse_the_dead(asked: Asked) -> Refusal | None:
            if not answered:
                kill(asked)
            return Refusal(500) if asked.write and not answered and len(proxy.writes()) >= number else None

        proxy.before = refuse_the_dead
        proxy.after = kill if answered else lambda _: None
        try:
            operator.start()
            operator.wait_until_ready()
            create(cluster, namespace)
            assert operator.wait_until_ended() == -signal.SIGKILL
            proxy.before, proxy.after = lambda _: None, lambda _: None
            operator.start()
            operator.wait_until_ready()
            for kind, name in (("Camera", "gun"), ("Pipeline", "fit")):
                cluster.wait_until_deployed(kind, namespace, name)
            assert operator.stop() == 0
        finally:
            operator.end()
        operator.assert_no_errors()
    assert snapshot(cluster, namespace) == snapshot(cluster, undisturbed)


# ------------------------------------------------------------------ answers nobody wants


@pytest.mark.parametrize("status", [409, 500])
def test_every_third_write_is_refused_and_all_comes_about(cluster: Cluster, tmp_path: Path, status: int) -> None:
    undisturbed, namespace = make_namespace(cluster), make_namespace(cluster)
    create(cluster, undisturbed)
    converge(cluster.server, undisturbed)
    with running_proxy(cluster.server) as proxy:
        proxy.before = lambda asked: Refusal(status) if asked.write and len(proxy.writes()) % 3 == 0 else None
        with running_operator(tmp_path, proxy.kubeconfig(tmp_path / "kubeconfig"), namespaces=[namespace]) as operator:
            create(cluster, namespace)
            for kind, name in (("Camera", "gun"), ("Pipeline", "fit")):
                cluster.wait_until_deployed(kind, namespace, name, timeout_s=45)
            assert operator.metric("api_requests_total", code=str(status)) > 0
    assert snapshot(cluster, namespace) == snapshot(cluster, undisturbed)
    assert_in_order(cluster, namespace)


def test_status_that_met_a_conflict_is_written_at_the_next_try(cluster: Cluster, namespace: str) -> None:
    """Nothing need happen to the object after that: the conflict itself has to be the reason to come again."""
    cluster.create("Camera", namespace, "gun", SIMULATION)
    key = Key("Camera", namespace, "gun")

    def refuse(_: int, __: str, path: str) -> None:
        if path.endswith("/status"):
            raise ApiError(409, "Conflict", "injected by the test")

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.audit.fill()
            operator.api.faults.before = refuse
            with pytest.raises(ApiError, match="injected"):
                await operator.reconciler.reconcile(key)
            operator.api.faults.before = lambda *_: None
            await operator.reconciler.reconcile(key)
            assert cluster.condition("Camera", namespace, "gun", "Deployed")["reason"] == "Applied"

    run(test())


def test_what_is_refused_as_invalid_is_tried_again_until_it_is_not(cluster: Cluster, namespace: str) -> None:
    undisturbed = make_namespace(cluster)
    for place in (undisturbed, namespace):
        create(cluster, place)
    converge(cluster.server, undisturbed)

    def refuse(number: int, *_: str) -> None:
        if number % 3 == 0:
            raise ApiError(422, "Invalid", "injected by the test")

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.audit.fill()
            operator.api.faults.before = refuse
            due = set(operator.store.streaming())
            for _ in range(20):
                for key in sorted(due):
                    with suppress(ApiError):
                        if await operator.reconciler.reconcile(key) is None:
                            due.remove(key)
            assert due == set()

    run(test())
    assert snapshot(cluster, namespace) == snapshot(cluster, undisturbed)
    assert_in_order(cluster, namespace)


def test_operator_waits_as_long_as_it_is_told_to_and_keeps_its_lease(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    with running_proxy(cluster.server) as proxy:
        times: list[float] = []

        def busy(asked: Asked) -> Refusal | None:
            if asked.write and "/configmaps/cam-" in asked.path:
                times.append(time.monotonic())
                return Refusal(429, retry_after_s=2) if len(times) < 3 else None
            return None

        proxy.before = busy
        with running_operator(tmp_path, proxy.kubeconfig(tmp_path / "kubeconfig"), namespaces=[namespace]) as operator:
            cluster.create("Camera", namespace, "gun", SIMULATION)
            cluster.wait_until_deployed("Camera", namespace, "gun")
            assert operator.leads()
            assert operator.metric("queue_retries_total") == 2
        assert len(times) == 3
        assert all(later - earlier >= 2 for earlier, later in pairwise(times))


def test_operator_asks_for_its_token_again_when_it_is_refused(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    with proxied_operator(cluster.server, tmp_path, namespaces=[namespace]) as (_, proxy):
        refused: list[Asked] = []

        def refuse_three(asked: Asked) -> Refusal | None:
            if "/leases" in asked.path or len(refused) >= 3:
                return None
            refused.append(asked)
            return Refusal(401)

        proxy.before = refuse_three
        cluster.create("Camera", namespace, "gun", SIMULATION)
        cluster.wait_until_deployed("Camera", namespace, "gun")
        cluster.delete("Service", namespace, "cam-gun")
        wait_for("watch goes on", lambda: cluster.find("Service", namespace, "cam-gun"))
        assert len(refused) == 3
    assert_in_order(cluster, namespace)


# ------------------------------------------------------------------ what only people can mend


def test_full_quota_is_named_and_room_is_used_when_there_is_some(cluster: Cluster, namespace: str) -> None:
    hard = {"count/deployments.apps": "0"}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": hard}}
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    assert cluster.server.request("POST", quotas, body).status == 201

    def allow(deployments: str) -> None:
        # The part of Kubernetes that does this is not there.
        status = {"hard": {"count/deployments.apps": deployments}, "used": {"count/deployments.apps": "0"}}
        answer = cluster.server.request("PATCH", f"{quotas}/small/status", {"status": status}, "application/merge-patch+json")
        assert answer.status == 200, answer.message

    allow("0")
    cluster.create("Camera", namespace, "gun", SIMULATION)
    key = Key("Camera", namespace, "gun")

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            # The quota is enforced as soon as the API server has seen it.
            await operator.audit.fill()
            again = await operator.reconciler.reconcile(key)
            told = cluster.condition("Camera", namespace, "gun", "Deployed")
            assert (told["status"], told["reason"]) == ("False", "QuotaExceeded")
            assert "'small'" in told["message"]
            assert cluster.get("Camera", namespace, "gun")["status"]["phase"] == "Failed"
            assert again is not None
            written = len(operator.api.faults.asked)
            assert await operator.reconciler.reconcile(key) == again
            # Only what was refused is tried again, and nothing is told twice.
            assert [path.split("/")[-2] for _, path in operator.api.faults.asked[written:]] == ["deployments"]
            allow("5")
            wait_for("room is seen", lambda: _room(cluster, quotas))
            assert await operator.reconciler.reconcile(key) is None
            assert cluster.condition("Camera", namespace, "gun", "Deployed")["reason"] == "Applied"

    run(test())
    assert_in_order(cluster, namespace)


def _room(cluster: Cluster, quotas: str) -> bool:
    return bool(cluster.server.request("GET", f"{quotas}/small").body["status"]["hard"]["count/deployments.apps"] == "5")


POD = {"containers": [{"name": "c", "image": "i"}]}
FOREIGN: dict[str, dict[str, Any]] = {
    "Deployment": {
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}},
    },
    "Service": {"spec": {"ports": [{"name": "web", "port": 80}]}},
    "ConfigMap": {"data": {"notes": "of somebody"}},
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_what_is_not_ours_is_not_touched_and_its_name_is_used_when_it_is_gone(cluster: Cluster, namespace: str, kind: str) -> None:
    theirs = cluster.create(kind, namespace, "cam-gun", **FOREIGN[kind])
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Camera", namespace, "other", SIMULATION)
    key = Key("Camera", namespace, "gun")

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            told = cluster.condition("Camera", namespace, "gun", "Deployed")
            assert told["reason"] == "ApiConflict"
            assert f"{kind} 'cam-gun' is there already and is not ours" in told["message"]
            assert cluster.get(kind, namespace, "cam-gun") == theirs
            assert cluster.condition("Camera", namespace, "other", "Deployed")["reason"] == "Applied"
            assert await operator.reconciler.reconcile(key) is not None
            cluster.delete(kind, namespace, "cam-gun")
            assert await operator.reconciler.reconcile(key) is None
            assert cluster.condition("Camera", namespace, "gun", "Deployed")["reason"] == "Applied"

    run(test())
    assert_in_order(cluster, namespace)


def test_what_has_our_label_and_another_owner_is_not_touched(cluster: Cluster, namespace: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "someone", "uid": "0-1-2", "controller": True}
    metadata = {"labels": {MANAGED_BY: OPERATOR}, "ownerReferences": [owner]}
    theirs = cluster.create("Service", namespace, "cam-gun", FOREIGN["Service"]["spec"], metadata=metadata)
    cluster.create("Camera", namespace, "gun", SIMULATION)
    converge(cluster.server, namespace)
    told = cluster.condition("Camera", namespace, "gun", "Deployed")
    assert (told["reason"], "belongs to another object (uid 0-1-2)" in told["message"]) == ("ApiConflict", True)
    assert cluster.get("Service", namespace, "cam-gun") == theirs


def test_children_that_lost_their_owner_go_on_with_the_next(cluster: Cluster, namespace: str) -> None:
    """As after ``kubectl delete --cascade=orphan``, or a backup that brought back objects one by one."""
    cluster.create("Camera", namespace, "gun", SIMULATION)
    converge(cluster.server, namespace)
    before = {kind: cluster.get(kind, namespace, "cam-gun") for kind in CHILDREN}
    for kind in CHILDREN:
        cluster.edit(kind, namespace, "cam-gun", {"metadata": {"ownerReferences": None}})
    cluster.delete("Camera", namespace, "gun")
    uid = cluster.create("Camera", namespace, "gun", SIMULATION)["metadata"]["uid"]
    converge(cluster.server, namespace)
    for kind in CHILDREN:
        after = cluster.get(kind, namespace, "cam-gun")
        assert after["metadata"]["uid"] == before[kind]["metadata"]["uid"]
        assert [owner["uid"] for owner in after["metadata"]["ownerReferences"]] == [uid]
    # The pods go on.
    assert cluster.get("Deployment", namespace, "cam-gun")["spec"] == before["Deployment"]["spec"]
    assert_in_order(cluster, namespace)


# ------------------------------------------------------------------ what no watch has told


@pytest.mark.parametrize("kind", CHILDREN)
def test_silent_end_of_a_child_is_found_by_the_audit(cluster: Cluster, namespace: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    create(cluster, namespace)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            cluster.delete(kind, namespace, "cam-gun")
            await operator.audit.look()
            assert operator.concerned == {Key("Camera", namespace, "gun")}
            assert operator.metrics.registry.get_sample_value("camstream_operator_ghosts_removed_total", {"kind": kind}) == 1
            await operator.work()
            assert cluster.find(kind, namespace, "cam-gun") is not None

    run(test())
    assert f"the deletion of {namespace}/{kind.lower()}/cam-gun was missed by the watch" in caplog.messages
    assert_in_order(cluster, namespace)


def test_silent_end_and_change_of_objects_are_found_by_the_audit(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            assert operator.audit.deaf() is None
            cluster.delete("Camera", namespace, "gun")
            cluster.edit("Pipeline", namespace, "fit", {"spec": {"output": {"port": 7000}}})
            await operator.audit.look()
            assert operator.concerned == {Key("Camera", namespace, "gun"), Key("Pipeline", namespace, "fit")}
            await operator.work()
            assert cluster.condition("Pipeline", namespace, "fit", "Accepted")["reason"] == "CameraNotFound"
            # There is no watch here that could see anything.
            for port in (7001, 7002):
                assert operator.audit.deaf() is None
                cluster.edit("Pipeline", namespace, "fit", {"spec": {"output": {"port": port}}})
                await operator.audit.look()
            assert operator.audit.deaf() == "the watch of Pipeline has missed changes 2 times in a row"

    run(test())


def test_what_went_before_the_watches_began_is_found_and_nobody_is_blamed(
    cluster: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    create(cluster, namespace)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            for _ in range(3):
                cluster.delete("Service", namespace, "cam-gun")
                await operator.audit.look(beginning=True)
                assert operator.concerned == {Key("Camera", namespace, "gun")}
                await operator.work()
                assert cluster.find("Service", namespace, "cam-gun") is not None
            assert operator.audit.deaf() is None

    run(test())
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_what_is_only_late_is_not_missed(cluster: Cluster, namespace: str, caplog: pytest.LogCaptureFixture) -> None:
    create(cluster, namespace)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            body = cluster.edit("Camera", namespace, "gun", {"spec": {"output": {"port": 7000}}})
            looking = asyncio.create_task(operator.audit.look())
            operator.store.put("Camera", body)
            await looking
            assert operator.audit.deaf() is None

    run(test())
    assert "missed by the watch" not in caplog.text


# ------------------------------------------------------------------ what should not be there


def test_object_that_cannot_be_understood_is_told_so_and_others_go_on(cluster: Cluster, tmp_path: Path, namespace: str) -> None:
    """As from a version before, with another schema."""
    cluster.create("Camera", namespace, "gun", SIMULATION)
    spoiled = {"bad": {"source": {"simulation": {}}, "externalName": {"a": 1}}, "worse": {"source": "text"}, "worst": "text"}
    path = f"{CRDS}/cameras.camstream.dev"
    crd = cluster.server.request("GET", path).body
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    loose = json.loads(json.dumps(crd["spec"]["versions"]))
    # Fields that a selector can use have to be in the schema.
    loose[0]["selectableFields"] = None
    loose[0]["schema"]["openAPIV3Schema"] |= {
        "properties": schema["properties"] | {"spec": {"x-kubernetes-preserve-unknown-fields": True}},
        "x-kubernetes-validations": [],
    }

    def set_versions(versions: Any) -> None:
        answer = cluster.server.request("PATCH", path, {"spec": {"versions": versions}}, "application/merge-patch+json")
        assert answer.status == 200, answer.message

    def accepted(name: str, spec: Any) -> bool:
        body = {"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera", "metadata": {"name": name}, "spec": spec}
        posted = cluster.server.request("POST", f"/apis/camstream.dev/v1alpha1/namespaces/{namespace}/cameras", body)
        return posted.status in (201, 409)

    set_versions(loose)
    try:
        for name, spec in spoiled.items():
            wait_for(f"{name} is stored", lambda: accepted(name, spec))  # noqa: B023
        cluster.create("Pipeline", namespace, "fit", reads("bad"))
        with running_operator(tmp_path, cluster.server.kubeconfig, namespaces=[namespace]):
            for name in spoiled:
                told = cluster.wait_for_reason("Camera", namespace, name, "Accepted", "InvalidSpec")
                assert "is not valid" in told["message"]
            cluster.wait_until_deployed("Camera", namespace, "gun")
            told = cluster.wait_for_reason("Pipeline", namespace, "fit", "Accepted", "InvalidSpec")
            assert "reads an object that is not valid itself" in told["message"]
            cluster.edit("Camera", namespace, "bad", {"spec": {"externalName": None}})
            cluster.wait_until_deployed("Camera", namespace, "bad")
            cluster.wait_until_deployed("Pipeline", namespace, "fit")
        assert_in_order(cluster, namespace)
    finally:
        for name in spoiled:
            cluster.delete("Camera", namespace, name)
        set_versions(crd["spec"]["versions"])


def test_object_that_breaks_the_operator_harms_no_other(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace)
    cluster.create("Camera", namespace, "other", SIMULATION)

    async def test() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.audit.fill()

            def refuse(_: int, __: str, path: str) -> None:
                if path.endswith("/cam-gun"):
                    raise ApiError(422, "Invalid", "the webhook of somebody says no")

            operator.api.faults.before = refuse
            operator.concerned = set(operator.store.streaming())
            await operator.work()
            told = cluster.condition("Camera", namespace, "gun", "Deployed")
            assert (told["reason"], "somebody says no" in told["message"]) == ("InvalidChild", True)
            assert cluster.condition("Camera", namespace, "other", "Deployed")["reason"] == "Applied"
            assert cluster.condition("Pipeline", namespace, "fit", "Deployed")["reason"] == "Applied"

    run(test())
