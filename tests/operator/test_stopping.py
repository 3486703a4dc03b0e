"""Who asks for no worker has none, also where the spec is not accepted otherwise."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from operators import SIMULATION, Cluster, assert_in_order, bench, converge, reads

from camstream.names import PAUSE

NUMBERS = count(1)

Spec = dict[str, Any]
Spoil = Callable[[Cluster, str], Spec]


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


def no_camera(cluster: Cluster, namespace: str) -> Spec:
    cluster.delete("Camera", namespace, "gun")
    return {}


def no_class(cluster: Cluster, namespace: str) -> Spec:
    return {"worker": {"className": "none"}}


def circle(cluster: Cluster, namespace: str) -> Spec:
    # Not running: it would want the one that it reads.
    cluster.create("Pipeline", namespace, "other", reads(pipeline="fit", lifecycle={"mode": "Stopped"}))
    return {"input": {"camera": None, "pipeline": {"name": "other"}}}


def greedy(cluster: Cluster, namespace: str) -> Spec:
    """What only shows when the pod is built."""
    return {"worker": {"requests": {"memory": "9Gi"}, "limits": {"memory": "1Gi"}}}


SPOILS: dict[str, Spoil] = {"CameraNotFound": no_camera, "ClassNotAllowed": no_class, "CycleDetected": circle, "InvalidSpec": greedy}

STOPS: dict[str, Spec] = {
    "Stopped": {"lifecycle": {"mode": "Stopped"}},
    "scaled to none": {"replicas": 0},
    "Idle": {"lifecycle": {"mode": "OnDemand"}},
}


def replicas(cluster: Cluster, namespace: str) -> int:
    found: int = cluster.get("Deployment", namespace, "cpl-fit")["spec"]["replicas"]
    return found


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("reason", SPOILS)
def test_worker_ends_when_asked_although_the_spec_is_not_accepted(cluster: Cluster, namespace: str, reason: str, stop: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))
    converge(cluster.server, namespace)
    cluster.edit("Pipeline", namespace, "fit", {"spec": SPOILS[reason](cluster, namespace)})
    converge(cluster.server, namespace)
    assert cluster.condition("Pipeline", namespace, "fit", "Accepted")["reason"] == reason
    assert replicas(cluster, namespace) == 1, "who asks for nothing else keeps the worker"
    cluster.edit("Pipeline", namespace, "fit", {"spec": STOPS[stop]})
    converge(cluster.server, namespace)
    assert replicas(cluster, namespace) == 0
    expected = "Idle" if stop == "Idle" else "Stopped"
    assert cluster.condition("Pipeline", namespace, "fit", "Active")["reason"] == expected
    assert cluster.get("Pipeline", namespace, "fit")["status"]["phase"] == expected
    assert converge(cluster.server, namespace) == []


def test_stopped_worker_that_is_wanted_again_starts_and_nobody_is_blamed(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))
    converge(cluster.server, namespace)
    cluster.delete("Camera", namespace, "gun")
    cluster.edit("Pipeline", namespace, "fit", {"spec": STOPS["Stopped"]})
    converge(cluster.server, namespace)
    cluster.collect_garbage(namespace)
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.edit("Pipeline", namespace, "fit", {"spec": {"lifecycle": {"mode": "Always"}}})

    async def story() -> None:
        async with bench(cluster.server, namespace) as operator:
            await operator.start()
            counted = operator.metrics.registry.get_sample_value
            labels = {"kind": "Deployment", "cause": "drift"}
            assert not counted("camstream_operator_children_applied_total", labels)

    asyncio.run(story())
    assert replicas(cluster, namespace) == 1
    assert_in_order(cluster, namespace)


def test_paused_worker_goes_on_although_it_is_stopped(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))
    converge(cluster.server, namespace)
    cluster.delete("Camera", namespace, "gun")
    cluster.edit("Pipeline", namespace, "fit", {"metadata": {"annotations": {PAUSE: "true"}}, "spec": STOPS["Stopped"]})
    converge(cluster.server, namespace)
    assert replicas(cluster, namespace) == 1


def test_worker_of_an_earlier_object_of_the_name_is_left_alone(cluster: Cluster, namespace: str) -> None:
    """It goes with that one."""
    cluster.create("Camera", namespace, "gun", SIMULATION)
    cluster.create("Pipeline", namespace, "fit", reads("gun"))
    converge(cluster.server, namespace)
    cluster.delete("Camera", namespace, "gun")
    cluster.delete("Pipeline", namespace, "fit")
    cluster.create("Pipeline", namespace, "fit", reads("gun") | STOPS["Stopped"])
    asked = converge(cluster.server, namespace)
    assert [path for method, path in asked if method == "PATCH" and "/deployments/" in path] == []


def test_object_that_is_made_anew_waits_for_the_children_of_the_old_one_and_blames_nobody(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "gun", SIMULATION)
    converge(cluster.server, namespace)
    cluster.delete("Camera", namespace, "gun")
    cluster.create("Camera", namespace, "gun", SIMULATION)
    converge(cluster.server, namespace)
    found = cluster.get("Camera", namespace, "gun")["status"]
    told = cluster.condition("Camera", namespace, "gun", "Deployed")
    assert (found["phase"], told["status"], told["reason"]) == ("Starting", "Unknown", "OldOneGoes")
    assert cluster.condition("Camera", namespace, "gun", "Ready")["reason"] == "Starting"
    cluster.collect_garbage(namespace)
    converge(cluster.server, namespace)
    assert cluster.condition("Camera", namespace, "gun", "Deployed")["reason"] == "Applied"
    assert_in_order(cluster, namespace)
