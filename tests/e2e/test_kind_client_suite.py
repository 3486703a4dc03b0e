"""What clients of cam_server do, against a gateway on a cluster: the scenarios that tests/gateway runs on one machine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cam_server_client.pipeline_client
import pytest
from api_server import binary
from client_scenarios import SCENARIOS, Server
from cluster_runs import Workspace

from camstream_cli.cluster.kubectl import Kubectl


@pytest.mark.timeout(3600, func_only=True)
def test_every_scenario_holds_on_a_cluster(workspace: Workspace, gateway: dict[int, str]) -> None:
    # Scenarios pause, refuse, fail and end streams.
    workspace.expected |= {"Waiting", "NoFrames", "Rejected", "NotFound", "NoAnswer", "ScriptError"}

    def read(address: str) -> Mapping[str, Any]:
        (reading,) = workspace.cluster.read_frames(workspace.namespace, address, image=workspace.installation.worker_image)
        return reading.channels

    @contextmanager
    def reach(address: str) -> Iterator[None]:
        # The client runs here, where a name of the cluster means nothing: its port is forwarded, and the client is told where.
        # Nothing else of it differs.
        service, namespace, *_ = address.removeprefix("tcp://").split(".")
        kubectl = Kubectl((f"--kubeconfig={workspace.cluster.kubeconfig}", f"--context={workspace.cluster.context}"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECTL", binary("kubectl"))
            with kubectl.forward(namespace, f"service/{service}", int(address.rpartition(":")[2])) as port:
                patch.setattr(cam_server_client.pipeline_client, "get_host_port_from_stream_address", lambda _: ("127.0.0.1", port))
                yield

    server = Server(gateway[8888], gateway[8889], read, patience_s=180, reach=reach, keeps_libraries=False)
    failed = {}
    # In one test: each installation of the gateway takes longer than a scenario.
    for scenario in SCENARIOS:
        try:
            scenario(server)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - all are told together at the end
            failed[scenario.__name__] = f"{type(error).__name__}: {error}"
    assert failed == {}
    # What a test before has left in another namespace is gone by now.
    assert server.pipe.get_server_info()["active_instances"] == {}
    assert (server.pipe.get_pipelines(), server.cam.get_cameras()) == ([], [])
