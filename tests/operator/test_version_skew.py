"""CustomResourceDefinitions that are newer than operator and gateway: what these do not know, they overlook."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from api_server import CRDS
from operators import SIMULATION, Cluster, assert_in_order, converge
from waiting import wait_for

from camstream.spec import Camera
from camstream.spec.key import Key
from camstream_gateway.cluster_store import ClusterStore

NUMBERS = count(1)

Body = dict[str, Any]


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.make_namespace(f"place-{next(NUMBERS)}")


@contextmanager
def newer_cameras(cluster: Cluster, namespace: str) -> Iterator[None]:
    """As the CRD of a later version: one more field with a default, and one more in the status."""
    path = f"{CRDS}/cameras.camstream.dev"
    versions = cluster.server.request("GET", path).body["spec"]["versions"]
    newer = json.loads(json.dumps(versions))
    fields = newer[0]["schema"]["openAPIV3Schema"]["properties"]
    fields["spec"]["properties"]["shiny"] = {"type": "boolean", "default": False}
    fields["status"]["properties"]["shine"] = {"type": "integer"}

    def set_versions(found: Any) -> None:
        answer = cluster.server.request("PATCH", path, {"spec": {"versions": found}}, "application/merge-patch+json")
        assert answer.status == 200, answer.message

    def defaulted(there: bool) -> bool:
        """Whether the API server has taken the change over."""
        place = f"/apis/camstream.dev/v1alpha1/namespaces/{namespace}/cameras?dryRun=All"
        body = {"apiVersion": "camstream.dev/v1alpha1", "kind": "Camera", "metadata": {"name": "try"}, "spec": SIMULATION}
        return ("shiny" in cluster.server.request("POST", place, body).body["spec"]) is there

    set_versions(newer)
    try:
        wait_for("the newer CRD is served", lambda: defaulted(True))
        yield
    finally:
        set_versions(versions)
        wait_for("the older CRD is served", lambda: defaulted(False))


def test_operator_works_while_the_crds_are_newer(cluster: Cluster, namespace: str) -> None:
    cluster.create("Camera", namespace, "before", SIMULATION)
    converge(cluster.server, namespace)
    with newer_cameras(cluster, namespace):
        cluster.create("Camera", namespace, "gun", SIMULATION | {"shiny": True})
        cluster.edit("Camera", namespace, "before", {"status": {"shine": 7}}, subresource="status")
        converge(cluster.server, namespace)
        for name in ("gun", "before"):
            assert cluster.condition("Camera", namespace, name, "Accepted")["reason"] == "Valid"
            assert cluster.get("Deployment", namespace, f"cam-{name}")["spec"]["replicas"] == 1
        assert cluster.get("Camera", namespace, "gun")["spec"]["shiny"] is True
        assert_in_order(cluster, namespace)
    assert_in_order(cluster, namespace)


def test_gateway_sees_objects_of_newer_crds_and_does_not_replace_what_it_does_not_know(cluster: Cluster, namespace: str) -> None:
    async def read() -> Any:
        async with await ClusterStore.connect(namespace, (namespace,), str(cluster.server.kubeconfig)) as store:
            seen = await anext(store.watch())
            return seen, await store.read(Key("Camera", namespace, "gun"))

    with newer_cameras(cluster, namespace):
        cluster.create("Camera", namespace, "gun", SIMULATION | {"shiny": True})
        seen, found = asyncio.run(read())
        assert seen.held.thing == found
        assert isinstance(found, Camera)
        # Who wrote which field is known as ever.
        assert (found.metadata.model_extra or {})["managedFields"]
        assert found.metadata.creation_timestamp
