"""Clients come and go on a cluster: nothing is left of what they made. `make cycles` does it a thousand times on one machine."""

import statistics

import pytest
from cam_server_client import CamClient, PipelineClient
from cluster_runs import Workspace, camera, figure
from cycles import Cycles
from kind import PAUSE_S
from waiting import wait_for

CYCLES = 24
AT_ONCE = 4
PATIENCE_S = 180.0
KINDS = (
    "cameras,pipelines,backgrounds,deployments.apps,replicasets.apps,pods,services,endpointslices.discovery.k8s.io,configmaps,secrets,"
    "persistentvolumeclaims"
)
"""Everything that operator, gateway and Kubernetes make in the namespace of a stream, except Events, which end by themselves."""


def things(workspace: Workspace) -> set[str]:
    """Kind and name of all of them, those that are about to end as well."""
    found = workspace.cluster.get(KINDS, "--namespace", workspace.namespace)["items"]
    return {f"{thing['kind']}/{thing['metadata']['name']}" for thing in found}


@pytest.mark.timeout(1800, func_only=True)
def test_cycles_of_create_and_stop_leave_no_pod_service_config_map_or_object(workspace: Workspace, gateway: dict[int, str]) -> None:
    # Some are stopped before they have a frame.
    workspace.expected |= {"Waiting", "NoFrames"}
    workspace.apply(camera())
    workspace.wait_until_ready("camera/cam")
    pipe, stream = PipelineClient(gateway[8889]), CamClient(gateway[8888]).get_instance_stream("cam")
    pipe.save_pipeline_config("saved", {"pipeline_type": "stream", "input_stream": stream})
    workspace.wait_for_phase("pipeline/saved", "Idle")
    before = things(workspace)
    told = Cycles(gateway[8889], "cam", stream, "saved", PATIENCE_S).run(CYCLES, AT_ONCE)
    assert told.problems == []
    assert sum(told.ways.values()) == CYCLES
    left: set[str] = set()

    def nothing_is_left() -> bool:
        nonlocal left
        left = things(workspace) - before
        return not left

    try:
        wait_for("nothing is left", nothing_is_left, 120, PAUSE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}: {sorted(left)}") from None
    assert things(workspace) == before
    assert pipe.get_server_info()["active_instances"] == {}
    assert pipe.get_pipelines() == ["saved"]
    figure("create an instance on a cluster, median", statistics.median(told.creations))
    figure("create an instance on a cluster, longest", max(told.creations))
