"""What clients of cam_server do, against `camstream run`. The same scenarios run against a gateway on a cluster, in tests/e2e."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from cam_server_clients import cam_server_clients
from client_scenarios import SCENARIOS, Server
from local_runs import small_camera
from workers import reader


def read(address: str) -> Mapping[str, Any]:
    with reader(address) as stream:
        return stream.message(timeout_s=30).values


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with cam_server_clients(tmp_path_factory.mktemp("scenarios"), "--allow-pickle", objects=(small_camera(),)) as clients:
        yield Server(clients.camera_url, clients.pipeline_url, read)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(server: Server, scenario: Callable[[Server], None]) -> None:
    before = set(server.pipe.get_server_info()["active_instances"]), server.pipe.get_pipelines(), server.cam.get_cameras()
    scenario(server)
    after = set(server.pipe.get_server_info()["active_instances"]), server.pipe.get_pipelines(), server.cam.get_cameras()
    assert after == before
