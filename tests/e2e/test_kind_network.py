"""The chart's network policies, where nothing else may pass."""

from collections.abc import Iterator

import pytest
from cluster_runs import Workspace, camera, pipeline

NOTHING_PASSES = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "nothing-passes"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
TRIES = """
import socket

def process_image(image, *others):
    try:
        socket.create_connection(("kubernetes.default.svc", 443), 2).close()
    except OSError:
        return {"escaped": 0}
    return {"escaped": 1}
"""


@pytest.fixture
def closed(workspace: Workspace) -> Iterator[Workspace]:
    """Where nothing passes but what the chart lets through."""
    installation = workspace.installation
    workspace.apply(NOTHING_PASSES)
    installation.install(networkPolicy__enabled=True, networkPolicy__workers__restrictEgress=True, watchNamespaces=[workspace.namespace])
    try:
        yield workspace
    finally:
        installation.install()
        # What the operator watches its watches by, in the first namespace that it looks at: it has no owner.
        workspace.kubectl("delete", "configmap", "camstream-operator-canary", "--ignore-not-found")


def test_policies_of_the_chart_let_through_what_streams_need_and_no_more(closed: Workspace) -> None:
    # A script that waits two seconds for an answer is slow, and a pipeline is soon behind.
    closed.apply(camera(rate_hz=2), pipeline(), pipeline("escaping", script={"source": TRIES}))
    closed.wait_until_ready("camera/cam", "pipeline/pipe", "pipeline/escaping")
    closed.edit("pipeline/pipe", processing={"threshold": 3})
    closed.wait_until_applied("pipeline/pipe")
    cluster, image = closed.cluster, closed.installation.worker_image
    with cluster.namespace() as elsewhere:
        (reading,) = cluster.read_frames(elsewhere, closed.address("pipeline/pipe"), channels=["width"], image=image)
        assert reading.channels["width"] == 64
        (reading,) = cluster.read_frames(elsewhere, closed.address("pipeline/escaping"), channels=["escaped"], image=image)
    if reading.channels["escaped"]:
        # Then all of the above shows nothing either: a network plugin need not know NetworkPolicy.
        print("NOT SHOWN: the network plugin of this cluster enforces no NetworkPolicy")
