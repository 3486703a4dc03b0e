"""One API server for each file of tests."""

from collections.abc import Iterator

import pytest
from api_server import ApiServer, install_crds, running_api_server
from operators import Cluster


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running_api_server(tmp_path_factory.mktemp("api-server")) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(server: ApiServer) -> Cluster:
    """With our kinds."""
    install_crds(server)
    return Cluster(server)
