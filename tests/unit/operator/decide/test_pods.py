"""What pods and Deployments tell, in words that say what to do and that stay the same while the cause lasts."""

import json
from typing import Any

import pytest
from pods import RUNNING, STARTED, WANTED, ended, pod, waiting, whole_pod

from camstream.decide import FALSE
from camstream.spec.status import ExitStatus
from camstream_operator.decide.pods import (
    answers,
    essence_of_pod,
    exit_of_pod,
    obstacle_of_deployment,
    obstacle_of_pod,
    refusal,
    restarts,
    worker_pod,
)

LATER = "2026-08-21T12:00:05Z"

# ---------------------------------------------------------------------- the essence


def test_a_pod_is_kept_small_and_without_what_nobody_asks_for() -> None:
    kept = essence_of_pod(whole_pod(state=RUNNING, conditions=[{"type": "Ready", "status": "True"}]))
    assert kept["spec"] == {"nodeName": "node-1", "memory": "1Gi", "image": "camstream-worker:0.1.0"}
    assert kept["status"]["conditions"] == []
    assert kept["status"]["containerStatuses"] == [{"restartCount": 0, "started": False, "state": {"running": {}}, "lastState": {}}]
    assert "managedFields" not in kept["metadata"]
    assert len(json.dumps(kept)) < len(json.dumps(whole_pod(state=RUNNING)))


def test_times_and_numbers_that_change_by_themselves_are_no_part_of_the_essence() -> None:
    one = whole_pod(state=RUNNING, last=ended(finishedAt="12:00"), conditions=[{"type": "Ready", "lastProbeTime": "12:00"}])
    other = whole_pod(state={"running": {"startedAt": "13:00"}}, last=ended(finishedAt="13:00"), conditions=[])
    other["metadata"]["managedFields"] = []
    assert essence_of_pod(one) == essence_of_pod(other)


def test_a_pod_that_was_made_just_now_tells_nothing_yet() -> None:
    found = essence_of_pod({"metadata": {"name": "a", "namespace": "default", "uid": "1", "creationTimestamp": STARTED}})
    assert (answers(found), restarts(found), obstacle_of_pod(found), exit_of_pod(found)) == (None, 0, None, None)
    assert worker_pod([found], WANTED) == (found, False)


# ---------------------------------------------------------------------- which pod


@pytest.mark.parametrize(
    ("pods", "name", "wanted"),
    [
        pytest.param([], None, False, id="none"),
        pytest.param([pod("a")], "a", True, id="the only one"),
        pytest.param([pod("a", "old")], "a", False, id="the only one is to be replaced"),
        pytest.param([pod("a", "old", LATER), pod("b", WANTED, STARTED)], "b", True, id="the wanted one, although it is older"),
        pytest.param([pod("a", WANTED, LATER), pod("b", WANTED, STARTED)], "a", True, id="the newest of two wanted"),
        pytest.param([pod("a", WANTED), pod("b", WANTED)], "b", True, id="two of the same second"),
        pytest.param([pod("a", "old", STARTED), pod("b", "older", LATER)], "b", False, id="the newest of all"),
        pytest.param([pod("a", WANTED, LATER, deleted=True), pod("b", WANTED, STARTED)], "b", True, id="not one that is being deleted"),
        pytest.param([pod("a", WANTED, LATER, deleted=True), pod("b", "old", STARTED)], "b", False, id="rather the old one that stays"),
        pytest.param([pod("a", deleted=True)], "a", True, id="the last one, while it goes"),
        pytest.param([pod("a", None)], "a", False, id="one without an identity"),
    ],
)
def test_the_pod_that_tells_how_the_object_is(pods: list[Any], name: str | None, wanted: bool) -> None:
    for order in (pods, pods[::-1]):
        found, is_wanted = worker_pod(order, WANTED)
        assert (found["metadata"]["name"] if found else None, is_wanted) == (name, wanted)


@pytest.mark.parametrize(
    ("found", "address"),
    [
        pytest.param(pod(state=RUNNING), "10.1.0.7", id="running"),
        pytest.param(pod(state=waiting("ContainerCreating")), None, id="starting"),
        pytest.param(pod(state=ended()), None, id="ended"),
        pytest.param(pod(), None, id="no container yet"),
        pytest.param(pod(state=RUNNING, deleted=True), None, id="being deleted"),
        pytest.param(pod(state=RUNNING, podIP=None), None, id="no address yet"),
    ],
)
def test_a_worker_answers_only_while_its_container_runs(found: Any, address: str | None) -> None:
    assert answers(found) == address


def test_restarts_are_those_of_the_worker() -> None:
    assert restarts(pod(state=RUNNING, restarts=3)) == 3


# ---------------------------------------------------------------------- obstacles


def reason_and_message(found: Any) -> tuple[str, str]:
    finding = obstacle_of_pod(found)
    assert finding is not None
    assert finding.status is FALSE
    return finding.reason, finding.message


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient memory.",
    "lastTransitionTime": STARTED,
}


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        pytest.param(
            pod(conditions=[UNSCHEDULABLE], phase="Pending"), "Unschedulable", "no node can take the worker: 0/3 nodes", id="no node"
        ),
        pytest.param(
            pod(conditions=[{"type": "PodScheduled", "status": "False"}]), "Unschedulable", "the scheduler does not say why", id="no words"
        ),
        pytest.param(
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            "Evicted",
            "the pod was ended: The node was low on resource: memory.; a new one is made",
            id="evicted",
        ),
        pytest.param(pod(phase="Failed", reason="NodeShutdown"), "NodeShutdown", "the pod was ended: NodeShutdown", id="node shut down"),
        pytest.param(pod(phase="Failed", state=ended()), "Failed", "the pod was ended: Failed", id="failed"),
        pytest.param(
            pod(state=waiting("CreateContainerConfigError", 'configmap "cam-gun" not found')),
            "CreateContainerConfigError",
            'the container cannot be started: configmap "cam-gun" not found',
            id="no configuration",
        ),
        pytest.param(
            pod(state=waiting("CreateContainerError")),
            "CreateContainerError",
            "the container cannot be started: CreateContainerError",
            id="no words of the kubelet",
        ),
    ],
)
def test_what_keeps_a_worker_from_starting_is_told(found: Any, reason: str, words: str) -> None:
    told, message = reason_and_message(found)
    assert told == reason
    assert words in message


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(pod(), id="made just now"),
        pytest.param(pod(state=waiting("ContainerCreating"), phase="Pending"), id="starting"),
        pytest.param(pod(state=waiting("PodInitializing")), id="nearly starting"),
        pytest.param(pod(state=RUNNING), id="running"),
        pytest.param(pod(state=RUNNING, last=ended("StartError", 128)), id="running after all"),
        pytest.param(pod(conditions=[{"type": "PodScheduled", "status": "True"}]), id="has a node"),
        pytest.param(pod(state=waiting("CrashLoopBackOff", "back-off 5m0s restarting"), last=ended()), id="how it ended says more"),
    ],
)
def test_nothing_is_told_where_nothing_is_in_the_way(found: Any) -> None:
    assert obstacle_of_pod(found) is None


def test_reasons_that_alternate_while_an_image_cannot_be_pulled_are_one() -> None:
    states = [
        waiting("ErrImagePull", 'rpc error: code = NotFound desc = failed to pull and unpack image "x:1"'),
        waiting("ImagePullBackOff", 'Back-off pulling image "x:1": ErrImagePull'),
        waiting("ImagePullBackOff", ""),
    ]
    told = {reason_and_message(pod(state=state)) for state in states}
    assert told == {
        (
            "ImagePullBackOff",
            "image 'camstream-worker:0.1.0' cannot be pulled on node node-1; see that it exists, and correct it in the worker class "
            "or add a pull secret there",
        )
    }


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"])
def test_any_other_trouble_with_an_image_is_told_likewise(reason: str) -> None:
    assert reason_and_message(pod(state=waiting(reason)))[0] == "ImagePullBackOff"


def test_a_container_that_cannot_start_is_told_in_the_same_words_between_two_tries() -> None:
    message = 'failed to create containerd task: exec: "camstream-worker": executable file not found in $PATH: unknown'
    failed = ended("StartError", 128, message)
    moments = [
        pod(state=waiting("RunContainerError", "another wording: " + message), last=failed, restarts=1),
        pod(state=failed, restarts=1),
        pod(state=waiting("CrashLoopBackOff", "back-off 10s restarting failed container"), last=failed, restarts=1),
        pod(state=waiting("CrashLoopBackOff", "back-off 20s restarting failed container"), last=failed, restarts=2),
    ]
    assert {reason_and_message(moment) for moment in moments} == {("StartError", f"the container cannot be started: {message}")}


def test_the_first_try_that_cannot_start_is_told_before_its_end_is_known() -> None:
    assert reason_and_message(pod(state=waiting("RunContainerError", "no such file"))) == (
        "RunContainerError",
        "the container cannot be started: no such file",
    )


def test_a_crash_after_a_start_that_failed_is_a_crash() -> None:
    assert obstacle_of_pod(pod(state=ended("Error", 1), last=ended("StartError", 128))) is None


# ---------------------------------------------------------------------- ends

OWN_WORDS = json.dumps({"reason": "AddressInUse", "exitCode": 3, "message": "tcp://*:9999 is in use"}) + "\n"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(pod(state=RUNNING), None, id="it never ended"),
        pytest.param(pod(), None, id="it never started"),
        pytest.param(
            pod(state=ended(code=3, message=OWN_WORDS)),
            ExitStatus(reason="AddressInUse", exit_code=3, message="tcp://*:9999 is in use"),
            id="its own words",
        ),
        pytest.param(
            pod(state=ended(code=3, message="log line\nanother\n" + OWN_WORDS)),
            ExitStatus(reason="AddressInUse", exit_code=3, message="tcp://*:9999 is in use"),
            id="its own words behind others",
        ),
        pytest.param(
            pod(state=ended(message="Traceback (most recent call last):\n  File ...\nValueError: no such thing\n")),
            ExitStatus(reason="Crashed", exit_code=1, message="the worker ended with exit code 1: ValueError: no such thing"),
            id="the end of its log",
        ),
        pytest.param(
            pod(state=ended(code=139)),
            ExitStatus(reason="Crashed", exit_code=139, message="the worker ended with exit code 139: it left no word"),
            id="no word",
        ),
        pytest.param(
            pod(state=ended(message=' \n "a text in quotes" \n')),
            ExitStatus(reason="Crashed", exit_code=1, message='the worker ended with exit code 1: "a text in quotes"'),
            id="a log line that happens to be JSON",
        ),
        pytest.param(
            pod(state=ended(message='{"reason": "Half", "exit')),
            ExitStatus(reason="Crashed", exit_code=1, message='the worker ended with exit code 1: {"reason": "Half", "exit'),
            id="words that were cut off",
        ),
        pytest.param(
            pod(state=ended(message='{"reason": "Other", "unknown": 1}')),
            ExitStatus(reason="Crashed", exit_code=1, message='the worker ended with exit code 1: {"reason": "Other", "unknown": 1}'),
            id="words of another program",
        ),
        pytest.param(
            pod(state=ended("OOMKilled", 137, "some log\n")),
            ExitStatus(
                reason="OOMKilled",
                exit_code=137,
                message="it needed more memory than its limit of 1Gi; raise spec.worker.limits.memory, or make queues smaller",
            ),
            id="too much memory",
        ),
        pytest.param(
            pod(state=waiting("CrashLoopBackOff", "back-off 5m0s"), last=ended(message="a")),
            ExitStatus(reason="Crashed", exit_code=1, message="the worker ended with exit code 1: a"),
            id="it waits for the next try",
        ),
        pytest.param(
            pod(state=RUNNING, last=ended(message="a")),
            ExitStatus(reason="Crashed", exit_code=1, message="the worker ended with exit code 1: a"),
            id="it runs again",
        ),
        pytest.param(
            pod(state=ended(message="now"), last=ended(message="before")),
            ExitStatus(reason="Crashed", exit_code=1, message="the worker ended with exit code 1: now"),
            id="the newest end counts",
        ),
    ],
)
def test_how_a_worker_ended_is_told_in_its_own_words_or_the_next_best(found: Any, told: ExitStatus | None) -> None:
    assert exit_of_pod(found) == told


@pytest.mark.parametrize("state", [{"state": ended("Completed", 0)}, {"state": RUNNING, "last": ended("Completed", 0)}])
@pytest.mark.parametrize("deleted", [True, False])
def test_a_worker_that_was_asked_to_stop_has_neither_failed_nor_completed(state: Any, deleted: bool) -> None:
    # A failed probe, a drained node or an edit ends it with exit code 0; taken for the end of its stream, it would never run again.
    assert exit_of_pod(pod(**state, deleted=deleted)) is None


# ---------------------------------------------------------------------- refusals


def deployment(message: str, status: str = "True", kind: str = "ReplicaFailure") -> dict[str, Any]:
    available = {"type": "Available", "status": "False", "message": "Deployment does not have minimum availability."}
    return {"status": {"conditions": [available, {"type": kind, "status": status, "reason": "FailedCreate", "message": message}]}}


@pytest.mark.parametrize(
    ("message", "reason", "told"),
    [
        pytest.param(
            'pods "cam-gun-7d9f-{}" is forbidden: exceeded quota: compute, requested: memory=256Mi, used: memory={}, limited: memory=1Gi',
            "QuotaExceeded",
            "the quota 'compute' of the namespace has no room for the pod; raise it, or delete or stop something",
            id="quota",
        ),
        pytest.param(
            'pods "cam-gun-7d9f-{}" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)',
            "Forbidden",
            'the namespace does not allow the pod: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true); '
            "choose another worker class or namespace",
            id="security",
        ),
        pytest.param(
            'pods "cam-gun-7d9f-{}" is forbidden: no PriorityClass with name high was found',
            "FailedCreate",
            "the pod cannot be made: no PriorityClass with name high was found",
            id="class",
        ),
        pytest.param(
            'Pod "cam-gun-7d9f-{}" is invalid: spec.containers[0].image: Required value',
            "FailedCreate",
            "the pod cannot be made: spec.containers[0].image: Required value",
            id="invalid",
        ),
        pytest.param(
            "Internal error occurred: failed calling webhook",
            "FailedCreate",
            "the pod cannot be made: Internal error occurred: ",
            id="other",
        ),
    ],
)
def test_why_no_pod_is_made_is_told_in_the_same_words_at_each_try(message: str, reason: str, told: str) -> None:
    found = [obstacle_of_deployment(deployment(message.format(*words))) for words in (("abcde", "900Mi"), ("x2k4p", "1000Mi"))]
    assert found[0] == found[1]
    assert found[0] is not None
    assert (found[0].status, found[0].reason) == (FALSE, reason)
    assert found[0].message.startswith(told)


@pytest.mark.parametrize(
    "found",
    [
        None,
        {},
        {"status": {}},
        {"status": {"conditions": None}},
        deployment("over", "False"),
        deployment("slow", "True", "Progressing"),
    ],
)
def test_a_deployment_that_makes_its_pods_tells_nothing(found: Any) -> None:
    assert obstacle_of_deployment(found) is None


def test_a_refusal_says_what_was_refused() -> None:
    told = refusal('services "cam-gun" is forbidden: exceeded quota: ports, requested: services.nodeports=1', "worker's objects")
    assert (told.reason, "has no room for the worker's objects" in told.message) == ("QuotaExceeded", True)


def test_a_quota_without_a_name_is_told_too() -> None:
    assert "the quota 'unknown'" in refusal("exceeded quota", "pod").message
